"""WordPress and MediaWiki are installed by their own installers and serve pages."""

import pymysql
import pytest

from tests.support.servers import DatabaseServer
from tests.support.site import Site
from tests.support.sites.mediawiki import MediaWiki
from tests.support.sites.models import SiteDatabase, SiteKind
from tests.support.sites.wordpress import WordPress

TITLE = "It’s a “title”"
TEXT = "Text with \\ and 'quotes', ü, 😀."


def test_wordpress_shows_a_published_post(wordpress: WordPress) -> None:
    assert wordpress.kind is SiteKind.WORDPRESS
    assert "<h2>Hello world!</h2>" in wordpress.front_page()
    wordpress.publish(TITLE, TEXT)
    assert wordpress.read(TITLE) == TEXT
    assert f"<h2>{TITLE}</h2>" in wordpress.front_page()


def test_mediawiki_shows_a_published_page(mediawiki: MediaWiki) -> None:
    assert mediawiki.kind is SiteKind.MEDIAWIKI
    assert "MediaWiki has been installed" in mediawiki.front_page()
    mediawiki.publish(TITLE, TEXT)
    assert mediawiki.read(TITLE).strip() == TEXT
    mediawiki.publish("Main Page", f"See [[{TITLE}]].")
    assert f">{TITLE}</a>" in mediawiki.front_page()


def test_each_account_reaches_its_own_database_only(
    wordpress: WordPress, mediawiki: MediaWiki, sysndd: SiteDatabase, site: Site
) -> None:
    databases = (wordpress.database, mediawiki.database, sysndd)
    assert len({database.account.user for database in databases}) == 3
    for database in databases:
        shown = {name for (name,) in database.execute("SHOW DATABASES")}
        own = {database.schema, "information_schema", "performance_schema"}
        assert database.schema in shown
        assert shown <= own
        for other in {*(other.schema for other in databases), site.ops} - {database.schema}:
            with pytest.raises(pymysql.err.OperationalError, match="denied"):
                database.execute(f"SHOW TABLES FROM `{other}`")


def test_the_installer_creates_tables_with_the_prefix(wordpress: WordPress) -> None:
    tables = {name for (name,) in wordpress.database.execute("SHOW TABLES")}
    assert {"wp_posts", "wp_postmeta", "wp_options", "wp_users"} <= tables
    assert all(name.startswith(wordpress.prefix) for name in tables)


def test_mediawiki_has_tables_named_as_those_of_the_platform(
    mediawiki: MediaWiki, database_server: DatabaseServer
) -> None:
    tables: dict[str, str] = dict(
        database_server.execute(
            "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = %s",
            (mediawiki.schema,),
        )
    )
    assert {"user", "job"} <= tables.keys()
    # A backup must not rely on transactions alone.
    assert {name for name, engine in tables.items() if engine == "MyISAM"} == {"searchindex"}
