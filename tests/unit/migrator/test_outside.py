"""Which statements reach beyond the schema of their file."""

import pytest

from sysndd_migrator.files.outside import reaches_outside
from sysndd_migrator.files.splitter import split

SCHEMAS = frozenset({"sysndd", "sysndd_ops", "mysql", "odd name"})


def reason(sql: str) -> str | None:
    (statement,) = split(sql.encode())
    return reaches_outside(statement, SCHEMAS)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO sysndd.gene VALUES (1)",
        "INSERT INTO `SysNDD` . `gene` VALUES (1)",
        "DELETE FROM `odd name`.gene",
        "UPDATE gene JOIN sysndd_ops.job AS j ON 1 = 1 SET gene.a = 1",
        "SET @d = 'DROP TABLE sysndd.gene'",
        "PREPARE s FROM 'DROP TABLE sysndd.gene'",
        "SELECT 'DROP TABLE sysndd.gene' INTO @d",
        "CREATE VIEW v AS SELECT * FROM mysql.user",
        "USE sysndd",
        "DROP DATABASE scratch",
        "/*!50000 GRANT ALL ON *.* TO x */",
        "SET @@GLOBAL.max_connections = 7",
        "SET PERSIST max_connections = 7",
        "CREATE USER x",
    ],
)
def test_references_outside_the_schema_are_reported(sql: str) -> None:
    assert reason(sql) is not None


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO gene VALUES ('https://sysndd.example.org', \"mail to x@sysndd.org\")",
        "CREATE TABLE sysndd (sysndd INT PRIMARY KEY COMMENT 'as in sysndd.gene')",
        "SELECT g.symbol FROM gene AS g",
        "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()",
        "SET @d = 'ALTER TABLE gene ADD COLUMN a INT'",
        "SET SESSION group_concat_max_len = 7",
        "DROP TRIGGER IF EXISTS t",
    ],
)
def test_statements_inside_the_schema_are_accepted(sql: str) -> None:
    assert reason(sql) is None
