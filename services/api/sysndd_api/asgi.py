"""Builds the application in each worker process, which has only its environment."""

import os
from pathlib import Path

from starlette.types import ASGIApp

from sysndd_api.app import create_app
from sysndd_api.settings import ApiSettings
from sysndd_api.web.supervisor import draining
from sysndd_core.logging import configure
from sysndd_core.settings.base import load

METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus-client reads the same variable when it is imported."""


def build() -> ASGIApp:
    """Read the environment and build the application."""
    settings = load(ApiSettings, os.environ)
    configure(settings.log, service="api")
    metrics = os.environ.get(METRICS_DIRECTORY)
    app = create_app(settings, metrics_directory=Path(metrics) if metrics else None)
    return draining(app)
