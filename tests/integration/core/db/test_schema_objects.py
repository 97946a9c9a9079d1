"""Drift since the last migration run, also for an account with few privileges."""

import secrets
from collections.abc import AsyncIterator

import pytest

from sysndd_core.db.database import Database
from sysndd_core.db.schema_objects import GROUPS, TABLE, definitions, drifted, list_objects
from sysndd_core.settings.database import DatabaseSettings
from tests.support.servers import DatabaseServer


@pytest.fixture
async def settings(database_server: DatabaseServer) -> AsyncIterator[DatabaseSettings]:
    with (
        database_server.temporary_schema("drift") as name,
        database_server.temporary_schema("drift_ops") as ops,
    ):
        for statement in (
            "CREATE TABLE gene (id INT PRIMARY KEY, symbol VARCHAR(20) NOT NULL)",
            "CREATE VIEW symbols AS SELECT symbol FROM gene",
            "CREATE TRIGGER fill BEFORE INSERT ON gene FOR EACH ROW SET NEW.symbol = 'x'",
            "CREATE PROCEDURE count_genes() SELECT COUNT(*) FROM gene",
        ):
            database_server.execute(statement, schema=name)
        database_server.execute(
            f"CREATE TABLE {TABLE} (schema_name VARCHAR(64), name VARCHAR(100), definition TEXT,"
            " server VARCHAR(100))",
            schema=ops,
        )
        settings = DatabaseSettings.model_validate(database_server.environ(name=name, ops_name=ops))
        async with Database(settings) as database:
            found = await definitions(database, name, without=frozenset())
        for row in found.items():
            database_server.execute(
                f"INSERT INTO {TABLE} VALUES (%s, %s, %s, VERSION())", (name, *row), schema=ops
            )
        yield settings


async def test_each_kind_of_object_is_reported_with_its_difference(
    database_server: DatabaseServer, settings: DatabaseSettings
) -> None:
    async with Database(settings) as database:
        assert (await drifted(database, settings.ops_name, settings.name)).sentences == ()
        for statement in (
            "ALTER TABLE gene MODIFY symbol VARCHAR(30) NOT NULL",
            "CREATE OR REPLACE VIEW symbols AS SELECT id FROM gene",
            "DROP TRIGGER fill",
            "DROP PROCEDURE count_genes",
            "CREATE TABLE by_hand (id INT)",
        ):
            database_server.execute(statement, schema=settings.name)
        database_server.execute(
            "CREATE TRIGGER other BEFORE INSERT ON gene FOR EACH ROW SET NEW.id = 1",
            schema=settings.name,
        )
        database_server.execute("CREATE PROCEDURE other() SELECT 1", schema=settings.name)
        found = (await drifted(database, settings.ops_name, settings.name)).sentences
    sentences = [sentence.removeprefix(f"In {settings.name}, ") for sentence in found]
    assert [sentence.split(":")[0] for sentence in sentences] == [
        "procedure count_genes was removed.",
        "procedure other was added.",
        "table by_hand was added.",
        "table gene was changed",
        "trigger fill was removed.",
        "trigger other was added.",
        "view symbols was changed",
    ]


async def test_account_that_can_read_only_tables_reports_no_false_drift(
    database_server: DatabaseServer, settings: DatabaseSettings
) -> None:
    account = f"reader_{secrets.token_hex(4)}"
    database_server.execute(f"CREATE USER {account} IDENTIFIED BY 'p'")
    try:
        for schema in (settings.name, settings.ops_name):
            database_server.execute(f"GRANT SELECT ON `{schema}`.* TO {account}")
        own = settings.model_copy(
            update={"user": account, "password": type(settings.password)("p")}
        )
        async with Database(own) as database:
            found = await drifted(database, settings.ops_name, settings.name)
            assert found.sentences == ()
            assert set(found.unseen) == {"view symbols", "trigger fill", "procedure count_genes"}
            database_server.execute("ALTER TABLE gene ADD COLUMN b INT", schema=settings.name)
            (sentence,) = (await drifted(database, settings.ops_name, settings.name)).sentences
            assert "table gene was changed" in sentence
    finally:
        database_server.execute(f"DROP USER {account}")


async def test_names_and_groups_limit_what_is_listed(settings: DatabaseSettings) -> None:
    async with Database(settings) as database:

        async def listed(*names: str, groups: tuple[str, ...] = GROUPS) -> list[tuple[str, str]]:
            return await list_objects(
                database, settings.name, names=frozenset(names), groups=groups
            )

        # A statement about a table changes the triggers of the table as well.
        assert await listed("gene") == [("TABLE", "gene"), ("TRIGGER", "fill")]
        assert await listed("gene", groups=("table",)) == [("TABLE", "gene")]
        assert await listed("symbols", "count_genes", "absent") == [
            ("VIEW", "symbols"),
            ("PROCEDURE", "count_genes"),
        ]
        assert await listed() == []
