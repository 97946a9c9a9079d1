"""Attaching a schema with somebody else's tables: refused until it is said what to do with it."""

import json
from pathlib import Path

import httpx
import pytest

from sysndd_api.context import open_context
from sysndd_api.operators.service import Operators
from sysndd_api.security.access import OperatorRole
from sysndd_api.settings import ApiSettings
from sysndd_api.site.service import grants
from sysndd_core.jobs.models import (
    CreateBackup,
    DryRunRestore,
    RestoreBackup,
    UndoRestore,
    VerifyBackup,
)
from sysndd_core.settings.database import SchemaMode
from tests.support.http import PASSWORD, problem, served, sign_in
from tests.support.site import MIGRATIONS, REPOSITORY, Site
from tests.support.wiki import Run, contents
from tests.support.workers import backup_bench

MIGRATOR, ADMIN = "sysndd_migrator", "sysndd_api.cli.main"
PROCESSES = (
    (MIGRATOR, ("up",)),
    ("sysndd_api", ()),
    ("sysndd_backup", ()),
    ("sysndd_mailer", ()),
    (ADMIN, ("jobs",)),
)


def observed(wiki: Site) -> Site:
    return Site(wiki.server, wiki.environ | {"SCHEMA_MODE": "observe"}, wiki.backup_dir)


@pytest.mark.parametrize(("module", "arguments"), PROCESSES)
def test_every_process_refuses_a_schema_of_somebody_else(
    wiki: Site, run: Run, module: str, arguments: tuple[str, ...]
) -> None:
    before = contents(wiki)
    done = run(wiki, module, *arguments)
    assert done.returncode == 1, done.stderr
    assert f"The schema {wiki.app} has 5 tables, such as job, page" in done.stderr
    assert "Set SCHEMA_MODE to observe" in done.stderr
    assert "run: sysndd-admin attach" in done.stderr
    assert contents(wiki) == before
    assert (wiki.ops,) not in wiki.server.execute("SHOW DATABASES")


def test_attach_reports_what_it_found_and_what_to_do(wiki: Site, run: Run) -> None:
    done = run(wiki, ADMIN, "attach")
    assert done.returncode == 0, done.stderr
    assert "4 tables, 1 views" in done.stdout
    assert "Not transactional: searchindex (MyISAM)" in done.stdout
    for name in ("user", "job"):
        assert f"The table {name} has a name that this platform also uses" in done.stdout
    assert "SCHEMA_MODE is not set." in done.stdout
    assert "sysndd-migrator baseline NNN_name.sql" in done.stdout
    pattern = wiki.app.replace("_", "\\_")
    assert f"GRANT ALL PRIVILEGES ON `{pattern}`.* TO 'sysndd_backup'@'%';" in done.stdout
    document = json.loads(run(wiki, ADMIN, "attach", "--json").stdout)
    assert document["found"]["foreign_names"] == ["job", "user"]
    assert set(document["statements"]) == {"manage", "observe"}


def test_the_printed_privileges_are_those_of_the_accounts_template() -> None:
    template = (REPOSITORY / "deploy" / "accounts" / "accounts.sql").read_text(encoding="utf-8")
    values = {
        "schema_pattern": "`my\\_site`",
        "ops_schema_pattern": "`my\\_ops`",
        "scratch_pattern": "`my\\_site\\_%`",
        "shadow_pattern": "`my\\_site\\_shadow\\_%`",
    }
    for name, value in values.items():
        template = template.replace(f"{{{{{name}}}}}", value)
    manage = grants(SchemaMode.MANAGE, "my_site", "my_ops")
    assert {one for one in manage if one.startswith("GRANT")} <= set(template.splitlines())
    written = {one for one in template.splitlines() if "`my\\_" in one and "{{" not in one}
    assert written <= set(manage)
    observe = grants(SchemaMode.OBSERVE, "my_site", "my_ops")
    assert "GRANT SELECT ON `my\\_site`.* TO 'sysndd_migrator'@'%';" in observe


async def test_an_observed_site_is_backed_up_restored_and_left_alone(
    wiki: Site, run: Run, tmp_path: Path
) -> None:
    site, before = observed(wiki), contents(wiki)
    done = run(site, MIGRATOR, "up")
    assert done.returncode == 0, done.stderr
    assert "002_operators_and_site.sql" in done.stdout
    assert run(site, MIGRATOR, "status").returncode == 0
    assert contents(wiki) == before
    async with backup_bench(site) as bench:
        row = await bench.run(CreateBackup())
        assert row["state"] == "succeeded", row["error"]
        (manifest,) = bench.store.manifests()
        row = await bench.run(VerifyBackup(name=manifest.name))
        assert row["state"] == "succeeded", row["error"]
        # Its table of users is not compared as if it were SysNDD's.
        row = await bench.run(DryRunRestore(name=manifest.name))
        assert row["state"] == "succeeded", row["error"]
        assert json.loads(row["result"])["required_consents"] == []
        site.server.execute(f"DELETE FROM `{site.app}`.page")
        changed = contents(wiki)
        row = await bench.run(RestoreBackup(name=manifest.name))
        assert row["state"] == "succeeded", row["error"]
        assert contents(wiki) == before
        row = await bench.run(UndoRestore())
        assert row["state"] == "succeeded", row["error"]
        assert contents(wiki) == changed


async def test_the_api_of_an_observed_site(wiki: Site, run: Run) -> None:
    site = observed(wiki)
    assert run(site, MIGRATOR, "up").returncode == 0
    settings = site.load(ApiSettings)
    async with open_context(settings) as context, served(settings) as base_url:
        await context[Operators].create(
            "olga", "olga@ops.example", OperatorRole.ADMINISTRATOR, PASSWORD
        )
        async with httpx.AsyncClient(base_url=base_url) as client:
            assert (await client.get("/api/health/ready")).status_code == 200
            # Account features belong to SysNDD's table of users, not to any table of that name.
            body = {"user_name": "x", "email": "x@y.example", "password": PASSWORD}
            answer = await client.post("/api/auth/register", json=body)
            problem(answer, 404, "site_accounts_off")
            for path in ("/api/genes", "/api/entities/1"):
                problem(await client.get(path), 404, "site_curation_off")
            assert (await client.get("/account/register")).status_code == 404
            assert "Create account" not in (await client.get("/account/sign-in")).text
            # The wiki's own users cannot sign in here.
            answer = await client.post(
                "/api/auth/login", json={"login": "Anna", "password": PASSWORD}
            )
            problem(answer, 401, "invalid_credentials")
            client.headers["Authorization"] = f"Bearer {await sign_in(client, 'olga')}"
            problem(await client.get("/api/admin/users"), 404, "site_accounts_off")
            check = (await client.get("/api/health")).json()["checks"]["migrations"]
            assert (check["status"], check["managed"]) == ("pass", False)
            assert (await client.get("/api/admin/migrations")).json()["managed"] is False
            for page in ("", "/backups", "/jobs", "/migrations", "/mail", "/operators", "/audit"):
                answer = await client.get(f"/admin{page}")
                assert answer.status_code == 200, page
                assert 'href="/admin/users"' not in answer.text
            assert "Not managed" in (await client.get("/admin/migrations")).text
            assert (await client.get("/admin/users")).status_code == 404


@pytest.mark.parametrize(
    "command", [("users",), ("approve", "Anna"), ("set-role", "Anna", "Curator")]
)
def test_the_command_line_does_not_read_the_users_of_another_program(
    wiki: Site, run: Run, command: tuple[str, ...]
) -> None:
    site = observed(wiki)
    assert run(site, MIGRATOR, "up").returncode == 0
    done = run(site, ADMIN, *command)
    assert done.returncode == 1
    assert "This site does not use the platform's user accounts" in done.stderr
    assert "Traceback" not in done.stderr


def test_files_that_would_take_over_a_table_of_somebody_else_are_refused(
    wiki: Site, run: Run
) -> None:
    """SysNDD's own files on a wiki: `CREATE TABLE IF NOT EXISTS user` must not adopt its table."""
    before = contents(wiki)
    changes = {"SCHEMA_MODE": "manage", "MIGRATIONS_DIR": str(MIGRATIONS)}
    done = run(wiki, MIGRATOR, "up", **changes)
    assert done.returncode == 4, done.stderr
    assert f"001_core_schema.sql creates user, but the schema {wiki.app} has it" in done.stderr
    assert "sysndd-migrator baseline 001_core_schema.sql" in done.stderr
    assert contents(wiki) == before


def test_a_managed_site_gets_its_own_migrations(wiki: Site, run: Run) -> None:
    directory = Path(wiki.environ["MIGRATIONS_DIR"])
    (directory / "001_note.sql").write_text(
        "CREATE TABLE note (id INT PRIMARY KEY, text TEXT);\n"
        "ALTER TABLE page ADD COLUMN note INT;\n",
        encoding="utf-8",
    )
    done = run(wiki, MIGRATOR, "up", SCHEMA_MODE="manage")
    assert done.returncode == 0, done.stderr
    # From then on the ledger says that the schema is managed.
    done = run(wiki, MIGRATOR, "up")
    assert done.returncode == 0, done.stderr
    assert "Nothing to do" in done.stdout
    names = set(contents(wiki))
    assert {"note", "schema_version", "user"} <= names


def test_a_table_like_the_ledger_of_another_tool_is_not_adopted(wiki: Site, run: Run) -> None:
    wiki.server.execute(f"CREATE TABLE `{wiki.app}`.schema_version (version INT PRIMARY KEY)")
    before = contents(wiki)
    assert "sysndd-admin attach" in run(wiki, MIGRATOR, "up").stderr
    done = run(wiki, MIGRATOR, "up", SCHEMA_MODE="manage")
    assert done.returncode == 4
    assert "another tool created it" in done.stderr
    assert run(wiki, MIGRATOR, "up", SCHEMA_MODE="observe").returncode == 0
    assert contents(wiki) == before


def test_a_schema_of_somebody_else_is_not_taken_for_the_platform_schema(
    wiki: Site, site: Site, run: Run
) -> None:
    """A wiki has a table `job`, too."""
    before = contents(wiki)
    done = run(site, MIGRATOR, "up", DB_NAME=f"{site.app}_new", OPS_DB_NAME=wiki.app)
    assert done.returncode == 4, done.stderr
    assert f"001_platform.sql creates job, but the schema {wiki.app} has it" in done.stderr
    assert "check OPS_DB_NAME" in done.stderr
    assert contents(wiki) == before
