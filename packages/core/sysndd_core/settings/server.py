"""The API's listening socket and worker processes."""

from pydantic import Field

from sysndd_core.settings.base import SettingsGroup

# Above the proxy's idle time of 90 s: the side that picks a connection must not meet a closed one.
KEEP_ALIVE_SECONDS = 95
GRACEFUL_SECONDS = 25


class ApiServerSettings(SettingsGroup):
    """How the API listens."""

    host: str = Field("127.0.0.1", alias="API_HOST", description="Address to listen on.")
    port: int = Field(8000, alias="API_PORT", ge=1, le=65535, description="Port to listen on.")
    workers: int = Field(
        4, alias="API_WORKERS", ge=1, le=64, description="Worker processes; each has its own pool."
    )
    migrate_on_start: bool = Field(
        False,
        alias="MIGRATE_ON_START",
        description="Run the migrator once before the workers are spawned.",
    )
    start_timeout: float = Field(
        60.0,
        alias="API_START_TIMEOUT",
        gt=0,
        description="Seconds to wait at start for the database and its migrations.",
    )
    drain: float = Field(
        0.0,
        alias="API_DRAIN",
        ge=0,
        le=60,
        description="Seconds between SIGTERM and the stop in which connections are wound down:"
        " with several replicas, none of their requests is lost then.",
    )
    trusted_proxies: str = Field(
        "127.0.0.1",
        alias="TRUSTED_PROXIES",
        description="Addresses or networks, comma separated, whose X-Forwarded-For is believed.",
    )
