"""What traffic writes to each kind of site, and what must be equal at every moment.

One write adds a numbered record to several tables, in one transaction. So the sum of the numbers is
the same in each of these tables. It differs as soon as some tables are older than others.
"""

import hashlib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pymysql.cursors import Cursor

from tests.support.sites.models import SiteDatabase, SiteKind


def title(number: int) -> str:
    """Return the title of the page or post that write ``number`` creates."""
    return f"Traffic {number:08}"


@dataclass(frozen=True)
class Workload(ABC):
    """Reads and writes of one site.

    Attributes:
        site: the site's database.
    """

    site: SiteDatabase

    @abstractmethod
    def write(self, cursor: Cursor, number: int) -> None:
        """Add record ``number``; the caller commits.

        It does not rely on rows that an earlier write created: a restore may have removed them.
        """

    @abstractmethod
    def numbers(self) -> str:
        """Return a SELECT of the numbers of all records."""

    @abstractmethod
    def sums(self) -> Mapping[str, str]:
        """Return, for each table, a SELECT of the sum of the numbers of its records."""


class WordPressWorkload(Workload):
    """Posts with metadata, and an option with a running total."""

    def write(self, cursor: Cursor, number: int) -> None:
        """Insert a published post."""
        now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        cursor.execute(
            f"INSERT INTO {self.site.table('posts')} (post_author, post_date, post_date_gmt,"
            " post_content, post_title, post_excerpt, post_status, post_name, to_ping, pinged,"
            " post_modified, post_modified_gmt, post_content_filtered, guid)"
            " VALUES (1, %s, %s, %s, %s, '', 'publish', %s, '', '', %s, %s, '', %s)",
            (
                *(now, now, f"Text of {title(number)}", title(number), f"traffic-{number:08}"),
                *(now, now, f"http://wordpress.example/?traffic={number}"),
            ),
        )
        cursor.execute(
            f"INSERT INTO {self.site.table('postmeta')} (post_id, meta_key, meta_value)"
            " VALUES (%s, 'traffic', %s)",
            (cursor.lastrowid, number),
        )
        cursor.execute(
            f"INSERT INTO {self.site.table('options')} (option_name, option_value, autoload)"
            " VALUES ('traffic_total', %s, 'no')"
            " ON DUPLICATE KEY UPDATE option_value = option_value + %s",
            (number, number),
        )

    def numbers(self) -> str:
        """Return the numbers in the names of posts."""
        return (
            "SELECT CAST(RIGHT(post_name, 8) AS UNSIGNED)"
            f" FROM {self.site.table('posts')} WHERE post_name LIKE 'traffic-%'"
        )

    def sums(self) -> Mapping[str, str]:
        """Return the sums of posts, metadata and options."""
        posts, meta, options = map(self.site.table, ("posts", "postmeta", "options"))
        return {
            "posts": "SELECT SUM(CAST(RIGHT(post_name, 8) AS UNSIGNED))"
            f" FROM {posts} WHERE post_name LIKE 'traffic-%'",
            "postmeta": "SELECT SUM(CAST(meta_value AS UNSIGNED))"
            f" FROM {meta} WHERE meta_key = 'traffic'",
            "posts with postmeta": "SELECT SUM(CAST(meta_value AS UNSIGNED))"
            f" FROM {posts} JOIN {meta} ON post_id = ID AND meta_key = 'traffic'"
            " WHERE RIGHT(post_name, 8) = LPAD(meta_value, 8, '0')",
            "options": "SELECT CAST(option_value AS UNSIGNED)"
            f" FROM {options} WHERE option_name = 'traffic_total'",
        }


class MediaWikiWorkload(Workload):
    """Pages with one revision, as MediaWiki stores them, and a cache entry with a running total."""

    def write(self, cursor: Cursor, number: int) -> None:
        """Insert a page (MediaWiki, "Manual:Database layout", "Page content")."""
        table = self.site.table
        text = f"Text of {title(number)}"
        now = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
        size, sha1 = len(text), _base36(hashlib.sha1(text.encode(), usedforsecurity=False))
        actor, comment = self._actor(cursor), self._comment(cursor)
        old_id = _insert(cursor, table("text"), old_text=text, old_flags="utf-8")
        cursor.execute(
            f"INSERT INTO {table('content')}"
            " (content_size, content_sha1, content_model, content_address) SELECT %s, %s,"
            f" model_id, %s FROM {table('content_models')} WHERE model_name = 'wikitext'",
            (size, sha1, f"tt:{old_id}"),
        )
        content = cursor.lastrowid
        page = _insert(
            cursor,
            table("page"),
            page_namespace=0,
            page_title=title(number).replace(" ", "_"),
            page_is_new=1,
            page_random=0.5,
            page_touched=now,
            page_latest=0,
            page_len=size,
            page_content_model="wikitext",
        )
        revision = _insert(
            cursor,
            table("revision"),
            rev_page=page,
            rev_comment_id=comment,
            rev_actor=actor,
            rev_timestamp=now,
            rev_len=size,
            rev_parent_id=0,
            rev_sha1=sha1,
        )
        cursor.execute(
            f"INSERT INTO {table('slots')}"
            " (slot_revision_id, slot_role_id, slot_content_id, slot_origin)"
            f" SELECT %s, role_id, %s, %s FROM {table('slot_roles')} WHERE role_name = 'main'",
            (revision, content, revision),
        )
        # Before MediaWiki 1.40, the comment of a revision is read from a separate table.
        if cursor.execute("SHOW TABLES LIKE %s", (f"{self.site.prefix}revision_comment_temp",)):
            cursor.execute(
                f"INSERT INTO {table('revision_comment_temp')} VALUES (%s, %s)", (revision, comment)
            )
        cursor.execute(
            f"UPDATE {table('page')} SET page_latest = %s WHERE page_id = %s", (revision, page)
        )
        cursor.execute(
            f"INSERT INTO {table('objectcache')} (keyname, value, exptime)"
            " VALUES ('traffic:total', %s, '99991231235959')"
            " ON DUPLICATE KEY UPDATE value = CAST(value AS UNSIGNED) + %s",
            (number, number),
        )

    def _actor(self, cursor: Cursor) -> int:
        # An anonymous editor; the address is one for documentation (RFC 5737).
        actor = self.site.table("actor")
        if cursor.execute(f"SELECT actor_id FROM {actor} WHERE actor_name = '192.0.2.1'"):
            return _number(cursor)
        return _insert(cursor, actor, actor_name="192.0.2.1")

    def _comment(self, cursor: Cursor) -> int:
        table = self.site.table("comment")
        crc = int.from_bytes(zlib.crc32(b"traffic").to_bytes(4, "big"), "big", signed=True)
        found = f"SELECT MIN(comment_id) FROM {table} WHERE comment_hash = %s HAVING COUNT(*) > 0"
        if cursor.execute(found, (crc,)):
            return _number(cursor)
        return _insert(cursor, table, comment_hash=crc, comment_text="traffic")

    def numbers(self) -> str:
        """Return the numbers in the titles of pages."""
        return (
            "SELECT CAST(RIGHT(page_title, 8) AS UNSIGNED)"
            f" FROM {self.site.table('page')} WHERE page_title LIKE 'Traffic\\_%'"
        )

    def sums(self) -> Mapping[str, str]:
        """Return the sums of pages, their latest revisions, their texts, and the cache entry."""
        table = self.site.table
        number = "SELECT SUM(CAST(RIGHT({column}, 8) AS UNSIGNED)) FROM "
        pages = "page_title LIKE 'Traffic\\_%'"
        page = f"{number.format(column='page_title')}{table('page')}"
        return {
            "page": f"{page} WHERE {pages}",
            "revision": f"{page} JOIN {table('revision')}"
            f" ON rev_id = page_latest AND rev_page = page_id WHERE {pages}",
            "text": f"{number.format(column='old_text')}{table('actor')}"
            f" JOIN {table('revision')} ON rev_actor = actor_id"
            f" JOIN {table('slots')} ON slot_revision_id = rev_id"
            f" JOIN {table('content')} ON content_id = slot_content_id"
            f" JOIN {table('text')} ON old_id = CAST(SUBSTRING(content_address, 4) AS UNSIGNED)"
            " WHERE actor_name = '192.0.2.1'",
            "objectcache": "SELECT CAST(value AS UNSIGNED)"
            f" FROM {table('objectcache')} WHERE keyname = 'traffic:total'",
        }


class SysnddWorkload(Workload):
    """Genes with an entity and a review, and a disease with a running total."""

    def write(self, cursor: Cursor, number: int) -> None:
        """Insert a gene, an entity and a review; a trigger adds the entity's history."""
        hgnc_id = f"HGNC:T{number:08}"
        cursor.execute(
            "INSERT INTO disease (disease_id, name, definition)"
            " VALUES ('MONDO:traffic', 'Traffic', %s)"
            " ON DUPLICATE KEY UPDATE definition = definition + %s",
            (number, number),
        )
        if cursor.execute("SELECT user_id FROM `user` WHERE user_name = 'traffic'"):
            user = _number(cursor)
        else:
            user = _insert(cursor, "`user`", user_name="traffic", email="traffic@sysndd.example")
        _insert(cursor, "gene", hgnc_id=hgnc_id, symbol=f"TRAFFIC{number:08}", name=title(number))
        cursor.execute(
            "INSERT INTO entity (hgnc_id, disease_id, inheritance_id, category, entry_user)"
            " SELECT %s, 'MONDO:traffic', MIN(inheritance_id), MIN(category), %s"
            " FROM mode_of_inheritance, entity_category",
            (hgnc_id, user),
        )
        entity = cursor.lastrowid
        _insert(cursor, "review", entity_id=entity, synopsis=title(number), review_user=user)

    def numbers(self) -> str:
        """Return the numbers in the ids of genes."""
        return "SELECT CAST(RIGHT(hgnc_id, 8) AS UNSIGNED) FROM gene WHERE hgnc_id LIKE 'HGNC:T%'"

    def sums(self) -> Mapping[str, str]:
        """Return the sums of genes, entities, their history, reviews, and the disease."""
        number = "SELECT SUM(CAST(RIGHT({column}, 8) AS UNSIGNED)) FROM "
        entities = "hgnc_id LIKE 'HGNC:T%'"
        entity = number.format(column="hgnc_id")
        return {
            "gene": f"{entity}gene WHERE {entities}",
            "entity": f"{entity}entity WHERE {entities}",
            "entity_status_history": f"{entity}entity JOIN entity_status_history"
            f" USING (entity_id) WHERE {entities}",
            "review": f"{number.format(column='synopsis')}review WHERE synopsis LIKE 'Traffic %'",
            "disease": "SELECT CAST(definition AS UNSIGNED)"
            " FROM disease WHERE disease_id = 'MONDO:traffic'",
        }


WORKLOADS: Mapping[SiteKind, type[Workload]] = {
    SiteKind.WORDPRESS: WordPressWorkload,
    SiteKind.MEDIAWIKI: MediaWikiWorkload,
    SiteKind.SYSNDD: SysnddWorkload,
}


def _insert(cursor: Cursor, table: str, **values: object) -> int:
    """Insert one row and return its generated id."""
    columns, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(values.values()))
    return cursor.lastrowid


def _number(cursor: Cursor) -> int:
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def _base36(digest: "hashlib._Hash") -> str:
    """Return a SHA-1 as MediaWiki writes it: 31 digits in base 36."""
    number, digits = int(digest.hexdigest(), 16), ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits.rjust(31, "0")
