"""One method of one address of the API, with the guard in front of its handler."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sysndd_api.security.access import Access
from sysndd_api.web.guard import Guard
from sysndd_api.web.http import service

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Endpoint:
    """One method of one address.

    Attributes:
        access: who may call it; checked before the handler runs.
        answer: model of the successful answer, None for one without a JSON document.
        status: of the successful answer.
        body, query: models of what is sent.
        in_maintenance: whether a method that writes goes on while a restore replaces the tables;
            for those that write to the platform alone.
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

    def route(self) -> Route:
        """Build the framework's route, with the guard in front of the handler."""
        return Route(self.path, self._guarded, methods=[self.method], name=self.handler.__name__)

    async def _guarded(self, request: Request) -> Response:
        guard = service(request, Guard)
        await guard.check_endpoint(request, self.access, in_maintenance=self.in_maintenance)
        return await self.handler(request)


def endpoints_of(request: Request) -> tuple[Endpoint, ...]:
    """Return the list that the application was built from."""
    endpoints: tuple[Endpoint, ...] = request.app.state.endpoints
    return endpoints
