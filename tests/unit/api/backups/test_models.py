"""Which requests about backups are well formed."""

import pytest
from pydantic import ValidationError

from sysndd_api.backups.models import BackupQuery, InspectRequest, RestoreRequest, UploadQuery


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "odd"},
        {"verification": "maybe"},
        {"pinned": "2"},
        {"sort": "sha256"},
        {"sort": "+name"},
        {"sort": "--name"},
        {"search": "x" * 101},
        {"page": "0"},
        {"page_size": "501"},
        {"order": "name"},
    ],
    ids=str,
)
def test_a_query_with_an_unknown_value_is_rejected(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        BackupQuery.model_validate(values)


@pytest.mark.parametrize(("text", "pinned"), [("true", True), ("1", True), ("false", False)])
def test_a_boolean_is_read_from_a_query_string(text: str, pinned: bool) -> None:
    assert BackupQuery.model_validate({"pinned": text}).pinned is pinned


def test_backups_are_listed_latest_first_by_default() -> None:
    assert BackupQuery().sort == "-created_at"


@pytest.mark.parametrize("confirm", ["restore", True, ["RESTORE"], {"a": 1}, None])
def test_any_confirmation_is_well_formed_and_is_passed_on_unchanged(confirm: object) -> None:
    """The service rejects it with a code of its own; it must not be converted on the way."""
    received = RestoreRequest.model_validate({"confirm": confirm}).confirm
    assert (received, type(received)) == (confirm, type(confirm))


def test_a_misspelt_member_of_a_restore_is_rejected() -> None:
    """Ignored, it would look like a consent that was given and had no effect."""
    with pytest.raises(ValidationError):
        RestoreRequest.model_validate({"confirm": "RESTORE", "acept": []})


@pytest.mark.parametrize("table", ["", "x" * 65])
def test_a_table_name_has_between_1_and_64_characters(table: str) -> None:
    """64 is the limit of MySQL and MariaDB for identifiers."""
    with pytest.raises(ValidationError):
        InspectRequest(table=table)
    assert InspectRequest(table="x" * 64).table == "x" * 64


def test_an_upload_needs_a_file_name() -> None:
    for values in ({}, {"filename": ""}, {"filename": "x" * 501}):
        with pytest.raises(ValidationError):
            UploadQuery.model_validate(values)
