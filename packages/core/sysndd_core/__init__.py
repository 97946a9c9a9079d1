"""What two or more of the services share, and nothing else."""

from functools import cache


@cache
def tool_version() -> str:
    """Return the version of the installed platform, or ``0+unknown`` from a bare source tree."""
    # Not at the top: it takes as long to load as a whole start of the migrator may take.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version("sysndd-core")
    except PackageNotFoundError:
        return "0+unknown"
