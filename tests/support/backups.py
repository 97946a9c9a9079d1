"""Fixtures of the backup tests: unusual content, keys, tampered files and failing clients."""

import contextlib
import dataclasses
import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pyrage

from sysndd_backup.archive.compression import open_reader, open_writer
from sysndd_backup.archive.encryption import Keys
from sysndd_backup.context import BackupTools
from sysndd_backup.server.clients import Clients
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.settings.backup import BackupCompression
from sysndd_core.settings.base import Settings, load
from sysndd_core.settings.encryption import EncryptionSettings
from tests.support.site import Site
from tests.support.workers import BackupBench

UNUSUAL_OBJECTS = r"""
CREATE TABLE `{app}`.`a table` (
  id INT PRIMARY KEY AUTO_INCREMENT, parent INT NULL, t TEXT, b BLOB, j JSON, d DATETIME(6),
  FULLTEXT KEY (t), FOREIGN KEY (parent) REFERENCES `a table` (id)
) ENGINE=InnoDB CHARSET=utf8mb4;
INSERT INTO `{app}`.`a table` (id, parent, t, b, j, d) VALUES
  (1, NULL, 'line\nbreak),\n(''quote', x'0027285c0a', '{{"a": "),("}}', '2026-01-01 00:00:00.000001'),
  (2, 1, 'back\\slash `tick` 🧬 é', NULL, NULL, NULL),
  (3, 2, 'INSERT INTO `x` VALUES (1),(2);', '', '[]', NULL);
CREATE PROCEDURE `{app}`.p() BEGIN /* ; */ SELECT ';' AS s; END;
CREATE FUNCTION `{app}`.f(x INT) RETURNS INT DETERMINISTIC RETURN x + 1;
CREATE EVENT `{app}`.e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1;
CREATE VIEW `{app}`.v1 AS SELECT id, t FROM `{app}`.`a table`;
CREATE VIEW `{app}`.v2 AS SELECT `{app}`.f(id) AS n FROM `{app}`.v1;
"""

UNUSUAL_TYPES = r"""
CREATE TABLE `{app}`.numbers (
  id INT PRIMARY KEY, n DECIMAL(20,10), f DOUBLE, bits BIT(9), z DATE,
  twice INT GENERATED ALWAYS AS (id * 2) STORED, half DOUBLE AS (id / 2), e ENUM('a','b,('), g POINT
);
INSERT INTO `{app}`.numbers (id, n, f, bits, z, e, g) VALUES
  (1, 1.0000000001, 0.1, b'101010101', '0000-00-00', 'b,(', POINT(1, 2)),
  (2, -1, 1e300, b'0', '2026-02-28', 'a', NULL);
CREATE TABLE `{app}`.without_key (a INT, b TEXT);
INSERT INTO `{app}`.without_key VALUES (3, 'c'), (1, 'a'), (3, 'c');
CREATE EVENT `{app}`.on_and_off ON SCHEDULE EVERY 1 HOUR ENABLE COMMENT 'a\nb'
  DO BEGIN SELECT 1; SELECT 2; END;
"""

OUR_IDENTITY, OTHER_IDENTITY = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()


class _Settings(Settings):
    encryption: EncryptionSettings


def keys(*recipients: str, identity: str = "") -> Keys:
    """Return keys from environment variables, as the worker does."""
    environ = {
        "BACKUP_ENCRYPTION_RECIPIENTS": ",".join(recipients),
        "BACKUP_ENCRYPTION_IDENTITY": identity,
    }
    return Keys.configured(load(_Settings, environ).encryption)


OUR_KEYS = keys(str(OUR_IDENTITY.to_public()), identity=f"# created today\n{OUR_IDENTITY}\n")


def with_dump_script(bench: BackupBench, directory: Path, script: str) -> BackupTools:
    """Return tools whose dump client is a shell script.

    Args:
        bench: Provides the tools.
        directory: Where to write the script.
        script: Shell commands; ``{real}`` is the path of the real client.
    """
    program = directory / "dump"
    program.write_text("#!/bin/sh\n" + script.format(real=bench.tools.clients.dump) + "\n")
    program.chmod(0o755)
    clients = Clients(str(program), bench.tools.clients.load, bench.tools.clients.version)
    return dataclasses.replace(bench.tools, clients=clients)


def tamper_with_backup(bench: BackupBench, change: Callable[[bytes], bytes]) -> str:
    """Change the SQL of the oldest backup, with matching hashes and sizes; return its name."""
    manifest: BackupManifest = bench.store.manifests()[-1]
    path = bench.store.path(manifest.name)
    with open_reader(path, Keys()) as reader:
        sql = change(reader.read())
    with path.open("wb") as file:
        writer = open_writer(file, BackupCompression.ZSTD)
        writer.write(sql)
        writer.close()
    compressed = path.read_bytes()
    bench.store.write_manifest(
        manifest.model_copy(
            update={
                "size_bytes": len(compressed),
                "sha256": hashlib.sha256(compressed).hexdigest(),
                "uncompressed_bytes": len(sql),
                "uncompressed_sha256": hashlib.sha256(sql).hexdigest(),
            }
        )
    )
    return manifest.name


def scratch_schemas(site: Site) -> list[str]:
    """Return the names of a site's schemas other than its application and platform schema."""
    rows = site.server.execute(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s",
        (f"{site.app}\\_%",),
    )
    return [name for (name,) in rows if name != site.ops]


@contextlib.contextmanager
def small_disk(directory: Path, size: str) -> Iterator[Path]:
    """Mount a file system of a limited size."""
    directory.mkdir()
    as_root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    options = f"size={size},mode=700,uid={os.geteuid()}"
    subprocess.run(
        [*as_root, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)], check=True
    )
    try:
        yield directory
    finally:
        subprocess.run([*as_root, "umount", str(directory)], check=True)
