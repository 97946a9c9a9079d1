"""``sysndd-admin`` on a terminal, with a real worker: backup, verify, list and upload."""

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from sysndd_core.backups.directory import BackupDirectory
from tests.support.accounts import add_site_user, remove_operators
from tests.support.backups import small_disk
from tests.support.http import Api, problem
from tests.support.site import REPOSITORY, Site
from tests.support.workers import PACKAGES, service_process


def on_a_terminal(site: Site, *arguments: str) -> tuple[int, str]:
    """Run ``sysndd-admin`` on a pseudo-terminal; return its exit code and output."""
    main, other = pty.openpty()
    paths = os.pathsep.join(str(REPOSITORY / package) for package in PACKAGES)
    process = subprocess.Popen(
        [sys.executable, "-m", "sysndd_api.cli.main", *arguments],
        env={**os.environ, **site.environ, "PYTHONPATH": paths},
        stdin=subprocess.DEVNULL,
        stdout=other,
        stderr=other,
    )
    os.close(other)
    shown = b""
    while True:
        try:
            chunk = os.read(main, 4096)
        except OSError:
            break  # Linux raises EIO when the other end is closed.
        if not chunk:
            break
        shown += chunk
    os.close(main)
    return process.wait(60), shown.decode()


async def test_commands_print_a_progress_bar_and_the_result(site: Site, tmp_path: Path) -> None:
    store = BackupDirectory(site.backup_dir)
    with service_process("sysndd_backup", site, tmp_path):
        code, shown = await asyncio.to_thread(on_a_terminal, site, "backup")
        assert code == 0, shown
        (manifest,) = store.manifests()
        bars = re.findall(r"\[(#*) *\] +(\d+) % (\w+)", shown)
        percents = [int(percent) for _, percent, _ in bars]
        assert percents == sorted(percents)
        assert bars[-1] == ("#" * 25, "100", bars[-1][2])
        assert f"{manifest.name}: {manifest.size_bytes:,} bytes" in shown
        code, shown = await asyncio.to_thread(on_a_terminal, site, "verify", "latest")
        assert (code, "is verified" in shown) == (0, True), shown

        elsewhere = tmp_path / "elsewhere.sql.zst"
        elsewhere.write_bytes(store.path(manifest.name).read_bytes())
        code, shown = await asyncio.to_thread(on_a_terminal, site, "upload", str(elsewhere))
        assert (code, "uploaded_" in shown) == (0, True), shown
        (site.backup_dir / "found.sql.zst").write_bytes(elsewhere.read_bytes())
        code, shown = await asyncio.to_thread(on_a_terminal, site, "list")
        assert (code, shown.count("tables"), shown.count("no manifest")) == (0, 2, 1), shown
        code, shown = await asyncio.to_thread(on_a_terminal, site, "verify", "found.sql.zst")
        assert (code, "Imported " in shown) == (0, True), shown
        code, shown = await asyncio.to_thread(on_a_terminal, site, "list", "--json")
        document = json.loads(shown)
        assert [one["kind"] for one in document["data"]].count("uploaded") == 2
        code, shown = await asyncio.to_thread(on_a_terminal, site, "verify", "nothing.sql")
        assert (code, "No backup has this name." in shown) == (1, True), shown


async def test_a_restore_requires_consent_for_a_backup_without_administrator(
    api: Api, site: Site, tmp_path: Path
) -> None:
    store = BackupDirectory(site.backup_dir)
    add_site_user(site, "chief")
    remove_operators(site)
    with service_process("sysndd_backup", site, tmp_path):
        site.server.execute("UPDATE `user` SET role = 'Curator'", schema=site.app)
        code, shown = await asyncio.to_thread(on_a_terminal, site, "backup")
        assert code == 0, shown
        (manifest,) = store.manifests()
        site.server.execute("UPDATE `user` SET role = 'Administrator'", schema=site.app)
        restore = ("restore", manifest.name, "--confirm", "RESTORE")

        code, shown = await asyncio.to_thread(on_a_terminal, site, *restore)
        assert (code, "--accept no_administrator" in shown) == (1, True), shown
        code, shown = await asyncio.to_thread(on_a_terminal, site, *restore, "--accept", "risk")
        assert code == 2, shown
        assert re.search(
            r"invalid choice: 'risk' \(choose from '?no_administrator'?, '?foreign_backup'?,"
            r" '?incomplete_safety_backup'?, '?constraint_violations'?\)",
            shown,
        )
        consent = ("--accept", "no_administrator")
        code, shown = await asyncio.to_thread(on_a_terminal, site, *restore, *consent, *consent)
        assert (code, f"Restored {manifest.name}" in shown) == (0, True), shown
        roles = site.server.execute("SELECT DISTINCT role FROM `user`", schema=site.app)
        assert roles == (("Curator",),)


async def test_a_backup_request_is_rejected_if_the_disk_is_full(
    api: Api, site: Site, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "small", "1m") as directory:
        site.backup_dir.rmdir()
        site.backup_dir.symlink_to(directory)
        (directory / "filler").write_bytes(b"x" * 1_000_000)
        site.server.execute(f"CREATE TABLE `{site.app}`.big (id INT PRIMARY KEY, t LONGTEXT)")
        site.server.execute(f"INSERT INTO `{site.app}`.big VALUES (1, REPEAT('x', 3000000))")
        site.server.execute(f"ANALYZE TABLE `{site.app}`.big")
        refused = problem(await api.admin.post("/api/admin/backups"), 507, "insufficient_storage")
        assert refused["needed_bytes"] > 3_000_000
        assert refused["free_bytes"] < 1_000_000
        assert (await api.admin.get("/api/admin/jobs")).json()["total"] == 0
        site.backup_dir.unlink()
        site.backup_dir.mkdir()


async def test_commands_name_the_tables_whose_rows_were_left_out(
    api: Api, site: Site, tmp_path: Path
) -> None:
    site.server.execute("CREATE TABLE objectcache (id INT PRIMARY KEY)", schema=site.app)
    site.server.execute("INSERT INTO objectcache VALUES (1)", schema=site.app)
    left_out = "Rows left out of the backup: objectcache."
    with service_process("sysndd_backup", site, tmp_path, BACKUP_EXCLUDE_ROWS="object*"):
        code, shown = await asyncio.to_thread(on_a_terminal, site, "backup")
        assert (code, left_out in shown) == (0, True), shown
        code, shown = await asyncio.to_thread(on_a_terminal, site, "list")
        assert (code, left_out in shown) == (0, True), shown
        code, shown = await asyncio.to_thread(on_a_terminal, site, "dry-run", "latest")
        assert code == 0, shown
        assert "Will be empty, because their rows were left out of the backup:" in shown
        assert "  objectcache: live has 1 row\r\n" in shown
        restore = ("restore", "latest", "--confirm", "RESTORE")
        code, shown = await asyncio.to_thread(on_a_terminal, site, *restore)
        assert (code, left_out in shown) == (0, True), shown
    assert site.server.execute(f"SELECT COUNT(*) FROM `{site.app}`.objectcache") == ((0,),)


def test_the_worker_does_not_start_with_an_invalid_exclusion(site: Site) -> None:
    paths = os.pathsep.join(str(REPOSITORY / package) for package in PACKAGES)
    for value, reason in (
        ("objectcache, site.session", "entry 2 (site.session) contains a period."),
        ("*", "* matches the table schema_version, whose rows every backup must contain."),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "sysndd_backup"],
            env={**os.environ, **site.environ, "BACKUP_EXCLUDE_ROWS": value, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 1
        assert "BACKUP_EXCLUDE_ROWS: Value error, " in done.stderr
        assert reason in done.stderr


async def test_a_damaged_live_database_is_restored_with_consent(
    api: Api, site: Site, tmp_path: Path
) -> None:
    site.server.execute("CREATE TABLE base (id INT PRIMARY KEY)", schema=site.app)
    site.server.execute("CREATE VIEW of_base AS SELECT id FROM base", schema=site.app)
    accept = ("--accept", "incomplete_safety_backup")
    with service_process("sysndd_backup", site, tmp_path):

        async def run(*arguments: str) -> tuple[int, str]:
            return await asyncio.to_thread(on_a_terminal, site, *arguments)

        code, shown = await run("backup")
        assert code == 0, shown
        (manifest,) = BackupDirectory(site.backup_dir).manifests()
        restore = ("restore", manifest.name, "--confirm", "RESTORE")

        site.server.execute("DROP TABLE base", schema=site.app)
        code, shown = await run("dry-run", manifest.name)
        assert code == 0, shown
        assert "  view of_base: 1356: " in shown
        assert "A restore requires --accept incomplete_safety_backup." in shown
        code, shown = await run(*restore)
        assert (code, "repeat the command with --accept incomplete" in shown) == (1, True), shown
        code, shown = await run(*restore, *accept)
        assert code == 0, shown
        assert "It does not contain:\r\n  view of_base: 1356: " in shown
        code, shown = await run("list")
        assert (code, shown.count("(incomplete)")) == (0, 1), shown

        site.server.execute(f"DROP DATABASE `{site.app}`")
        code, shown = await run(*restore, *accept)
        assert code == 0, shown
        assert "There is no safety backup" in shown
        assert site.server.execute("SELECT * FROM of_base", schema=site.app) == ()
