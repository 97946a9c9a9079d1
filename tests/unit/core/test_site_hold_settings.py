"""Hooks and accounts to lock are checked when the settings are loaded."""

import pytest

from sysndd_core.errors import SettingsError
from sysndd_core.settings.base import Settings, load
from sysndd_core.settings.site_hold import AccountName, SiteHoldSettings


class _Settings(Settings):
    site_hold: SiteHoldSettings


LOCK_USER = {"RESTORE_LOCK_USER": "lock"}


def problem(**variables: str) -> str:
    with pytest.raises(SettingsError) as raised:
        load(_Settings, variables)
    (text,) = raised.value.problems
    return text


def test_nothing_is_held_by_default() -> None:
    settings = load(_Settings, {}).site_hold
    assert (settings.pre_hook, settings.post_hook, settings.accounts) == (None, None, ())


def test_accounts_are_a_user_with_or_without_a_host() -> None:
    accounts = "wiki, cron@localhost,api@10.%,"
    settings = load(_Settings, {**LOCK_USER, "RESTORE_LOCK_ACCOUNTS": accounts}).site_hold
    assert settings.accounts == (
        AccountName("wiki"),
        AccountName("cron", "localhost"),
        AccountName("api", "10.%"),
    )


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        ("   ", "the command is empty"),
        ("hold 'it", "the command cannot be split into words: No closing quotation"),
        ("http://", "the URL has no host"),
        ("https://:80/hold", "the URL has no host"),
        ("http://host:99999/", "Port out of range"),
    ],
)
def test_an_invalid_hook_is_rejected(hook: str, reason: str) -> None:
    text = problem(RESTORE_POST_HOOK=hook)
    assert text.startswith("RESTORE_POST_HOOK: ")
    assert reason in text


@pytest.mark.parametrize("accounts", ["a b", "'wiki'@'%'", "a@b@c", "@localhost", "wiki@"])
def test_an_invalid_account_is_rejected(accounts: str) -> None:
    text = problem(**LOCK_USER, RESTORE_LOCK_ACCOUNTS=accounts)
    assert "is not a database account. Write user or user@host" in text


@pytest.mark.parametrize("accounts", ["lock", "wiki,lock@%", "root@localhost", "mariadb.sys"])
def test_the_lock_account_and_system_accounts_cannot_be_locked(accounts: str) -> None:
    text = problem(**LOCK_USER, RESTORE_LOCK_ACCOUNTS=accounts)
    assert "which cannot lock itself" in text or "is an account of the database server" in text


def test_accounts_without_a_lock_account_are_rejected_with_the_grants_of_both_vendors() -> None:
    text = problem(RESTORE_LOCK_ACCOUNTS="wiki")
    for statement in (
        "CREATE USER 'sysndd_lock'@'%' IDENTIFIED BY '…';",
        "MariaDB: GRANT CREATE USER, PROCESS, CONNECTION ADMIN ON *.* TO 'sysndd_lock'@'%';",
        "GRANT SELECT (User, Host, Priv) ON mysql.global_priv TO 'sysndd_lock'@'%';",
        "MySQL: GRANT CREATE USER, PROCESS, CONNECTION_ADMIN ON *.* TO 'sysndd_lock'@'%';",
        "GRANT SELECT (User, Host, account_locked) ON mysql.user TO 'sysndd_lock'@'%';",
        "GRANT SYSTEM_USER ON *.* TO 'sysndd_lock'@'%';",
    ):
        assert statement in text
