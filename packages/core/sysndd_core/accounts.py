"""The two kinds of accounts: operators run the platform, site users use the site."""

from enum import StrEnum
from typing import NamedTuple


class Realm(StrEnum):
    """Where an account is stored."""

    OPERATOR = "operator"
    """In the platform schema."""

    SITE = "site"
    """In the application's table ``user``."""


class AccountKey(NamedTuple):
    """Identifies an account. The IDs of the two realms overlap."""

    realm: Realm
    id: int
