"""The quick look reads settings without their library; it must never read them differently."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from sysndd_core.errors import SettingsError
from sysndd_core.settings.base import groups_of, load, variables_of
from sysndd_migrator.quick_look import VARIABLES, answer, read_settings
from sysndd_migrator.settings import MigratorSettings


def by_variable(environ: dict[str, str]) -> dict[str, str]:
    """Read with the real settings, and spell each value as the environment would."""
    settings = load(MigratorSettings, environ)
    found: dict[str, str] = {}
    for group_name, group in groups_of(MigratorSettings):
        for name, field in group.model_fields.items():
            value = getattr(getattr(settings, group_name), name)
            value = value.get_secret_value() if isinstance(value, SecretStr) else value
            assert field.alias is not None
            found[field.alias] = "" if value is None else str(value)
    return found


def test_it_knows_every_variable_and_its_default() -> None:
    known = {name for _, group in groups_of(MigratorSettings) for name, _ in variables_of(group)}
    assert set(VARIABLES) == known
    assert read_settings({}) == by_variable({})


@given(st.data())
def test_what_it_accepts_means_the_same_to_the_settings(data: st.DataObject) -> None:
    environ = {
        name: data.draw(st.from_regex(plain, fullmatch=True), label=name)
        for name, (plain, _) in VARIABLES.items()
        if data.draw(st.booleans())
    }
    quick = read_settings(environ)
    if quick is None:  # both schemas of one name
        return
    full = by_variable(environ)
    numbers = {"DB_POOL_TIMEOUT", "DB_STATEMENT_TIMEOUT"}
    for name, value in quick.items():
        if name in numbers:
            assert float(value) == float(full[name])
        elif name in {"MIGRATIONS_DIR", "DB_SOCKET"} and value:
            assert Path(value) == Path(full[name])
        else:
            assert value == full[name], name


@pytest.mark.parametrize(
    "environ",
    [
        {"DB_PORT": "0"},
        {"DB_PORT": "x"},
        {"DB_NAME": "a-b"},
        {"DB_PASSWORD": "a", "DB_PASSWORD_FILE": "b"},
        {"DB_PASSWORD_FILE": "nowhere/at/all"},
        {"LOG_LEVEL": "loud"},
        {"DB_POOL_SIZE": "0"},
    ],
)
def test_what_the_settings_refuse_it_leaves_to_them(environ: dict[str, str]) -> None:
    assert read_settings(environ) is None
    with pytest.raises(SettingsError):
        load(MigratorSettings, environ)


@pytest.mark.parametrize(
    "arguments",
    [[], ["status"], ["up", "--strict"], ["up", "--timeout", "x"], ["up", "--dir"], ["wait", "x"]],
)
def test_other_commands_and_options_are_left_alone(arguments: list[str]) -> None:
    assert answer(arguments, {}) is None
