"""Each migration can run again, on an empty and on a seeded schema, and then changes nothing."""

from pathlib import Path

import pytest

from sysndd_migrator.files.splitter import split
from tests.support.migrations import FILES, apply, fingerprint
from tests.support.seed import load_seed
from tests.support.servers import DatabaseServer

ANNOTATION = next(file for file in FILES if file.name.startswith("002_"))
VOCABULARIES = next(file for file in FILES if file.name.startswith("005_"))


def test_the_files_are_numbered_without_a_gap() -> None:
    assert [file.name[:3] for file in FILES] == [f"{n:03}" for n in range(1, len(FILES) + 1)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_second_run_changes_nothing(database_server: DatabaseServer, file: Path) -> None:
    with database_server.temporary_schema("rerun") as schema:
        apply(database_server, schema, *(earlier for earlier in FILES if earlier.name <= file.name))
        once = fingerprint(database_server, schema)

        apply(database_server, schema, file)

        assert fingerprint(database_server, schema) == once


def test_rerunning_all_migrations_on_a_seeded_schema_changes_nothing(
    database_server: DatabaseServer, migrated: str
) -> None:
    load_seed(database_server, migrated)
    once = fingerprint(database_server, migrated)

    apply(database_server, migrated, *FILES)

    assert fingerprint(database_server, migrated) == once


def test_the_migrator_sees_the_same_statements_as_the_client(
    database_server: DatabaseServer, migrated: str
) -> None:
    with database_server.temporary_schema("split") as schema:
        with database_server.connect(schema) as connection, connection.cursor() as cursor:
            for file in FILES:
                for statement in split(file.read_bytes(), file.name):
                    cursor.execute(statement.text)

        ours, theirs = fingerprint(database_server, schema), fingerprint(database_server, migrated)

    # The client removes comments from what it sends, except in the bodies of routines.
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
def test_the_annotation_migration_completes_an_interrupted_run(
    database_server: DatabaseServer, migrated: str, damage: str
) -> None:
    complete = fingerprint(database_server, migrated)
    database_server.execute(f"ALTER TABLE gene {damage}", schema=migrated)
    assert fingerprint(database_server, migrated) != complete

    apply(database_server, migrated, ANNOTATION)

    assert fingerprint(database_server, migrated) == complete


def test_the_annotation_migration_keeps_a_column_that_the_site_widened(
    database_server: DatabaseServer, migrated: str
) -> None:
    database_server.execute("ALTER TABLE gene MODIFY chromosome VARCHAR(64)", schema=migrated)
    widened = fingerprint(database_server, migrated)

    apply(database_server, migrated, ANNOTATION)

    assert fingerprint(database_server, migrated) == widened


def test_missing_vocabulary_is_restored_and_edited_wording_is_retained(
    database_server: DatabaseServer, migrated: str
) -> None:
    terms = "SELECT inheritance_id, term FROM mode_of_inheritance ORDER BY sort"
    before = database_server.execute(terms, schema=migrated)
    database_server.execute(
        "DELETE FROM mode_of_inheritance WHERE inheritance_id = 'HP:0001419'", schema=migrated
    )
    database_server.execute(
        "UPDATE mode_of_inheritance SET term = 'Dominant' WHERE inheritance_id = 'HP:0000006'",
        schema=migrated,
    )

    apply(database_server, migrated, VOCABULARIES)

    first, *others = before
    assert first[0] == "HP:0000006"
    assert database_server.execute(terms, schema=migrated) == (("HP:0000006", "Dominant"), *others)


def test_blank_names_become_null_without_counting_as_an_edit(
    database_server: DatabaseServer, migrated: str
) -> None:
    database_server.execute(
        "INSERT INTO `user` (user_name, email, first_name, family_name, updated_at)"
        " VALUES ('a', 'a@example.org', '  ', 'Núñez', '2020-01-01')",
        schema=migrated,
    )

    apply(database_server, migrated, VOCABULARIES)

    rows = database_server.execute(
        "SELECT first_name, family_name, YEAR(updated_at) FROM `user`", schema=migrated
    )
    assert rows == ((None, "Núñez", 2020),)
