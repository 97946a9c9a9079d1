"""Which errors of the servers mean damage, and which object they name."""

import pymysql.err
import pytest

from sysndd_core.db.schema_damage import damaged_object, describe


@pytest.mark.parametrize(
    ("number", "message", "sentence"),
    [
        (1146, "Table 'site.user' doesn't exist", "The table user of the schema site does not"),
        (1049, "Unknown database 'site'", "The schema site does not exist."),
        (1356, "View 'site.v' references invalid table(s)", "The view v of the schema site cannot"),
        (1814, "Tablespace has been discarded for table `gene`", "The table gene cannot be read"),
        (1814, "Tablespace is discarded for table, 'gene'", "The table gene cannot be read"),
        (
            1812,
            "Tablespace is missing for table `site`.`gene`.",
            "The table gene of the schema site cannot be read",
        ),
        (1932, "Table 'site.gene' doesn't exist in engine", "The table gene of the schema site"),
        (145, "Table './site/t' is marked as crashed", "The table t of the schema site cannot"),
        (1194, "Table 't' is marked as crashed and should be repaired", "The table t cannot be"),
        (126, "Index for table './site/t' is corrupt; try to repair it", "The table t of the"),
        (126, "Incorrect key file for table './site/t.MYI'; try to repair it", "The table t of"),
        (29, "File './site/t.MYD' not found (Errcode: 2)", "The table t of the schema site"),
        (130, "Incorrect file format 't'", "The table t cannot be read"),
        (
            1877,
            "Operation cannot be performed. The table 'site.t' is missing, corrupt or contains bad",
            "The table t of the schema site cannot be read",
        ),
        (
            1030,
            'Got error 194 "Tablespace is missing for a table" from storage engine InnoDB',
            "A table cannot be read: Got error 194",
        ),
        (1030, "Got error '176 \"Read page with wrong checksum\"' from", "A table cannot be read"),
    ],
)
def test_damage_names_the_object(number: int, message: str, sentence: str) -> None:
    found = damaged_object(pymysql.err.OperationalError(number, message))
    assert found is not None
    assert describe(found).startswith(sentence)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (1030, 'Got error 28 "No space left on device" from storage engine InnoDB'),
        (1062, "Duplicate entry '1' for key 'PRIMARY'"),
        (1213, "Deadlock found when trying to get lock"),
        (1412, "Table definition has changed, please retry transaction"),
        (1142, "SELECT command denied to user 'u'@'h' for table `site`.`user`"),
    ],
)
def test_other_errors_are_not_damage(number: int, message: str) -> None:
    assert damaged_object(pymysql.err.OperationalError(number, message)) is None
