"""What two or more of the services share, and nothing else."""

from importlib.metadata import PackageNotFoundError, version


def tool_version() -> str:
    """Return the version of the installed platform, or ``0+unknown`` from a bare source tree."""
    try:
        return version("sysndd-core")
    except PackageNotFoundError:
        return "0+unknown"
