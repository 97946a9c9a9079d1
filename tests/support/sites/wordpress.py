"""A WordPress site, created by WordPress's own installer."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers import DatabaseServer
from tests.support.sites.database import create_site_database
from tests.support.sites.models import ForeignSite, SiteDatabase, SiteKind
from tests.support.sites.packages import WORDPRESS
from tests.support.sites.php import SCRIPTS, request, run_php

HOST = "wordpress.example"
PRIVILEGES = "GRANT ALL PRIVILEGES ON {database}.* TO {account}"
"""WordPress, Advanced Administration Handbook, "Creating Database", "Using the MySQL client"."""

_CONFIGURATION = """\
<?php
define( 'DB_NAME', '{schema}' );
define( 'DB_USER', '{user}' );
define( 'DB_PASSWORD', '{password}' );
define( 'DB_HOST', '{host}:{port}' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'DB_COLLATE', '' );
define( 'AUTH_KEY', '{key}' );
define( 'AUTH_SALT', '{salt}' );
define( 'WP_SITEURL', 'http://{site}' );
define( 'WP_HOME', 'http://{site}' );
define( 'WP_DEFAULT_THEME', 'plain' );
define( 'WP_HTTP_BLOCK_EXTERNAL', true );
define( 'DISABLE_WP_CRON', true );
$table_prefix = '{prefix}';
if ( ! defined( 'ABSPATH' ) ) {{
    define( 'ABSPATH', __DIR__ . '/' );
}}
require_once ABSPATH . 'wp-settings.php';
"""

# The distribution packages each theme separately, and the names differ between releases.
_THEME = {
    "style.css": "/*\nTheme Name: Plain\n*/\n",
    "index.php": """\
<!DOCTYPE html>
<html <?php language_attributes(); ?>>
<head><title><?php bloginfo( 'name' ); ?></title><?php wp_head(); ?></head>
<body>
<?php while ( have_posts() ) { the_post(); the_title( '<h2>', '</h2>' ); the_content(); } ?>
<?php wp_footer(); ?>
</body>
</html>
""",
}


class WordPress(ForeignSite):
    """A WordPress site; ``directory`` is a complete copy of WordPress with ``wp-config.php``."""

    def publish(self, title: str, text: str) -> None:
        """Create a post with ``wp_insert_post()``."""
        self._run("wordpress_publish.php", title, text)

    def read(self, title: str) -> str:
        """Return the content of the newest post with this title, read by ``WP_Query``."""
        return self._run("wordpress_read.php", title)

    def front_page(self) -> str:
        """Return the HTML of the front page: the output of the site's ``index.php``."""
        return run_php("index.php", directory=self.directory, environ=request(HOST))

    def _run(self, script: str, *arguments: str) -> str:
        return run_php(
            SCRIPTS / script, *arguments, directory=self.directory, environ=request(HOST)
        )


@contextmanager
def install_wordpress(server: DatabaseServer, directory: Path) -> Iterator[WordPress]:
    """Install WordPress with its own ``wp_install()``; drop database, account and files afterwards.

    Args:
        server: where to create the database.
        directory: where to create the site's folder.
    """
    kind = SiteKind.WORDPRESS
    with create_site_database(server, kind, PRIVILEGES, prefix="wp_") as database:
        folder = directory / database.schema
        # Debian's own wp-config.php reads files below /etc only.
        shutil.copytree(WORDPRESS, folder, ignore=shutil.ignore_patterns("wp-config.php"))
        try:
            _configure(folder, database)
            site = WordPress(database, folder)
            password = secrets.token_urlsafe(16)
            run_php(
                SCRIPTS / "wordpress_install.php",
                directory=folder,
                environ=request(HOST) | {"ADMINISTRATOR_PASSWORD": password},
            )
            yield site
        finally:
            shutil.rmtree(folder)


def _configure(folder: Path, database: SiteDatabase) -> None:
    text = _CONFIGURATION.format(
        schema=database.schema,
        user=database.account.user,
        password=database.account.password,
        host=database.host,
        port=database.port,
        prefix=database.prefix,
        site=HOST,
        key=secrets.token_hex(32),
        salt=secrets.token_hex(32),
    )
    (folder / "wp-config.php").write_text(text, encoding="utf-8")
    theme = folder / "wp-content" / "themes" / "plain"
    theme.mkdir(parents=True)
    for name, content in _THEME.items():
        (theme / name).write_text(content, encoding="utf-8")
