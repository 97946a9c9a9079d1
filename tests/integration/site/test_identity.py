"""A platform schema belongs to one application schema, and backups carry the ID of their site."""

import json
import shutil
from pathlib import Path

import pytest

from sysndd_core.jobs.models import Consent, CreateBackup, RestoreBackup
from tests.support.http import Api, problem
from tests.support.pages import MARKUP
from tests.support.site import Site
from tests.support.wiki import Run
from tests.support.workers import backup_bench

MIGRATOR, ADMIN = "sysndd_migrator", "sysndd_api.cli.main"
PROCESSES = (
    (MIGRATOR, ("up",)),
    ("sysndd_api", ()),
    ("sysndd_backup", ()),
    ("sysndd_mailer", ()),
    (ADMIN, ("users",)),
)


def site_row(site: Site) -> tuple[object, ...]:
    ((row),) = site.server.execute(
        f"SELECT id, app_schema, has_accounts, has_curation FROM `{site.ops}`.site"
    )
    return tuple(row)


def test_the_migrator_records_the_site_once(site: Site, run: Run) -> None:
    row = site_row(site)
    assert row[1:] == (site.app, 1, 1)
    assert run(site, MIGRATOR, "up").returncode == 0
    assert site_row(site) == row


@pytest.mark.parametrize(("module", "arguments"), PROCESSES)
def test_every_process_refuses_the_platform_schema_of_another_site(
    site: Site, run: Run, module: str, arguments: tuple[str, ...]
) -> None:
    other = f"{site.app}_other"
    done = run(site, module, *arguments, DB_NAME=other)
    assert done.returncode == 1, done.stderr
    assert (
        f"The platform schema {site.ops} belongs to the application schema {site.app}, but DB_NAME"
        f" is {other}." in done.stderr
    )
    assert f"sysndd-admin rebind-site --from {site.app}" in done.stderr
    assert (other,) not in site.server.execute("SHOW DATABASES")


def test_a_renamed_site_is_bound_again(site: Site, run: Run) -> None:
    renamed = f"{site.app}_renamed"
    site.server.execute(f"CREATE DATABASE `{renamed}`")
    done = run(site, ADMIN, "rebind-site", DB_NAME=renamed)
    assert "belongs to the application schema" in done.stderr
    done = run(site, ADMIN, "rebind-site", "--from", "something_else", DB_NAME=renamed)
    assert done.returncode == 1
    assert site_row(site)[1] == site.app
    done = run(site, ADMIN, "rebind-site", "--from", site.app, "--json", DB_NAME=renamed)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["previous_app_schema"] == site.app
    assert site_row(site)[1] == renamed
    assert run(site, ADMIN, "jobs", DB_NAME=renamed).returncode == 0
    ((detail,),) = site.server.execute(
        f"SELECT detail FROM `{site.ops}`.audit_log WHERE action = 'rebind_site'"
    )
    assert json.loads(detail)["app_schema"] == renamed


def test_the_platform_schema_is_named_after_the_application_schema(site: Site, run: Run) -> None:
    """Changing DB_NAME alone is safe: another site gets a platform schema of its own."""
    other = f"{site.app}_two"
    without = Site(
        site.server,
        {name: value for name, value in site.environ.items() if name != "OPS_DB_NAME"},
        site.backup_dir,
    )
    assert run(without, MIGRATOR, "up", DB_NAME=other, OPS_DB_NAME="").returncode == 0
    assert (f"{other}_ops",) in site.server.execute("SHOW DATABASES")
    # The migrator has nothing to do for the first site.
    assert "Nothing to do" in run(without, MIGRATOR, "up", OPS_DB_NAME="").stdout


async def test_a_backup_of_another_site_needs_a_consent(
    api: Api, site: Site, run: Run, tmp_path: Path
) -> None:
    async with backup_bench(site) as bench:
        assert (await bench.run(CreateBackup()))["state"] == "succeeded"
        (own,) = bench.store.manifests()
        assert own.site_id == site_row(site)[0]
        listed = (await api.admin.get("/api/admin/backups")).json()["data"]
        assert [(one["foreign"], one["site_id"]) for one in listed] == [(False, own.site_id)]
        theirs = own.model_copy(
            update={"site_id": "11111111-2222-4333-8444-555555555555", "database": "theirs"}
        )
        bench.store.write_manifest(theirs)
        (listed,) = (await api.admin.get("/api/admin/backups")).json()["data"]
        assert listed["foreign"] is True
        path = f"/api/admin/backups/{own.name}"
        document = problem(
            await api.admin.post(f"{path}/restore", json={"confirm": "RESTORE"}),
            409,
            "foreign_backup",
        )
        assert "another site, with the application schema theirs" in document["detail"]
        assert (await api.admin.get(f"{path}/dry-run")).json()["foreign"] is True
        page = (await api.admin.get(f"/admin/backups/{own.name}/restore")).text
        assert "type the other site's schema" in page.replace("&#39;", "'")
        # The worker checks again, whoever submitted the job.
        row = await bench.run(RestoreBackup(name=own.name))
        assert (row["state"], row["error_code"]) == ("failed", "foreign_backup")
        row = await bench.run(RestoreBackup(name=own.name, accept=(Consent.FOREIGN_BACKUP,)))
        assert row["state"] == "succeeded", row["error"]
        # A site whose platform schema was lost takes its ID from its backups.
        assert theirs.site_id is not None
        done = run(site, ADMIN, "rebind-site", "--site-id", theirs.site_id)
        assert done.returncode == 0, done.stderr
        row = await bench.run(RestoreBackup(name=own.name))
        assert row["state"] == "succeeded", row["error"]
    done = run(site, ADMIN, "rebind-site", "--site-id", MARKUP)
    assert "which is a UUID" in done.stderr


async def test_lost_tables_are_damage_and_not_another_kind_of_site(
    api: Api, site: Site, run: Run
) -> None:
    """Without this, a dropped table of users would turn registration off and hide the damage."""
    site.server.execute(f"RENAME TABLE `{site.app}`.`user` TO `{site.app}`.`gone`")
    assert run(site, MIGRATOR, "up").returncode == 0
    assert site_row(site)[2] == 1
    answer = await api.client.post("/api/auth/password-reset", json={"email": "nobody@lab.example"})
    assert answer.status_code in (202, 503)
    assert (await api.admin.get("/api/admin/users")).status_code == 503


def test_a_migration_that_removes_the_users_turns_the_feature_off(
    site: Site, run: Run, tmp_path: Path
) -> None:
    directory = tmp_path / "migrations"
    shutil.copytree(site.environ["MIGRATIONS_DIR"], directory)
    (directory / "900_no_users.sql").write_text(
        "RENAME TABLE `user` TO former_user;\n", encoding="utf-8"
    )
    done = run(site, MIGRATOR, "up", MIGRATIONS_DIR=str(directory))
    assert done.returncode == 0, done.stderr
    assert site_row(site)[2:] == (0, 1)
