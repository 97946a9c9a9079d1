"""How a restore holds the site's own program: hooks, and database accounts that it locks."""

import re
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from sysndd_core.settings.base import SettingsGroup

LOCK_ACCOUNT_GRANTS = {
    "MariaDB": "GRANT CREATE USER, PROCESS, CONNECTION ADMIN ON *.* TO {account};"
    " GRANT SELECT (User, Host, Priv) ON mysql.global_priv TO {account};"
    " GRANT SELECT (User, Host, Db) ON mysql.db TO {account};",
    "MySQL": "GRANT CREATE USER, PROCESS, CONNECTION_ADMIN ON *.* TO {account};"
    " GRANT SELECT (User, Host, account_locked) ON mysql.user TO {account};"
    " GRANT SELECT (User, Host, Db) ON mysql.db TO {account};",
}
"""The least privileges of ``RESTORE_LOCK_USER`` on each vendor's server, with its ``account``."""

SYSTEM_USER_GRANT = "GRANT SYSTEM_USER ON *.* TO {account};"
"""Also required on MySQL, only to lock accounts that have SYSTEM_USER themselves."""

_SYSTEM_ACCOUNTS = {"root", "mariadb.sys", "mysql", "mysql.infoschema", "mysql.session"}
_SYSTEM_ACCOUNTS |= {"mysql.sys"}
# No blanks, quotes or backslashes, which no account of a program needs.
_ACCOUNT = re.compile(r"([^\s@'\"`\\]+)(?:@([^\s@'\"`\\]+))?")


@dataclass(frozen=True)
class AccountName:
    """A database account; without a host, every account with this user name."""

    user: str
    host: str | None = None


class SiteHoldSettings(SettingsGroup):
    """What a restore does to hold the site's own program while it swaps tables."""

    pre_hook: str | None = Field(
        None,
        alias="RESTORE_PRE_HOOK",
        description="Command, or URL that gets a POST request, before a restore or an undo changes"
        " anything, such as one that stops the site's program. If it fails, the restore stops.",
    )
    post_hook: str | None = Field(
        None,
        alias="RESTORE_POST_HOOK",
        description="Command, or URL that gets a POST request, after a restore or an undo,"
        " successful or not. After a crash it can run more than once.",
    )
    hook_timeout: float = Field(
        60.0,
        alias="RESTORE_HOOK_TIMEOUT",
        gt=0,
        le=3600,
        description="Seconds after which a hook is ended and counts as failed.",
    )
    lock_user: str | None = Field(
        None,
        alias="RESTORE_LOCK_USER",
        description="Database account that locks the accounts of `RESTORE_LOCK_ACCOUNTS`. It is"
        " used for nothing else.",
    )
    lock_password: SecretStr | None = Field(
        None, alias="RESTORE_LOCK_PASSWORD", description="Password of `RESTORE_LOCK_USER`."
    )
    # Below ``lock_user``, which its validation reads.
    lock_accounts: str | None = Field(
        None,
        alias="RESTORE_LOCK_ACCOUNTS",
        description="Database accounts of the site's program, `user@host` or `user` for every host,"
        " separated by commas. While a restore swaps tables, they are locked and their sessions are"
        " ended. Requires `RESTORE_LOCK_USER`.",
    )

    @field_validator("pre_hook", "post_hook")
    @classmethod
    def _check_hook(cls, value: str | None) -> str | None:
        if value is not None and is_url(value):
            parts = urlsplit(value)
            # Reading the port checks it.
            if not parts.hostname or parts.port == 0:
                raise ValueError("the URL has no host, or the port 0")
        elif value is not None and not _split_command(value):
            raise ValueError("the command is empty")
        return value

    @field_validator("lock_accounts")
    @classmethod
    def _check_accounts(cls, value: str | None, info: ValidationInfo) -> str | None:
        accounts = parse_accounts(value)
        lock_user = info.data.get("lock_user")
        if accounts and lock_user is None:
            raise ValueError(_lock_user_missing())
        for account in accounts:
            if account.user == lock_user:
                raise ValueError(f"{account.user} is RESTORE_LOCK_USER, which cannot lock itself")
            if account.user in _SYSTEM_ACCOUNTS:
                raise ValueError(
                    f"{account.user} is an account of the database server. Name only the accounts"
                    " of the site's program"
                )
        return value

    @property
    def accounts(self) -> tuple[AccountName, ...]:
        """The accounts of ``RESTORE_LOCK_ACCOUNTS``."""
        return parse_accounts(self.lock_accounts)


def is_url(hook: str) -> bool:
    """Return whether a hook is a URL, not a command."""
    return re.match(r"https?:", hook, re.IGNORECASE) is not None


def parse_accounts(text: str | None) -> tuple[AccountName, ...]:
    """Split a list of accounts at its commas.

    Args:
        text: Such as ``wiki@localhost, cron``; None for no account.

    Returns:
        The accounts, in the order of the text.

    Raises:
        ValueError: A name is not ``user`` or ``user@host``.
    """
    found = []
    for part in (text or "").split(","):
        match = _ACCOUNT.fullmatch(part.strip())
        if match is not None:
            found.append(AccountName(match[1], match[2]))
        elif part.strip():
            raise ValueError(
                f"{part.strip()} is not a database account. Write user or user@host, without"
                " quotes, separated by commas"
            )
    return tuple(found)


def _split_command(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ValueError(f"the command cannot be split into words: {error}") from error


def _lock_user_missing() -> str:
    account = "'sysndd_lock'@'%'"
    grants = " ".join(
        f"{vendor}: {text.format(account=account)}" for vendor, text in LOCK_ACCOUNT_GRANTS.items()
    )
    return (
        "RESTORE_LOCK_USER is not set. Locking accounts requires a database account for that"
        " purpose alone. Create it, then set RESTORE_LOCK_USER=sysndd_lock and"
        f" RESTORE_LOCK_PASSWORD: CREATE USER {account} IDENTIFIED BY '…'; {grants} On MySQL, to"
        " lock an account that has SYSTEM_USER (ALL PRIVILEGES includes it), also"
        f" {SYSTEM_USER_GRANT.format(account=account)}"
    )
