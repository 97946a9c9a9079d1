"""``up``, ``status`` and ``wait`` on a real server."""

import signal

import pytest

from tests.support.migrator import Workspace, eventually, finish

GENE = "CREATE TABLE gene (id INT PRIMARY KEY, symbol VARCHAR(20) NOT NULL);\n"


def test_a_fresh_database_gets_both_schemas_and_all_files_in_numeric_order(
    workspace: Workspace,
) -> None:
    workspace.write("10_last.sql", "INSERT INTO gene VALUES (10, 'LAST');")
    workspace.write("002_rows.sql", "INSERT INTO gene VALUES (1, 'ARID1B'), (2, 'SCN2A');")
    workspace.write("1_gene.sql", GENE)
    finished = workspace.run("up", "--json")
    assert finished.code == 0, finished
    applied = [file["filename"] for file in finished.json["applied"]]
    assert applied[0] == "001_platform.sql"
    assert applied[-3:] == ["1_gene.sql", "002_rows.sql", "10_last.sql"]
    assert workspace.sql("SELECT COUNT(*) FROM gene") == ((3,),)
    assert workspace.server.execute(f"SELECT COUNT(*) FROM `{workspace.ops}`.job") == ((0,),)


def test_a_second_run_sends_no_statement_of_any_file(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    with workspace.server.general_log() as statements:
        finished = workspace.up()
    assert "Nothing to do" in finished.out
    written = ("CREATE", "ALTER", "INSERT", "UPDATE", "REPLACE", "DELETE")
    assert not [text for text in statements() if text.upper().startswith(written)]


def test_the_ledger_records_what_when_how_long_and_by_whom(workspace: Workspace) -> None:
    workspace.write(
        "001_gene.sql",
        f"{GENE}INSERT INTO gene VALUES (1, 'x'), (2, 'y');\nDELETE FROM gene LIMIT 1;",
    )
    workspace.up()
    ((checksum, statements, number, success, by, age),) = workspace.sql(
        "SELECT checksum, statements_checksum, statements, success, applied_by,"
        " TIMESTAMPDIFF(SECOND, applied_at, UTC_TIMESTAMP(6)) FROM schema_version"
    )
    assert checksum.startswith("sha256:")
    assert statements.startswith("sha256:")
    assert (number, success) == (3, 1)
    assert by.startswith(workspace.server.user)
    assert 0 <= age <= 30
    journal = workspace.server.execute(
        "SELECT position, last_position, kind, rows_changed, finished_at >= started_at"
        f" FROM `{workspace.ops}`.migration_journal WHERE schema_name = %s ORDER BY position",
        (workspace.app,),
    )
    assert journal == ((1, 1, "definition", 0, 1), (2, 3, "data", 3, 1))


def test_line_endings_and_byte_order_mark_are_no_change(workspace: Workspace) -> None:
    path = workspace.write("001_gene.sql", GENE)
    workspace.up()
    path.write_bytes(b"\xef\xbb\xbf" + GENE.replace("\n", "\r\n").encode())
    finished = workspace.run("status", "--json")
    assert finished.code == 0
    assert finished.json["files"][-1]["state"] == "applied"


def test_a_changed_comment_is_reported_and_then_accepted(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.write("001_gene.sql", f"-- now explained\n{GENE}")
    assert "only comments or whitespace changed" in workspace.run("status").out
    assert "only comments or whitespace changed" in workspace.up().out
    assert "Nothing to do" in workspace.up().out
    assert "only comments or whitespace changed" not in workspace.run("status").out


def test_a_changed_literal_is_refused_and_nothing_is_changed(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.write("001_gene.sql", GENE.replace("20", "30"))
    workspace.write("002_more.sql", "CREATE TABLE more (id INT PRIMARY KEY);")
    finished = workspace.run("up")
    assert finished.code == 4
    assert "001_gene.sql was changed after it was applied" in finished.err
    assert workspace.tables() == {"gene"}
    assert workspace.run("status").code == 4


def test_a_duplicate_number_is_refused_before_anything_is_changed(workspace: Workspace) -> None:
    workspace.write("001_one.sql", GENE)
    workspace.write("01_other.sql", "CREATE TABLE other (id INT PRIMARY KEY);")
    finished = workspace.run("up")
    assert finished.code == 4
    assert "001_one.sql and 01_other.sql have the same number 1" in finished.err
    assert not workspace.server.execute(
        "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", (workspace.app,)
    )


def test_an_ambiguous_file_is_refused_before_anything_is_changed(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.write("002_bad.sql", "INSERT INTO gene VALUES (1, 'a');\nSELECT 'never closed;\n")
    finished = workspace.run("up")
    assert finished.code == 65
    assert "002_bad.sql:2:8: this string is never closed" in finished.err
    assert not workspace.server.execute(
        "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", (workspace.app,)
    )


def test_a_failing_statement_is_recorded_and_named(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.write(
        "002_bad.sql",
        "-- first\nINSERT INTO gene VALUES (1, 'a');\nALTER TABLE gene ADD COLUMN b INT;\n"
        "\nALTER TABLE\n  no_such_table ADD COLUMN c INT;\nALTER TABLE gene ADD COLUMN d INT;\n",
    )
    workspace.write("003_after.sql", "CREATE TABLE after_it (id INT PRIMARY KEY);")
    finished = workspace.run("up", "--json")
    assert finished.code == 1
    assert "002_bad.sql:5: statement 3 of 4 failed" in finished.err
    assert "ALTER TABLE no_such_table ADD COLUMN c INT" in finished.err
    assert "no_such_table' doesn't exist (error 1146)" in finished.err
    assert finished.json["error"]["resume_at"] == 3
    success, error = workspace.ledger()["002_bad.sql"]
    assert success == 0
    assert error is not None
    assert "error 1146" in error
    assert workspace.tables() == {"gene"}
    assert columns(workspace, "gene") == ["id", "symbol", "b"]

    again = workspace.run("up")
    assert again.code == 4
    assert "002_bad.sql failed on" in again.err
    assert "resolve 002_bad.sql --from-statement" in again.err
    status = workspace.run("status")
    assert status.code == 4
    assert "FAILED" in status.out


def test_a_failed_file_resumes_where_the_operator_decides(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    broken = "ALTER TABLE gene ADD COLUMN b INT;\nALTER TABLE gen ADD COLUMN c INT;\n"
    workspace.write("002_bad.sql", broken)
    assert workspace.run("up").code == 1
    workspace.write("002_bad.sql", broken.replace("gen ", "gene "))
    assert workspace.run("up").code == 4
    resolved = workspace.run("resolve", "002_bad.sql", "--from-statement", "2")
    assert resolved.code == 0, resolved
    assert "statement 2" in resolved.out
    workspace.up()
    assert columns(workspace, "gene") == ["id", "symbol", "b", "c"]
    assert workspace.ledger()["002_bad.sql"] == (1, None)


def test_resolve_records_work_that_was_done_by_hand(workspace: Workspace) -> None:
    workspace.write("001_bad.sql", "ALTER TABLE nowhere ADD COLUMN c INT;\n")
    assert workspace.run("up").code == 1
    assert workspace.run("resolve", "001_bad.sql", "--applied").code == 0
    ((decided,),) = workspace.sql("SELECT applied_by FROM schema_version")
    assert decided.startswith("resolved by ")
    assert "Nothing to do" in workspace.up().out
    assert workspace.run("resolve", "001_bad.sql", "--applied").code == 4


def test_rows_of_a_failed_file_are_rolled_back(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.write(
        "002_rows.sql",
        "INSERT INTO gene VALUES (1, 'a');\nUPDATE gene SET symbol = 'b';\n"
        "INSERT INTO gene VALUES (1, 'again');\n",
    )
    finished = workspace.run("up", "--json")
    assert finished.code == 1
    assert finished.json["error"]["statement"] == 3
    assert finished.json["error"]["resume_at"] == 1
    assert workspace.sql("SELECT COUNT(*) FROM gene") == ((0,),)


@pytest.mark.parametrize("refused", ["DROP COLUMN nothing", "ADD COLUMN"])
def test_rows_stay_when_the_definition_after_them_is_refused(
    workspace: Workspace, refused: str
) -> None:
    """One refusal comes from the execution of the definition, one from its syntax."""
    rows = f"{GENE}INSERT INTO gene VALUES (1, 'a');\n"
    workspace.write("001_gene.sql", f"{rows}ALTER TABLE gene {refused};\n")
    failed = workspace.run("up")
    assert failed.code == 1
    assert "statement 3" in failed.err
    assert workspace.sql("SELECT id FROM gene") == ((1,),)
    assert workspace.journal("001_gene.sql") == [(1, True), (2, True), (3, False)]
    workspace.write("001_gene.sql", f"{rows}ALTER TABLE gene ADD COLUMN note INT;\n")
    assert workspace.run("resolve", "001_gene.sql", "--from-statement", "3").code == 0
    workspace.up()
    assert workspace.sql("SELECT id, note FROM gene") == ((1, None),)


def test_nothing_is_recorded_of_the_files_after_a_failed_one(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", f"{GENE}ALTER TABLE gene ADD COLUMN id INT;\n")
    workspace.write("002_other.sql", "CREATE TABLE other (id INT PRIMARY KEY);\n")
    assert workspace.run("up").code == 1
    assert workspace.journal("002_other.sql") == []
    assert set(workspace.ledger()) == {"001_gene.sql"}
    workspace.write("002_other.sql", "CREATE TABLE other (id BIGINT PRIMARY KEY);\n")
    assert workspace.run("resolve", "001_gene.sql", "--applied").code == 0
    workspace.up()
    assert workspace.tables() == {"gene", "other"}


def test_records_are_durable_in_a_file_without_autocommit(workspace: Workspace) -> None:
    workspace.write(
        "001_gene.sql",
        f"SET autocommit = 0;\n{GENE}INSERT INTO gene VALUES (1, 'a');\n"
        "ALTER TABLE gene ADD COLUMN note INT;\n",
    )
    workspace.up()
    assert workspace.sql("SELECT id, note FROM gene") == ((1, None),)
    assert workspace.journal("001_gene.sql") == [(2, True), (3, True), (4, True)]
    assert workspace.ledger() == {"001_gene.sql": (1, None)}


def test_an_effect_is_detected_whatever_character_set_the_file_sets(
    workspace: Workspace,
) -> None:
    workspace.write("001_gene.sql", "CREATE TABLE gene (id INT PRIMARY KEY) COMMENT = 'größe';\n")
    for number, name in enumerate(("latin1", "ucs2", "utf8mb4"), start=2):
        workspace.write(
            f"00{number}_alter.sql",
            f"SET character_set_results = {name};\nALTER TABLE gene ADD COLUMN c{number} INT;\n"
            f"INSERT INTO gene (id) VALUES ({number});\nSET character_set_results = utf8mb4;\n",
        )
    assert "changed nothing" not in workspace.up().out
    assert columns(workspace, "gene") == ["id", "c2", "c3", "c4"]
    assert workspace.sql("SELECT COUNT(*) FROM gene") == ((3,),)


def test_nothing_a_file_does_to_its_session_reaches_the_next(workspace: Workspace) -> None:
    workspace.write(
        "001_leaks.sql",
        "SET foreign_key_checks = 0, unique_checks = 0, time_zone = '+05:00';\n"
        "SET sql_mode = '';\nSET NAMES latin1;\nSET autocommit = 0;\nUSE mysql;\n"
        "SET SESSION group_concat_max_len = 7;\n",
    )
    workspace.write(
        "002_sees.sql",
        # Not CREATE TABLE … SELECT, inside which autocommit is off on MySQL.
        "CREATE TABLE seen (f INT, u INT, t TEXT, s INT, c TEXT, a INT, d TEXT, g INT);\n"
        "INSERT INTO seen SELECT @@foreign_key_checks, @@unique_checks, @@time_zone,"
        " @@sql_mode LIKE '%STRICT%', @@character_set_client, @@autocommit, DATABASE(),"
        " @@group_concat_max_len > 7;\n",
    )
    workspace.up()
    ((f, u, t, s, c, a, d, g),) = workspace.sql("SELECT * FROM seen")
    assert (f, u, t, s, c, a, d, g) == (1, 1, "+00:00", 1, "utf8mb4", 1, workspace.app, 1)


def test_procedures_triggers_and_prepared_guards_work(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.write(
        "002_objects.sql",
        "DELIMITER $$\n"
        "CREATE PROCEDURE add_gene(IN a INT, IN b VARCHAR(20))\n"
        "BEGIN\n  INSERT INTO gene VALUES (a, b);\n  SELECT COUNT(*) FROM gene;\nEND$$\n"
        "CREATE TRIGGER upper_symbol BEFORE INSERT ON gene FOR EACH ROW\n"
        "BEGIN SET NEW.symbol = UPPER(NEW.symbol); END$$\n"
        "DELIMITER ;\n"
        "CALL add_gene(1, 'arid1b; 100%');\n"
        "SET @missing = (SELECT COUNT(*) = 0 FROM information_schema.columns\n"
        "  WHERE table_schema = DATABASE() AND table_name = 'gene' AND column_name = 'note');\n"
        "SET @ddl = IF(@missing, 'ALTER TABLE gene ADD COLUMN note TEXT', 'DO 0');\n"
        "PREPARE change_it FROM @ddl;\nEXECUTE change_it;\nDEALLOCATE PREPARE change_it;\n",
    )
    workspace.up()
    assert workspace.sql("SELECT * FROM gene") == ((1, "ARID1B; 100%", None),)


def test_an_error_in_a_later_result_of_a_call_is_not_missed(workspace: Workspace) -> None:
    workspace.write(
        "001_call.sql",
        "DELIMITER $$\nCREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2;"
        " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'too late'; END$$\nDELIMITER ;\nCALL p();\n",
    )
    finished = workspace.run("up")
    assert finished.code == 1
    assert "too late" in finished.err


def test_a_transaction_of_the_file_is_kept_as_one(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.write(
        "002_rows.sql",
        "START TRANSACTION;\nINSERT INTO gene VALUES (1, 'a');\nCOMMIT;\n"
        "START TRANSACTION;\nINSERT INTO gene VALUES (2, 'b');\nROLLBACK;\n"
        "LOCK TABLES gene WRITE;\nINSERT INTO gene VALUES (3, 'c');\nUNLOCK TABLES;\n",
    )
    workspace.up()
    assert workspace.sql("SELECT id FROM gene ORDER BY id") == ((1,), (3,))


def test_a_transaction_that_is_never_committed_is_refused(workspace: Workspace) -> None:
    workspace.write("001_open.sql", "SELECT 1;\nBEGIN;\nSELECT 2;\n")
    finished = workspace.run("up")
    assert finished.code == 65
    assert "001_open.sql:2:1: this transaction is never committed" in finished.err


def test_two_statements_in_one_are_refused_by_the_server(workspace: Workspace) -> None:
    workspace.write(
        "001_two.sql", "DELIMITER $$\nCREATE TABLE a (i INT); CREATE TABLE b (i INT)$$\n"
    )
    finished = workspace.run("up")
    assert finished.code == 1
    assert "error 1064" in finished.err
    assert workspace.tables() == set()


def test_a_ledger_of_another_tool_is_not_changed(workspace: Workspace) -> None:
    workspace.server.execute(f"CREATE DATABASE `{workspace.app}`")
    workspace.sql(
        "CREATE TABLE schema_version (filename VARCHAR(255) PRIMARY KEY, applied_at TIMESTAMP,"
        " success BOOLEAN)"
    )
    workspace.sql("INSERT INTO schema_version VALUES ('001_gene.sql', NOW(), 1)")
    workspace.write("001_gene.sql", GENE)
    finished = workspace.run("up")
    assert finished.code == 4
    assert "has no column checksum, statements_checksum" in finished.err
    assert workspace.tables() == set()


def test_extra_columns_in_the_ledger_do_no_harm(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    workspace.sql("ALTER TABLE schema_version ADD COLUMN remark TEXT NULL")
    workspace.write("002_more.sql", "CREATE TABLE more (id INT PRIMARY KEY);")
    workspace.up()
    assert workspace.tables() == {"gene", "more"}


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        ("USAGE", "may not read `{ops}`.`site`"),
        ("SELECT", "may not use or create the schema {ops} (create it and grant ALL on it)"),
    ],
)
def test_an_account_that_may_not_create_schemas_gets_a_clear_error(
    workspace: Workspace, grant: str, expected: str
) -> None:
    name = f"{workspace.app}_u"
    workspace.server.execute(f"CREATE USER {name}@'%%' IDENTIFIED BY 'x'", ())
    workspace.server.execute(f"GRANT {grant} ON *.* TO {name}@'%%'", ())
    try:
        finished = workspace.run("up", DB_USER=name, DB_PASSWORD="x")
    finally:
        workspace.server.execute(f"DROP USER {name}@'%%'", ())
    assert finished.code == 77
    assert expected.format(ops=workspace.ops) in finished.err


def test_an_account_with_privileges_on_both_schemas_is_enough(workspace: Workspace) -> None:
    name = f"{workspace.app}_v"
    workspace.write("001_gene.sql", GENE)
    workspace.server.execute(f"CREATE DATABASE `{workspace.app}`")
    workspace.server.execute(f"CREATE DATABASE `{workspace.ops}`")
    workspace.server.execute(f"CREATE USER {name}@'%%' IDENTIFIED BY 'x'", ())
    try:
        for schema in (workspace.app, workspace.ops):
            workspace.server.execute(f"GRANT ALL ON `{schema}`.* TO {name}@'%%'", ())
        finished = workspace.run("up", DB_USER=name, DB_PASSWORD="x")
    finally:
        workspace.server.execute(f"DROP USER {name}@'%%'", ())
    assert finished.code == 0, finished


def test_no_server_is_one_sentence_without_the_password(workspace: Workspace) -> None:
    finished = workspace.run("up", DB_PORT="1", DB_PASSWORD="hunter2secret")
    assert finished.code == 69
    assert "No connection to the database at 127.0.0.1:1" in finished.err
    assert "Traceback" not in finished.err
    assert "hunter2secret" not in finished.err


def test_a_wrong_password_reports_the_servers_message(workspace: Workspace) -> None:
    finished = workspace.run("status", DB_PASSWORD="wrong")
    assert finished.code == 69
    assert "Access denied" in finished.err


def test_a_missing_directory_names_the_setting(workspace: Workspace) -> None:
    finished = workspace.run("up", "--dir", "/nonexistent/migrations")
    assert finished.code == 66
    assert "/nonexistent/migrations" in finished.err
    assert "MIGRATIONS_DIR" in finished.err


@pytest.mark.parametrize("arguments", [(), ("up", "--timeout", "soon"), ("down",), ("split",)])
def test_a_wrong_command_line_is_exit_code_2(
    workspace: Workspace, arguments: tuple[str, ...]
) -> None:
    assert workspace.run(*arguments).code == 2


def test_a_file_with_an_unexpected_name_is_reported(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.write("002-typo.sql", "SELECT 1;")
    assert (
        "002-typo.sql is ignored, because its name does not have the form NNN_name.sql"
        in workspace.up().out
    )


def test_status_reports_pending_missing_and_out_of_order(workspace: Workspace) -> None:
    workspace.write("002_gene.sql", GENE)
    assert workspace.run("status").code == 3
    workspace.up()
    (workspace.directory / "002_gene.sql").unlink()
    workspace.write("001_late.sql", "CREATE TABLE late (id INT PRIMARY KEY);")
    finished = workspace.run("status", "--json")
    assert finished.code == 3
    states = {file["filename"]: file["state"] for file in finished.json["files"]}
    assert states["001_late.sql"] == "out_of_order"
    assert states["002_gene.sql"] == "missing"
    workspace.up()
    assert workspace.tables() == {"gene", "late"}


def test_wait_blocks_until_another_one_has_migrated(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    waiting = workspace.start("wait", "--timeout", "30")
    workspace.up()
    finished = finish(waiting)
    assert finished.code == 0, finished
    assert "Everything is applied" in finished.out


def test_wait_times_out_and_names_what_is_pending(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    finished = workspace.run("wait", "--timeout", "0.2")
    assert finished.code == 5
    assert "001_platform.sql" in finished.err


def test_split_prints_the_statements_or_refuses(workspace: Workspace) -> None:
    path = workspace.write("001_x.sql", "SELECT 1;\nSELECT 'é';\n")
    finished = workspace.run("split", str(path), "--json")
    assert finished.json == {
        "statements": [
            {"text": "SELECT 1", "start": 0, "end": 8, "line": 1},
            {"text": "SELECT 'é'", "start": 10, "end": 21, "line": 2},
        ]
    }
    path.write_text("\\! rm x\n")
    refused = workspace.run("split", str(path), "--json")
    assert refused.code == 65
    assert refused.json["error"]["line"] == 1
    assert f"{path}:1:1:" in refused.err
    assert workspace.run("split", "/nonexistent.sql").code == 66


def columns(workspace: Workspace, table: str) -> list[str]:
    rows = workspace.sql(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position",
        (table,),
    )
    return [name for (name,) in rows]


def test_the_platform_is_migrated_before_the_application(workspace: Workspace) -> None:
    workspace.write(
        "001_uses.sql",
        f"INSERT INTO `{workspace.ops}`.worker VALUES"
        " ('w', 'q', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6));",
    )
    workspace.up()
    assert eventually(lambda: workspace.ledger()["001_uses.sql"]) == (1, None)


def test_results_are_discarded_whatever_they_contain(workspace: Workspace) -> None:
    workspace.write(
        "001_selects.sql",
        "SET NAMES latin1;\nSELECT x'ff00e9', 'é';\nSELECT * FROM information_schema.columns;\n"
        "SHOW VARIABLES;\nSET NAMES utf8mb4;\nSELECT 1;\nCREATE TABLE t AS SELECT 'é' AS a;\n",
    )
    workspace.up()
    assert workspace.sql("SELECT a FROM t") == (("é",),)


@pytest.mark.parametrize(
    ("uses", "expected"),
    [
        ("SELECT * FROM scratch;", "scratch' doesn't exist"),
        ("EXECUTE st;", "Unknown prepared statement handler"),
        ("INSERT INTO none_such VALUES (@left);", "none_such' doesn't exist"),
    ],
)
def test_variables_prepared_statements_and_temporary_tables_do_not_reach_the_next_file(
    workspace: Workspace, uses: str, expected: str
) -> None:
    workspace.write(
        "001_leaves.sql",
        "SET @left = 'x@y', @`odd name` = 2;\nSELECT 7 INTO @seven;\n"
        "PREPARE st FROM 'SELECT 1';\nCREATE TEMPORARY TABLE scratch (i INT);\n",
    )
    workspace.write(
        "002_sees.sql",
        "CREATE TABLE seen AS SELECT @left IS NULL AS a, @`odd name` IS NULL AS b,"
        " @seven IS NULL AS c;\n",
    )
    workspace.write("003_uses.sql", uses)
    finished = workspace.run("up")
    assert finished.code == 1
    assert expected in finished.err
    assert workspace.sql("SELECT a, b, c FROM seen") == ((1, 1, 1),)


def test_the_two_schemas_must_differ(workspace: Workspace) -> None:
    finished = workspace.run("up", OPS_DB_NAME=workspace.app)
    assert finished.code == 2
    assert "use two schemas" in finished.err


def test_a_mode_that_changes_quoting_is_detected_when_set_dynamically(
    workspace: Workspace,
) -> None:
    workspace.write(
        "001_dynamic.sql",
        "SET @mode = 'ANSI_' ;\nSET @mode = CONCAT('SET sql_mode = ''', @mode, 'QUOTES''');\n"
        "PREPARE st FROM @mode;\nEXECUTE st;\nSELECT 1;\n",
    )
    finished = workspace.run("up")
    assert finished.code == 1
    assert "sql_mode contains ANSI_QUOTES" in finished.err


def test_status_reports_a_running_migration(workspace: Workspace) -> None:
    workspace.write("001_slow.sql", "CREATE TABLE t (i INT);\nDO SLEEP(60);\n")
    process = workspace.start("up")
    eventually(lambda: "being applied now" in workspace.run("status").out)
    assert "Migration lock held by connection" in workspace.run("status").out
    process.send_signal(signal.SIGTERM)
    assert finish(process).code == 143
