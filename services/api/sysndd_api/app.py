"""The application factory: routes, middleware and error handlers put together in one call."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypedDict

from starlette.applications import Starlette
from starlette.middleware import Middleware

from sysndd_api.admin.routes import PAGES
from sysndd_api.context import Context, open_context
from sysndd_api.errors import EXCEPTION_HANDLERS
from sysndd_api.middleware import BodyLimit, RequestLog
from sysndd_api.routes import ENDPOINTS
from sysndd_api.settings import ApiSettings


class State(TypedDict):
    """What every request sees as ``request.state``."""

    context: Context


def create_app(settings: ApiSettings, *, metrics_directory: Path | None = None) -> Starlette:
    """Build the application.

    Args:
        settings: everything it needs to know; the environment is not read.
        metrics_directory: where the worker processes of one server count together.

    The lifespan runs once in each worker process, so nothing that must happen once is in it.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[State]:
        async with (
            open_context(settings, metrics_directory=metrics_directory) as context,
            context.activity.kept(),
        ):
            beside = [
                asyncio.create_task(context.metrics.watch(context.database)),
                # A thousand manifests take a while to parse and are kept then; nobody waits for it.
                asyncio.create_task(context.backups.list_all()),
            ]
            try:
                yield {"context": context}
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)

    return Starlette(
        routes=[*(one.route() for one in ENDPOINTS), *(one.route() for one in PAGES)],
        middleware=[Middleware(RequestLog), Middleware(BodyLimit)],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )
