"""The listening socket and the worker processes of the API."""

from pydantic import Field

from sysndd_core.settings.base import SettingsGroup

# Longer than the proxy's idle timeout of 90 s, so that the proxy never reuses a closed connection.
KEEP_ALIVE_SECONDS = 95
GRACEFUL_SECONDS = 25


class ApiServerSettings(SettingsGroup):
    """Address, worker processes, startup and shutdown of the API."""

    host: str = Field("127.0.0.1", alias="API_HOST", description="Address that the API listens on.")
    port: int = Field(
        8000, alias="API_PORT", ge=1, le=65535, description="Port that the API listens on."
    )
    workers: int = Field(
        4,
        alias="API_WORKERS",
        ge=1,
        le=64,
        description="Number of API worker processes. Each has its own database connection pool.",
    )
    migrate_on_start: bool = Field(
        False,
        alias="MIGRATE_ON_START",
        description="Whether to run `sysndd-migrator up` once before the worker processes start.",
    )
    start_timeout: float = Field(
        60.0,
        alias="API_START_TIMEOUT",
        gt=0,
        description="Seconds to wait at startup for the database and for pending migrations.",
    )
    drain: float = Field(
        0.0,
        alias="API_DRAIN",
        ge=0,
        le=60,
        description="Seconds between SIGTERM and shutdown in which the API closes its connections"
        " gracefully. With several replicas, no request is lost.",
    )
    trusted_proxies: str = Field(
        "127.0.0.1",
        alias="TRUSTED_PROXIES",
        description="Comma-separated addresses or networks of proxies whose `X-Forwarded-For`"
        " header is trusted.",
    )
