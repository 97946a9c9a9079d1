"""A site, its database and its account."""

import dataclasses
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pymysql
from pymysql.cursors import Cursor

from tests.support.servers import Row


class SiteKind(StrEnum):
    """The program that a site runs."""

    WORDPRESS = "wordpress"
    MEDIAWIKI = "mediawiki"
    SYSNDD = "sysndd"


@dataclass(frozen=True)
class SiteAccount:
    """A database account of one site."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class SiteDatabase:
    """What a site needs to use its database.

    Attributes:
        kind: the program that owns the tables.
        host: address of the server.
        port: TCP port of the server.
        schema: the site's database.
        account: the site's account, which has privileges on this database only.
        prefix: what the name of each table begins with; may be empty.
    """

    kind: SiteKind
    host: str
    port: int
    schema: str
    account: SiteAccount
    prefix: str = ""

    def table(self, name: str) -> str:
        """Return the quoted name of a table, with the site's prefix."""
        return f"`{self.prefix}{name}`"

    def connect(self, *, read_timeout: float = 60) -> "pymysql.Connection[Cursor]":
        """Connect as the site's account, with autocommit.

        Args:
            read_timeout: seconds that one statement may take before the connection is closed.
        """
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.account.user,
            password=self.account.password,
            database=self.schema,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=5,
            read_timeout=read_timeout,
        )

    def execute(self, sql: str, args: object = None) -> tuple[Row, ...]:
        """Run one statement as the site's account on a separate connection; return its rows."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql, args)
            return tuple(cursor.fetchall())

    def to_json(self) -> str:
        """Return this as JSON, with the password."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "SiteDatabase":
        """Read what ``to_json`` returned."""
        values = json.loads(text)
        kind, account = SiteKind(values.pop("kind")), SiteAccount(**values.pop("account"))
        return cls(kind=kind, account=account, **values)


@dataclass(frozen=True)
class ForeignSite(ABC):
    """An installed site that is not SysNDD.

    Attributes:
        database: its database.
        directory: its files, with its configuration.
    """

    database: SiteDatabase
    directory: Path

    @property
    def kind(self) -> SiteKind:
        """The program of the site."""
        return self.database.kind

    @property
    def schema(self) -> str:
        """Name of the site's database."""
        return self.database.schema

    @property
    def account(self) -> SiteAccount:
        """The site's own database account."""
        return self.database.account

    @property
    def prefix(self) -> str:
        """What the name of each table begins with."""
        return self.database.prefix

    @abstractmethod
    def publish(self, title: str, text: str) -> None:
        """Create a page through the site's PHP.

        Raises:
            PhpFailed: the site reported an error.
        """

    @abstractmethod
    def read(self, title: str) -> str:
        """Return the text of a page through the site's PHP, without rendering it.

        Raises:
            PhpFailed: there is no such page, or the site reported an error.
        """

    @abstractmethod
    def front_page(self) -> str:
        """Return the HTML of the front page, rendered by the site's PHP.

        Raises:
            PhpFailed: the site reported an error.
        """
