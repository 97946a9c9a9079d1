"""Groups of settings, and loading them from environment variables.

This module does not read the environment. A service's ``__main__`` calls
``load(ItsSettings, os.environ)`` once. Each field is an environment variable ``NAME``, or
``NAME_FILE`` with the path of a file that contains the value, which is safer for secrets.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from sysndd_core.errors import SettingsError


class SettingsGroup(BaseModel):
    """A group of related settings; the alias of each field is its environment variable."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="forbid")


class Settings(BaseModel):
    """The settings of one service; its fields are groups."""

    model_config = ConfigDict(frozen=True, extra="forbid")


SettingsT = TypeVar("SettingsT", bound=Settings)


def load(settings: type[SettingsT], environ: Mapping[str, str]) -> SettingsT:
    """Build a service's settings from environment variables.

    Args:
        settings: Class of the service's settings.
        environ: Environment variables, usually ``os.environ``.

    Returns:
        The frozen settings.

    Raises:
        SettingsError: Variables are missing or invalid; names all of them.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name, group in groups_of(settings):
        raw: dict[str, str] = {}
        for variable, _ in variables_of(group):
            value = _read(variable, environ, problems)
            if value is not None:
                raw[variable] = value
        try:
            values[name] = group.model_validate(raw)
        except ValidationError as error:
            problems.extend(_sentences(error))
    if problems:
        raise SettingsError(problems)
    return settings.model_validate(values)


def groups_of(settings: type[Settings]) -> Iterator[tuple[str, type[SettingsGroup]]]:
    """Yield each group of a service's settings as (field name, class)."""
    for name, field in settings.model_fields.items():
        group = field.annotation
        assert isinstance(group, type), name
        assert issubclass(group, SettingsGroup), name
        yield name, group


def variables_of(group: type[SettingsGroup]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield each field of a group as (environment variable, field)."""
    for field in group.model_fields.values():
        assert field.alias is not None
        yield field.alias, field


def _read(variable: str, environ: Mapping[str, str], problems: list[str]) -> str | None:
    direct, path = environ.get(variable), environ.get(f"{variable}_FILE")
    # Compose files and shells set a variable to the empty string for "not set".
    if path:
        if direct:
            problems.append(f"{variable} and {variable}_FILE are both set. Set only one of them")
            return None
        try:
            # An empty file counts as not set, like an empty variable.
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n") or None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            problems.append(f"{variable}_FILE={path} cannot be read: {reason}")
            return None
    return direct or None


def _sentences(error: ValidationError) -> list[str]:
    # The rejected value is left out, because it may be a secret in the wrong variable.
    return [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
