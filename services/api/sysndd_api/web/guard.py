"""Who may call a route, and whether it may write now: the same for the API and for the pages."""

from typing import Protocol

from starlette.requests import Request

from sysndd_api.security.access import Access, Actor
from sysndd_api.security.credentials import presented_token, require_same_origin, writes
from sysndd_api.web.http import remote_of
from sysndd_core.errors import NotSignedIn, SysnddError


class Authenticate(Protocol):
    """Tells who holds a token, as ``Sessions.authenticate`` does."""

    async def __call__(
        self, token: str | None, access: Access, *, remote: str | None, audit_as: str | None = None
    ) -> Actor:
        """Return the actor that ``access`` admits.

        Raises:
            NotSignedIn, NotAllowed.
        """
        ...


class Maintenance(Protocol):
    """Tells whether a restore replaces the tables right now."""

    async def is_on(self) -> bool:
        """Tell whether writes are refused."""
        ...

    async def reject_writes(self) -> None:
        """Let a write pass.

        Raises:
            Maintenance: a restore is at work.
        """
        ...


class Guard:
    """Stands in front of every handler.

    Whoever it lets in is in ``request.state.actor``, with their session's token in
    ``request.state.token``.

    Args:
        authenticate: finds the actor behind a token.
        maintenance: says when writes are refused.
        public_url: the site's own address: a browser's form must come from there.
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
        """Let a call of the API pass; a rejection for want of the role goes into the audit log.

        Args:
            request: with its credentials.
            access: what the endpoint asks for.
            in_maintenance: whether it may write while a restore replaces the tables.

        Raises:
            CrossSiteRequest, NotSignedIn, NotAllowed, Maintenance.
        """
        if access is not Access.ANYONE:
            await self._sign_in(request, access, f"{request.method} {request.scope['path']}")
        await self._check_write(request, in_maintenance=in_maintenance)

    async def check_page(self, request: Request, access: Access, *, in_maintenance: bool) -> None:
        """Let a page pass; what is open to anyone also learns who is signed in.

        A form must come from a page of ours even when nobody is signed in: a foreign page could
        otherwise sign a visitor in as somebody else.

        Args and raises: as ``check_endpoint``.
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
        """Tell whether a request's credentials are enough; never raises.

        Also when the database is down: then they are not.
        """
        try:
            await self._sign_in(request, access)
        except SysnddError:
            return False
        return True

    async def in_maintenance(self) -> bool:
        """Tell whether writes are refused now."""
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
