"""One method of one path of the API, with the guard in front of its handler."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sysndd_api.security.access import Access
from sysndd_api.web.guard import Guard
from sysndd_api.web.http import service
from sysndd_api.web.site_features import Feature, SiteFeatures

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Endpoint:
    """One method of one path.

    Attributes:
        access: Who may call it; checked before the handler runs.
        answer: Model of the successful response; None if it is not a JSON document.
        status: Status code of the successful response.
        body: Model of the request body.
        query: Model of the query string.
        in_maintenance: Whether a writing method is accepted in maintenance mode; only for
            methods that write to the platform schema alone.
        needs: The feature of the site that it belongs to; without it, the response is 404.
    """

    method: str
    path: str
    handler: Handler
    access: Access
    answer: type[BaseModel] | None
    status: int = 200
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    in_maintenance: bool = False
    needs: Feature | None = None

    def route(self) -> Route:
        """Build the framework's route, with the guard in front of the handler."""
        return Route(self.path, self._guarded, methods=[self.method], name=self.handler.__name__)

    async def _guarded(self, request: Request) -> Response:
        guard = service(request, Guard)
        await guard.check_endpoint(request, self.access, in_maintenance=self.in_maintenance)
        if self.needs is not None:
            await service(request, SiteFeatures).require(self.needs)
        return await self.handler(request)


def endpoints_of(request: Request) -> tuple[Endpoint, ...]:
    """Return the endpoints that the application was built from."""
    endpoints: tuple[Endpoint, ...] = request.app.state.endpoints
    return endpoints
