"""Holds the site's own program while tables are swapped: hooks, and locked database accounts.

The journal records the hold before it takes effect, so that crash recovery can release it:
``post_hook_due`` before the pre-hook runs, ``locked_accounts`` before the first account is locked.
"""

import structlog
from pydantic import SecretStr

from sysndd_backup.context import SiteHoldConfig
from sysndd_backup.progress import Progress
from sysndd_backup.restore.account_locks import AccountLocks
from sysndd_backup.restore.hooks import Hook, HookEvent
from sysndd_backup.restore.journal import Entry, Journal, Outcome
from sysndd_core.errors import RestoreHookFailed, SysnddError
from sysndd_core.logging import get_logger
from sysndd_core.settings.database import DatabaseSettings

log = get_logger(__name__)


class SiteHold:
    """Holds and releases the site's own program.

    Args:
        database: Address of the server, and the worker's account.
        journal: The restore journal.
        config: Hooks, and accounts to lock.
    """

    def __init__(
        self, database: DatabaseSettings, journal: Journal, config: SiteHoldConfig
    ) -> None:
        self._database = database
        self._journal = journal
        self._config = config
        self._hooks = _hooks(config)
        self._accounts = config.settings.accounts

    async def check(self) -> None:
        """Check that the accounts can be locked, before a restore takes any time.

        Raises:
            RestoreFailed: An account belongs to the platform, or ``RESTORE_LOCK_USER`` lacks a
                privilege; the detail contains the GRANT statements.
            DatabaseUnavailable: The server does not respond.
        """
        if self._accounts:
            await self._locks().check(self._accounts)

    async def run_pre_hook(self, entry: Entry, progress: Progress, percent: int) -> None:
        """Run the pre-hook; from here on, the post-hook is due.

        Args:
            entry: An open journal entry.
            progress: Reports the progress of the job.
            percent: Progress of the job at this point.

        Raises:
            RestoreHookFailed: The pre-hook failed; call ``resolve_failed``.
            LeaseLost: Another worker has claimed the job.
        """
        if "RESTORE_POST_HOOK" in self._hooks:
            await self._journal.record_post_hook_due(entry)
        hook = self._hooks.get("RESTORE_PRE_HOOK")
        if hook is None:
            return
        # Reporting progress checks the fencing token.
        await progress("holding", percent, f"Running {hook.name}")
        result = await hook.run(_event(entry, "starting", None))
        if result.failure is not None:
            output = f" Output: {result.first_lines}." if result.first_lines else ""
            raise RestoreHookFailed(
                f"{hook.name} failed: {result.failure}.{output} Nothing was changed. Fix the cause,"
                " then try again."
            )

    async def lock_accounts(self, entry: Entry) -> None:
        """Lock the accounts of the site and end their sessions.

        Requires the schema lock, so that no other worker resolves the entry at the same time.

        Args:
            entry: An open journal entry.

        Raises:
            RestoreFailed, DatabaseUnavailable: Accounts may be locked; call ``resolve_failed``.
        """
        if not self._accounts:
            return
        locks = self._locks()
        found = await locks.find(self._accounts)
        unlocked = [account for account, locked in found.items() if not locked]
        await self._journal.record_locked_accounts(entry, unlocked)
        await locks.lock(unlocked)
        await locks.end_sessions(list(found))

    async def release(self, entry: Entry, outcome: Outcome) -> list[str]:
        """Unlock the accounts that the journal names, and run the post-hook if it is due.

        Requires the schema lock. Does nothing if the hold was released. What fails here does not
        change the outcome of the swap: crash recovery tries again to unlock accounts, and runs the
        post-hook after that.

        Args:
            entry: The journal entry; it is read again.
            outcome: How the swap ended.

        Returns:
            A sentence for the operator about each failure.
        """
        try:
            with structlog.contextvars.bound_contextvars(job_id=entry.job_id):
                return await self._release(await self._journal.get(entry.id), outcome)
        except SysnddError as error:
            log.error("site_hold_release_failed", entry=entry.id, reason=error.detail)
            return [f"The site is still held: {error.detail} The worker keeps trying."]

    async def _release(self, entry: Entry, outcome: Outcome) -> list[str]:
        if entry.locked_accounts:
            await self._locks().unlock(entry.locked_accounts)
        if entry.locked_accounts is not None:
            await self._journal.record_unlocked(entry)
        if not entry.post_hook_due:
            return []
        failure = None
        hook = self._hooks.get("RESTORE_POST_HOOK")
        if hook is None:
            log.warning("post_hook_missing", entry=entry.id)
        else:
            failure = (await hook.run(_event(entry, "ended", outcome.value))).failure
        await self._journal.record_post_hook_run(entry)
        return [] if failure is None else [f"RESTORE_POST_HOOK failed: {failure}."]

    def _locks(self) -> AccountLocks:
        """Return the locks.

        Raises:
            SysnddError: ``RESTORE_LOCK_USER`` is not set any more, but accounts are locked.
        """
        settings = self._config.settings
        if settings.lock_user is None:
            raise SysnddError(
                "RESTORE_LOCK_USER is not set, so the accounts that a restore locked cannot be"
                " unlocked. Set it again and restart the worker."
            )
        account = {
            "user": settings.lock_user,
            "password": settings.lock_password or SecretStr(""),
        }
        return AccountLocks(self._database.model_copy(update=account), self._config.own_users)


def check_site_hold(config: SiteHoldConfig) -> None:
    """Check hooks and accounts when the worker starts, without connecting to the server.

    Args:
        config: Hooks, and accounts to lock.

    Raises:
        SysnddError: The program of a hook does not exist, or an account belongs to the platform.
    """
    for hook in _hooks(config).values():
        hook.check_program()
    for account in config.settings.accounts:
        if account.user in config.own_users:
            raise SysnddError(
                f"RESTORE_LOCK_ACCOUNTS: {account.user} is an account of the platform, so it cannot"
                " be locked. Name only the accounts of the site's program."
            )


def _hooks(config: SiteHoldConfig) -> dict[str, Hook]:
    settings = config.settings
    values = {"RESTORE_PRE_HOOK": settings.pre_hook, "RESTORE_POST_HOOK": settings.post_hook}
    return {
        name: Hook(name, value, settings.hook_timeout, config.variables)
        for name, value in values.items()
        if value is not None
    }


def _event(entry: Entry, moment: str, outcome: str | None) -> HookEvent:
    event = f"{entry.purpose.value}_{moment}"
    return HookEvent(event, entry.job_id, entry.live, entry.backup, outcome)
