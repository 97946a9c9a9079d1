"""Tests the mail server: one test at a time, six per minute, recorded in the audit log."""

from sysndd_api.audit.service import Audit
from sysndd_api.security.access import Actor
from sysndd_api.smtp_diagnostics.store import SmtpTestStore
from sysndd_core.db.database import Database
from sysndd_core.errors import SmtpTestLimit, SmtpTestRunning
from sysndd_core.mail.smtp_probe import PROBE_SECONDS, Diagnosis, probe
from sysndd_core.settings.smtp import SmtpSettings

_TESTS_PER_MINUTE = 6
_LEASE_SECONDS = int(PROBE_SECONDS) + 6


class SmtpDiagnostics:
    """Runs tests of the mail server for administrators.

    Args:
        database: The connection pool.
        store: Recent tests of all workers, so that Redis is not needed.
        audit: The audit log.
        settings: The mail server; nothing of it comes from a request.
    """

    def __init__(
        self, *, database: Database, store: SmtpTestStore, audit: Audit, settings: SmtpSettings
    ) -> None:
        self._database = database
        self._store = store
        self._audit = audit
        self._settings = settings

    async def run(self, actor: Actor) -> Diagnosis:
        """Run an SMTP dialogue up to MAIL FROM.

        Raises:
            SmtpTestRunning: A test is running, here or in another worker.
            SmtpTestLimit: Six tests were started within the last minute.
        """
        number = await self._begin(actor)
        try:
            found = await probe(self._settings)
        except BaseException:
            # The client disconnected; the next test need not wait for the lease.
            await self._end(actor, number, "broken_off", None)
            raise
        await self._end(actor, number, found.code or "ok", found.stage)
        return found

    async def _begin(self, actor: Actor) -> int:
        rejection: SmtpTestRunning | SmtpTestLimit | None = None
        number = 0
        async with self._database.transaction() as tx:
            await self._store.lock(tx)
            begun, running = await self._store.recent(tx)
            if running:
                rejection = SmtpTestRunning()
            elif begun >= _TESTS_PER_MINUTE:
                rejection = SmtpTestLimit(
                    f"The limit is {_TESTS_PER_MINUTE} tests per minute. Try again in a minute."
                )
            else:
                number = await self._store.begin(tx, lease_seconds=_LEASE_SECONDS)
            if rejection is not None:
                await self._audit.write(tx, actor, "smtp_test", outcome=rejection.code)
        if rejection is not None:
            raise rejection
        return number

    async def _end(self, actor: Actor, number: int, outcome: str, stage: str | None) -> None:
        where = f"{self._settings.host}:{self._settings.port}"
        async with self._database.transaction() as tx:
            await self._store.end(tx, number)
            await self._audit.write(
                tx,
                actor,
                "smtp_test",
                outcome=outcome,
                object_name=where[:255],
                detail={"stage": stage},
            )
