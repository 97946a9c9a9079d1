"""Decides who may call a route and whether it may write now, for the API and the pages."""

from typing import Protocol

from starlette.requests import Request

from sysndd_api.security.access import Access, Actor
from sysndd_api.security.credentials import presented_token, require_same_origin, writes
from sysndd_api.web.http import remote_of
from sysndd_core.errors import NotSignedIn, SysnddError


class Authenticate(Protocol):
    """Finds the owner of a token; implemented by ``Sessions.authenticate``."""

    async def __call__(
        self, token: str | None, access: Access, *, remote: str | None, audit_as: str | None = None
    ) -> Actor:
        """Return the owner of a token.

        Args:
            token: The session token, if the request has one.
            access: The access level of the route.
            remote: The client's address.
            audit_as: How the audit log names a denied request; None to record nothing.

        Raises:
            NotSignedIn: The token is missing or invalid.
            NotAllowed: The role does not suffice.
        """
        ...


class Maintenance(Protocol):
    """Knows whether the site is in maintenance mode."""

    async def is_on(self) -> bool:
        """Return whether maintenance mode is on."""
        ...

    async def reject_writes(self) -> None:
        """Raise an error in maintenance mode.

        Raises:
            Maintenance: A restore is running.
        """
        ...


class Guard:
    """Checks every request before its handler runs.

    It sets ``request.state.actor`` to the signed-in account and ``request.state.token`` to its
    session token.

    Args:
        authenticate: Finds the owner of a token.
        maintenance: Knows whether maintenance mode is on.
        public_url: The site's own URL, which browser forms must be sent from.
    """

    def __init__(
        self, authenticate: Authenticate, maintenance: Maintenance, *, public_url: str
    ) -> None:
        self._authenticate = authenticate
        self._maintenance = maintenance
        self._public_url = public_url

    async def check_endpoint(
        self, request: Request, access: Access, *, in_maintenance: bool
    ) -> None:
        """Check a request to the API; a denied role is recorded in the audit log.

        Args:
            request: The request with its credentials.
            access: The access level of the endpoint.
            in_maintenance: Whether it may write in maintenance mode.

        Raises:
            CrossSiteRequest: The cookie was sent by another site.
            NotSignedIn: The endpoint requires a session.
            NotAllowed: The endpoint requires another role.
            Maintenance: It writes, and a restore is running.
        """
        if access is not Access.ANYONE:
            await self._sign_in(request, access, f"{request.method} {request.scope['path']}")
        await self._check_write(request, in_maintenance=in_maintenance)

    async def check_page(self, request: Request, access: Access, *, in_maintenance: bool) -> None:
        """Check a request to a page; public pages also learn who is signed in.

        A form must come from this site even if the client is not signed in. Otherwise another site
        could sign a visitor in to an account of its choice.

        Args:
            request: The request with its credentials.
            access: The access level of the page.
            in_maintenance: Whether it may write in maintenance mode.

        Raises:
            CrossSiteRequest: The form or the cookie was sent by another site.
            NotSignedIn: The page requires a session.
            NotAllowed: The page requires another role.
            Maintenance: It writes, and a restore is running.
        """
        if writes(request):
            require_same_origin(request, self._public_url)
        try:
            await self._sign_in(request, access)
        except NotSignedIn:
            if access is not Access.ANYONE:
                raise
        await self._check_write(request, in_maintenance=in_maintenance)

    async def admits(self, request: Request, access: Access) -> bool:
        """Return whether a request's credentials suffice; never raises.

        If the database is unavailable, they do not suffice.
        """
        try:
            await self._sign_in(request, access)
        except SysnddError:
            return False
        return True

    async def in_maintenance(self) -> bool:
        """Return whether maintenance mode is on."""
        return await self._maintenance.is_on()

    async def _sign_in(self, request: Request, access: Access, audit_as: str | None = None) -> None:
        token = presented_token(request, self._public_url)
        request.state.actor = await self._authenticate(
            token, access, remote=remote_of(request), audit_as=audit_as
        )
        request.state.token = token

    async def _check_write(self, request: Request, *, in_maintenance: bool) -> None:
        if writes(request) and not in_maintenance:
            await self._maintenance.reject_writes()
