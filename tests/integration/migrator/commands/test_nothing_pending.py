"""A replica that starts with nothing pending: few queries, little work."""

import os
import resource
import subprocess
import sys

from tests.support.migrator import Workspace, finish

GENE = "CREATE TABLE gene (id INT PRIMARY KEY);\n"


def processor_seconds(command: list[str], environ: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environ, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_one_query_for_each_ledger_and_the_site_is_enough(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    with workspace.server.general_log() as statements:
        finished = finish(workspace.start("up"))
        sent = statements()
    assert finished.out == "Nothing to do: every migration is applied.\n"
    ours = [text for text in sent if workspace.app in text]
    assert len(ours) == 3, sent
    assert all(text.startswith("SELECT") for text in ours), sent
    assert not [text for text in sent if "GET_LOCK" in text]


def test_json_wait_and_options_have_the_same_result(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    assert finish(workspace.start("up", "--json")).json == workspace.run("up", "--json").json
    assert finish(workspace.start("wait", "--json")).json["current"] is True
    directory = str(workspace.directory)
    elsewhere = finish(
        workspace.start("up", "--dir", directory, "--timeout", "3", MIGRATIONS_DIR="nowhere")
    )
    assert "Nothing to do" in elsewhere.out


def test_it_costs_little_beyond_the_interpreter(workspace: Workspace) -> None:
    """The target is 250 ms on an idle machine; other load on the same cores increases it."""
    for number in range(1, 101):
        workspace.write(f"{number:03d}_gene.sql", "SELECT 1;\n-- expect: no-op\n")
    workspace.up()
    command = [sys.executable, "-m", "sysndd_migrator", "up"]
    bare = min(processor_seconds([sys.executable, "-c", "pass"], {**os.environ}) for _ in range(5))
    ours = min(processor_seconds(command, workspace.environ) for _ in range(7))
    assert ours - bare < max(0.42, 33 * bare), (ours, bare)


def test_what_applies_files_is_not_imported(workspace: Workspace) -> None:
    workspace.write("001_gene.sql", GENE)
    workspace.up()
    program = (
        "import sys\n"
        "from sysndd_migrator.cli.main import main\n"
        "main(['up'])\n"
        "print([name for name in sys.modules"
        " if name.startswith(('sysndd_migrator.apply', 'sysndd_migrator.checks'))])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, env=workspace.environ, check=True, capture_output=True, text=True
    )
    assert done.stdout == "Nothing to do: every migration is applied.\n[]\n"


def test_changed_files_and_errors_are_reported(workspace: Workspace) -> None:
    path = workspace.write("001_gene.sql", GENE)
    workspace.up()
    path.write_text(f"-- explained\n{GENE}", encoding="utf-8")
    assert "only comments or whitespace changed" in finish(workspace.start("up")).out
    assert "Nothing to do" in finish(workspace.start("up")).out
    path.write_text(GENE.replace("INT", "BIGINT"), encoding="utf-8")
    assert finish(workspace.start("up")).code == 4
    assert finish(workspace.start("up", DB_PORT="1")).code == 69
    assert finish(workspace.start("up", DB_PORT="no")).code == 2
