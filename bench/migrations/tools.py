"""The tools: each writes the same statements in its own format, and has its own command."""

import os
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sysndd_local.mariadb import MariadbServer, program

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Start:
    """A process to measure.

    Attributes:
        command: Program and arguments.
        environ: Environment variables.
        directory: Working directory.
        stdin: File for standard input, or None.
    """

    command: list[str]
    environ: Mapping[str, str]
    directory: Path
    stdin: Path | None = None


def statements(number: int) -> list[str]:
    """Return the three statements of migration ``number``: two definitions and one INSERT."""
    table = f"gene_{number:04d}"
    return [
        f"CREATE TABLE {table} (id INT PRIMARY KEY, symbol VARCHAR(40) NOT NULL) ENGINE=InnoDB",
        f"INSERT INTO {table} (id, symbol) VALUES (1, 'ARID1B'), (2, 'SCN2A')",
        f"ALTER TABLE {table} ADD COLUMN note VARCHAR(100) NULL",
    ]


class Tool(ABC):
    """A migration tool.

    Args:
        server: The database server.
        directory: New folder for the migrations.
        files: Number of migrations.
        peers: Folder with the programs of the other tools.
    """

    name = ""

    def __init__(self, server: MariadbServer, directory: Path, files: int, peers: Path) -> None:
        self.server = server
        self.directory = directory
        self.files = files
        self.peers = peers
        directory.mkdir(parents=True)
        self.write()

    @abstractmethod
    def write(self) -> None:
        """Write the migrations."""

    @abstractmethod
    def start(self, schema: str) -> Start:
        """Return the process that applies the pending migrations to a schema."""

    def environ(self, **more: str) -> dict[str, str]:
        """Return an environment without other settings of this process."""
        inherited = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ
        }
        return {**inherited, **more}

    def url(self, scheme: str, schema: str) -> str:
        """Return the URL of a schema over TCP, which each tool supports."""
        return f"{scheme}://root:{self.server.root_password}@127.0.0.1:{self.server.port}/{schema}"


class Client(Tool):
    """The client of the server, with all statements in one file: the lower limit."""

    name = "mariadb client"

    def write(self) -> None:
        text = "".join(f"{s};\n" for n in range(self.files) for s in statements(n))
        (self.directory / "all.sql").write_text(text, encoding="utf-8")

    def start(self, schema: str) -> Start:
        command = [
            program("mariadb"),
            "--no-defaults",
            "--host=127.0.0.1",
            f"--port={self.server.port}",
            "--user=root",
            f"--password={self.server.root_password}",
            "--batch",
            schema,
        ]
        return Start(command, self.environ(), self.directory, self.directory / "all.sql")


class Sysndd(Tool):
    """The migrator of this repository."""

    name = "sysndd-migrator"

    def write(self) -> None:
        for number in range(self.files):
            text = "".join(f"{s};\n" for s in statements(number))
            path = self.directory / f"{number + 1:04d}_gene.sql"
            path.write_text(text, encoding="utf-8")

    def start(self, schema: str) -> Start:
        environ = self.environ(
            DB_HOST="127.0.0.1",
            DB_PORT=str(self.server.port),
            DB_USER="root",
            DB_PASSWORD=self.server.root_password,
            DB_NAME=schema,
            OPS_DB_NAME=f"{schema}_ops",
            MIGRATIONS_DIR=str(self.directory),
            PYTHONPATH=os.pathsep.join(
                str(REPOSITORY / path) for path in ("packages/core", "services/migrator")
            ),
            LOG_LEVEL="warning",
        )
        return Start([sys.executable, "-m", "sysndd_migrator", "up"], environ, self.directory)


class Dbmate(Tool):
    """dbmate, from its PyPI wheel."""

    name = "dbmate"

    def write(self) -> None:
        for number in range(self.files):
            text = "".join(f"{s};\n" for s in statements(number))
            path = self.directory / f"{20260101000000 + number}_gene.sql"
            path.write_text(f"-- migrate:up\n{text}\n-- migrate:down\n", encoding="utf-8")

    def start(self, schema: str) -> Start:
        command = [
            str(self.peers / "dbmate"),
            f"--url={self.url('mysql', schema)}",
            f"--migrations-dir={self.directory}",
            "--no-dump-schema",
            "migrate",
        ]
        return Start(command, self.environ(), self.directory)


class Yoyo(Tool):
    """yoyo-migrations."""

    name = "yoyo-migrations"

    def write(self) -> None:
        for number in range(self.files):
            text = "".join(f"{s};\n" for s in statements(number))
            (self.directory / f"{number:04d}_gene.sql").write_text(text, encoding="utf-8")

    def start(self, schema: str) -> Start:
        command = [
            str(self.peers / "yoyo"),
            "apply",
            "--batch",
            "--no-config-file",
            f"--database={self.url('mysql', schema)}",
            str(self.directory),
        ]
        return Start(command, self.environ(), self.directory)


class Alembic(Tool):
    """Alembic with SQLAlchemy and PyMySQL."""

    name = "Alembic"

    def write(self) -> None:
        (self.directory / "alembic.ini").write_text(
            "[alembic]\nscript_location = %(here)s/scripts\npath_separator = os\n",
            encoding="utf-8",
        )
        versions = self.directory / "scripts" / "versions"
        versions.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("alembic_env.txt"), versions.parent / "env.py")
        for number in range(self.files):
            before = f"'r{number - 1:04d}'" if number else "None"
            body = "".join(f"    op.execute({s!r})\n" for s in statements(number))
            (versions / f"r{number:04d}.py").write_text(
                f"from alembic import op\nrevision = 'r{number:04d}'\n"
                f"down_revision = {before}\ndef upgrade():\n{body}",
                encoding="utf-8",
            )

    def start(self, schema: str) -> Start:
        return Start(
            [str(self.peers / "alembic"), "upgrade", "head"],
            self.environ(BENCH_URL=self.url("mysql+pymysql", schema)),
            self.directory,
        )


TOOLS: tuple[type[Tool], ...] = (Client, Sysndd, Dbmate, Yoyo, Alembic)
