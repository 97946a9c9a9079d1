"""The application factory: routes, middleware and error handlers in one call."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

from starlette.applications import Starlette
from starlette.middleware import Middleware

from sysndd_api.backups.service import Backups
from sysndd_api.context import open_context
from sysndd_api.metrics.service import Metrics
from sysndd_api.pages.branding import Branding
from sysndd_api.pages.routes import PAGES
from sysndd_api.pages.static_files import SiteFiles
from sysndd_api.request_stats.service import RequestStats
from sysndd_api.routes import ENDPOINTS
from sysndd_api.settings import ApiSettings
from sysndd_api.web.errors import EXCEPTION_HANDLERS
from sysndd_api.web.middleware import BodyLimit, RequestLog, RequestObserver
from sysndd_core.background import end_tasks


class State(TypedDict):
    """The contents of ``request.state``.

    Attributes:
        services: The services of the context by type; see ``sysndd_api.web.http.service``.
        observers: Called for each answered request.
    """

    services: Mapping[type[Any], Any]
    observers: tuple[RequestObserver, ...]


def create_app(settings: ApiSettings, *, metrics_directory: Path | None = None) -> Starlette:
    """Build the application.

    The lifespan runs once in each worker process, so it does nothing that must happen only once.

    Args:
        settings: All settings; the environment is not read.
        metrics_directory: Shared by the worker processes of one server, for their metrics.

    Raises:
        SettingsError: The site's logo cannot be used.
    """
    branding = Branding.load(settings.appearance)
    pages_services = {Branding: branding, SiteFiles: branding.files}

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[State]:
        async with (
            open_context(settings, metrics_directory=metrics_directory) as context,
            context[RequestStats].recording(),
        ):
            tasks = [
                asyncio.create_task(context[Metrics].watch()),
                # Parses all manifests into the cache, so that no request waits for it.
                asyncio.create_task(context[Backups].list_all()),
            ]
            try:
                yield {
                    "services": {**context.services, **pages_services},
                    "observers": (context[RequestStats].observe, context[Metrics].observe),
                }
            finally:
                await end_tasks(*tasks)

    app = Starlette(
        routes=[*(one.route() for one in ENDPOINTS), *(one.route() for one in PAGES)],
        middleware=[Middleware(RequestLog), Middleware(BodyLimit)],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )
    app.state.endpoints = ENDPOINTS
    return app
