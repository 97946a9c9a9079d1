"""Each migration can run again without effect, on an empty and on a seeded schema."""

from pathlib import Path

import pytest

from sysndd_migrator.files.splitter import split
from tests.integration.schema.migrations import FILES, apply, fingerprint
from tests.integration.schema.test_seed import load_seed
from tests.support.servers import TestMariadb

ANNOTATION = next(file for file in FILES if file.name.startswith("002_"))
VOCABULARIES = next(file for file in FILES if file.name.startswith("005_"))


def test_the_files_are_numbered_without_a_gap() -> None:
    assert [file.name[:3] for file in FILES] == [f"{n:03}" for n in range(1, len(FILES) + 1)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_second_run_changes_nothing(mariadb: TestMariadb, file: Path) -> None:
    with mariadb.temporary_schema("rerun") as schema:
        apply(mariadb, schema, *(earlier for earlier in FILES if earlier.name <= file.name))
        once = fingerprint(mariadb, schema)

        apply(mariadb, schema, file)

        assert fingerprint(mariadb, schema) == once


def test_running_all_again_on_a_seeded_schema_changes_nothing(
    mariadb: TestMariadb, migrated: str
) -> None:
    load_seed(mariadb, migrated)
    once = fingerprint(mariadb, migrated)

    apply(mariadb, migrated, *FILES)

    assert fingerprint(mariadb, migrated) == once


def test_the_migrator_sees_the_same_statements_as_the_client(
    mariadb: TestMariadb, migrated: str
) -> None:
    with mariadb.temporary_schema("split") as schema:
        with mariadb.connect(schema) as connection, connection.cursor() as cursor:
            for file in FILES:
                for statement in split(file.read_bytes(), file.name):
                    cursor.execute(statement.text)

        ours, theirs = fingerprint(mariadb, schema), fingerprint(mariadb, migrated)

    # The client does not send comments, except in bodies of routines.
    for part in ("tables", "columns", "indexes", "constraints", "checks", "foreign keys", "rows"):
        assert ours[part] == theirs[part], part
    assert [row[:4] for row in ours["triggers"]] == [row[:4] for row in theirs["triggers"]]
    assert [row[0] for row in ours["routines"]] == [row[0] for row in theirs["routines"]]


@pytest.mark.parametrize(
    "damage",
    [
        "DROP COLUMN ensembl_gene_id",
        "DROP COLUMN chromosome, DROP INDEX gene_location, DROP COLUMN gnomad_missense_z",
        "DROP INDEX gene_location",
        "DROP CONSTRAINT gene_span_ordered",
    ],
)
def test_the_annotation_completes_a_partial_earlier_run(
    mariadb: TestMariadb, migrated: str, damage: str
) -> None:
    whole = fingerprint(mariadb, migrated)
    mariadb.execute(f"ALTER TABLE gene {damage}", schema=migrated)
    assert fingerprint(mariadb, migrated) != whole

    apply(mariadb, migrated, ANNOTATION)

    assert fingerprint(mariadb, migrated) == whole


def test_the_annotation_does_not_change_a_column_that_the_site_widened(
    mariadb: TestMariadb, migrated: str
) -> None:
    mariadb.execute("ALTER TABLE gene MODIFY chromosome VARCHAR(64)", schema=migrated)
    widened = fingerprint(mariadb, migrated)

    apply(mariadb, migrated, ANNOTATION)

    assert fingerprint(mariadb, migrated) == widened


def test_missing_vocabulary_rows_are_added_but_changed_terms_stay(
    mariadb: TestMariadb, migrated: str
) -> None:
    terms = "SELECT inheritance_id, term FROM mode_of_inheritance ORDER BY sort"
    before = mariadb.execute(terms, schema=migrated)
    mariadb.execute(
        "DELETE FROM mode_of_inheritance WHERE inheritance_id = 'HP:0001419'", schema=migrated
    )
    mariadb.execute(
        "UPDATE mode_of_inheritance SET term = 'Dominant' WHERE inheritance_id = 'HP:0000006'",
        schema=migrated,
    )

    apply(mariadb, migrated, VOCABULARIES)

    first, *others = before
    assert first[0] == "HP:0000006"
    assert mariadb.execute(terms, schema=migrated) == (("HP:0000006", "Dominant"), *others)


def test_names_of_spaces_become_null_without_counting_as_an_edit(
    mariadb: TestMariadb, migrated: str
) -> None:
    mariadb.execute(
        "INSERT INTO `user` (user_name, email, first_name, family_name, updated_at)"
        " VALUES ('a', 'a@example.org', '  ', 'Núñez', '2020-01-01')",
        schema=migrated,
    )

    apply(mariadb, migrated, VOCABULARIES)

    rows = mariadb.execute(
        "SELECT first_name, family_name, YEAR(updated_at) FROM `user`", schema=migrated
    )
    assert rows == ((None, "Núñez", 2020),)
