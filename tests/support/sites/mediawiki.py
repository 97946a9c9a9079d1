"""A MediaWiki site, created by MediaWiki's own installer."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers import DatabaseServer
from tests.support.sites.database import create_site_database
from tests.support.sites.models import ForeignSite, SiteKind
from tests.support.sites.packages import MEDIAWIKI
from tests.support.sites.php import request, run_php

HOST = "mediawiki.example"
PRIVILEGES = "GRANT ALL PRIVILEGES ON {database}.* TO {account} WITH GRANT OPTION"
"""MediaWiki, "Manual:Installing MediaWiki", "Create a database", "MySQL/MariaDB"."""

_ADMINISTRATOR = "Administrator"


class MediaWiki(ForeignSite):
    """A MediaWiki site; ``directory`` holds ``LocalSettings.php``, not the program."""

    def publish(self, title: str, text: str) -> None:
        """Create or change a page with ``maintenance/edit.php``."""
        self._maintain("edit", "--user", _ADMINISTRATOR, title, stdin=text)

    def read(self, title: str) -> str:
        """Return the wikitext of a page, read by ``maintenance/getText.php``."""
        return self._maintain("getText", title)

    def front_page(self) -> str:
        """Return the HTML of the main page: the output of the site's ``index.php``."""
        return run_php(
            MEDIAWIKI / "index.php",
            directory=self.directory,
            environ=request(HOST, "/index.php/Main_Page") | self._environ,
        )

    def _maintain(self, script: str, *arguments: str, stdin: str = "") -> str:
        return run_php(
            *_maintenance(script),
            *arguments,
            directory=self.directory,
            environ=self._environ,
            stdin=stdin,
        )

    @property
    def _environ(self) -> dict[str, str]:
        return {"MW_CONFIG_FILE": str(self.directory / "LocalSettings.php")}


@contextmanager
def install_mediawiki(server: DatabaseServer, directory: Path) -> Iterator[MediaWiki]:
    """Install MediaWiki with ``maintenance/install.php``; drop database, account, files afterwards.

    Args:
        server: where to create the database.
        directory: where to create the site's folder.
    """
    with create_site_database(server, SiteKind.MEDIAWIKI, PRIVILEGES) as database:
        folder = directory / database.schema
        folder.mkdir()
        try:
            password = folder / "password"
            password.write_text(secrets.token_urlsafe(16), encoding="utf-8")
            database_password = folder / "database-password"
            database_password.write_text(database.account.password, encoding="utf-8")
            run_php(
                *_maintenance("install"),
                *("--server", f"http://{HOST}", "--scriptpath", "", "--confpath", folder),
                *("--dbtype", "mysql", "--dbserver", f"{database.host}:{database.port}"),
                *("--dbname", database.schema, "--dbuser", database.account.user),
                *("--dbpassfile", database_password, "--passfile", password),
                "Example wiki",
                _ADMINISTRATOR,
                directory=folder,
            )
            yield MediaWiki(database, folder)
        finally:
            shutil.rmtree(folder)


def _maintenance(script: str) -> tuple[str | Path, ...]:
    """Return the command of a maintenance script; since MediaWiki 1.40, run.php runs them all."""
    folder = MEDIAWIKI / "maintenance"
    if (folder / "run.php").is_file():
        return (folder / "run.php", script)
    return (folder / f"{script}.php",)
