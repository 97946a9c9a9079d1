"""Job rows and mail rows: written in the caller's transaction, announced after its commit."""

import json
import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import make_msgid
from enum import StrEnum
from typing import Any

import pymysql.err
from structlog.contextvars import get_contextvars

from sysndd_core.database import Database, Row, Transaction
from sysndd_core.errors import JobNotCancellable, JobNotFound, OperationInProgress
from sysndd_core.job_outcomes import JobOutcomes
from sysndd_core.jobs import Job, Queue
from sysndd_core.leases import LEASE_SECONDS, Claim, LeasedTable
from sysndd_core.queue import WakeUp

_MAIL_ATTEMPTS = 200
"""Its expiry ends a mail; this only ends one that takes its mailer down each time."""

_JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class JobState(StrEnum):
    """A job's life; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class MailState(StrEnum):
    """A mail's life; the last three are final, and ``held`` waits for a person."""

    QUEUED = "queued"
    RUNNING = "running"
    HELD = "held"
    SENT = "sent"
    DEAD = "dead"
    CANCELLED = "cancelled"


def utc(value: datetime | None) -> datetime | None:
    """Mark a DATETIME column's value, which is UTC by contract, as such."""
    return value.replace(tzinfo=UTC) if value is not None else None


class JobRows(LeasedTable):
    """The ``job`` table.

    Args:
        database: the process's pool.
        wake_up: how workers are told.
        queue: the queue a worker claims from; None for those who only write and read.
    """

    # A job's page shows them.
    keeps_log_lines = True

    def __init__(self, database: Database, wake_up: WakeUp, queue: Queue | None = None) -> None:
        super().__init__(database, table="job", exhausted=JobState.FAILED)
        self.outcomes = JobOutcomes(database)
        self._wake_up = wake_up
        if queue is not None:
            self.queue = queue

    def _due(self) -> tuple[str, tuple[Any, ...]]:
        return "queue = %s", (self.queue.value,)

    async def submit(self, tx: Transaction, job: Job, *, requested_by: int | None) -> str:
        """Write a job's row; its worker is woken once the transaction has committed.

        Args:
            tx: the caller's transaction: the row appears with the rest of it or not at all.
            job: what to do.
            requested_by: user id, or None for the system itself.

        Returns:
            The job's id.

        Raises:
            OperationInProgress: a job with the same ``active_key`` is queued or running.
        """
        job_id = str(uuid.uuid4())
        try:
            await tx.execute(
                f"INSERT INTO {self.table} (id, kind, queue, payload, active_key, max_attempts,"
                " run_after, requested_by, request_id, created_at) VALUES"
                " (%s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6), %s, %s, UTC_TIMESTAMP(6))",
                (job_id, job.job_kind, job.queue.value, job.model_dump_json(), job.active_key,
                 job.max_attempts, requested_by, get_contextvars().get("request_id")),
            )  # fmt: skip
        except pymysql.err.IntegrityError as error:
            active = await tx.fetch_one(
                f"SELECT id FROM {self.table} WHERE active_slot = %s", (job.active_key,)
            )
            # The other may have ended between our two statements; its name is all that is lost.
            raise OperationInProgress(active["id"] if active else "unknown") from error
        tx.after_commit(lambda: self._wake_up.announce(job.queue, job_id))
        return job_id

    async def check_free(self, tx: Transaction, active_key: str | None) -> None:
        """Make sure that no job with this ``active_key`` is queued or running.

        Raises:
            OperationInProgress: one is; carries its id.
        """
        active = await tx.fetch_one(
            f"SELECT id FROM {self.table} WHERE active_slot = %s", (active_key,)
        )
        if active is not None:
            raise OperationInProgress(active["id"])

    async def get(self, job_id: str) -> Row:
        """Read one row.

        Raises:
            JobNotFound: there is none with that id.
        """
        _check_id(job_id)
        row = await self.database.fetch_one(f"SELECT * FROM {self.table} WHERE id = %s", (job_id,))
        if row is None:
            raise JobNotFound()
        return row

    async def page(self, *, limit: int, offset: int) -> tuple[list[Row], int]:
        """Read rows, newest first, with the number of all rows."""
        async with self.database.connection() as connection:
            total = await connection.fetch_one(f"SELECT COUNT(*) AS n FROM {self.table}")
            rows = await connection.fetch_all(
                f"SELECT * FROM {self.table} ORDER BY created_at DESC, id LIMIT %s OFFSET %s",
                (limit, offset),
            )
        return rows, int(total["n"]) if total else 0

    async def request_cancel(self, tx: Transaction, job_id: str) -> None:
        """Cancel a queued job at once; ask the worker of a running one to break it off.

        Raises:
            JobNotFound: there is none with that id.
            JobNotCancellable: it has ended already.
        """
        _check_id(job_id)
        row = await tx.fetch_one(
            f"SELECT state FROM {self.table} WHERE id = %s FOR UPDATE", (job_id,)
        )
        if row is None:
            raise JobNotFound()
        if row["state"] == JobState.QUEUED:
            await tx.execute(
                f"UPDATE {self.table} SET state = 'cancelled', finished_at = UTC_TIMESTAMP(6)"
                " WHERE id = %s",
                (job_id,),
            )
        elif row["state"] == JobState.RUNNING:
            await tx.execute(
                f"UPDATE {self.table} SET cancel_requested = 1 WHERE id = %s", (job_id,)
            )
        else:
            raise JobNotCancellable()

    async def cancel_requested(self, claim: Claim) -> bool:
        """Tell whether somebody asked for this running job to be cancelled."""
        row = await self.database.fetch_one(
            f"SELECT cancel_requested FROM {self.table} WHERE id = %s", (claim.id,)
        )
        return bool(row and row["cancel_requested"])

    async def progress(self, claim: Claim, *, step: str, percent: int, message: str) -> None:
        """Show where a running job is; also renews its lease.

        Raises:
            LeaseLost: the row is no longer ours: stop before doing anything that can be seen.
        """
        await self.write(
            claim,
            "step = %s, percent = %s, message = %s,"
            " lease_until = UTC_TIMESTAMP(6) + INTERVAL %s SECOND",
            (step, max(0, min(100, percent)), message[:500], LEASE_SECONDS),
        )

    async def reclaim(self) -> int:
        """Take rows from workers whose lease ran out; note in the audit log what has ended."""
        reclaimed = await super().reclaim()
        await self.outcomes.write()
        return reclaimed

    async def succeed(self, claim: Claim, result: dict[str, Any]) -> None:
        """Close a job with its result."""
        await self.end(
            claim, JobState.SUCCEEDED, "percent = 100, result = %s", json.dumps(result, default=str)
        )

    async def fail(self, claim: Claim, code: str, error: str) -> None:
        """Close a job that failed, with the stable code and a sentence for the operator."""
        await self.end(claim, JobState.FAILED, "error_code = %s, error = %s", code, error[:2000])

    def _lost_columns(self, last: str) -> str:
        return (
            f" error_code = IF({last}, 'worker_lost', NULL),"
            f" error = IF({last}, 'The worker stopped in the middle of the job.', NULL),"
        )


def _check_id(job_id: str) -> None:
    # Also because comparing an ASCII column with other letters is an error to the server (1267).
    if _JOB_ID.fullmatch(job_id) is None:
        raise JobNotFound()


class OnUnknownOutcome(StrEnum):
    """What to do when the content was sent and no answer came (RFC 5321, section 4.5.3.2.6)."""

    RESEND = "resend"
    HOLD = "hold"


@dataclass(frozen=True)
class NewMail:
    """A mail to be sent.

    Attributes:
        purpose: why it is sent, such as ``test``.
        recipient: exactly one address.
        template: folder below the mailer's ``templates/``.
        context: the template's typed fields as JSON values; never a live token.
        expires_after: seconds after which it is cancelled, because its link is dead by then.
        on_doubt: security mails are sent again under the same Message-ID: twice is better than
            never. Others wait for a person.
    """

    purpose: str
    recipient: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)
    expires_after: int = 48 * 3600
    on_doubt: OnUnknownOutcome = OnUnknownOutcome.RESEND


class MailRows(LeasedTable):
    """The ``mail`` table: the outbox, as those see it who put mails in. Sending is the mailer's."""

    queue = Queue.MAIL

    def __init__(self, database: Database, wake_up: WakeUp, *, domain: str) -> None:
        super().__init__(database, table="mail", exhausted=MailState.DEAD)
        self._wake_up = wake_up
        self._domain = domain

    def _due(self) -> tuple[str, tuple[Any, ...]]:
        return "(expires_at IS NULL OR expires_at > UTC_TIMESTAMP(6))", ()

    async def enqueue(self, tx: Transaction, mail: NewMail, *, requested_by: int | None) -> str:
        """Write a mail's row; the mailer is woken once the transaction has committed.

        The Message-ID is fixed here: after a broken DATA nobody can know whether the server took
        the mail, and a resend that repeats the id lets the receiver drop the second copy.

        Args and returns: as ``JobRows.submit``.
        """
        mail_id = str(uuid.uuid4())
        await tx.execute(
            f"INSERT INTO {self.table} (id, purpose, recipient, template, context, message_id,"
            " max_attempts, run_after, expires_at, on_doubt, requested_by, request_id, created_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6),"
            " UTC_TIMESTAMP(6) + INTERVAL %s SECOND, %s, %s, %s, UTC_TIMESTAMP(6))",
            (mail_id, mail.purpose, mail.recipient, mail.template, json.dumps(mail.context),
             make_msgid(domain=self._domain), _MAIL_ATTEMPTS, mail.expires_after,
             mail.on_doubt.value, requested_by, get_contextvars().get("request_id")),
        )  # fmt: skip
        tx.after_commit(lambda: self.announce(mail_id))
        return mail_id

    async def announce(self, mail_id: str) -> None:
        """Wake the mailers; never raises."""
        await self._wake_up.announce(Queue.MAIL, mail_id)

    async def get(self, mail_id: str) -> Row | None:
        """Read one row, or None."""
        if _JOB_ID.fullmatch(mail_id) is None:
            return None
        return await self.database.fetch_one(
            f"SELECT * FROM {self.table} WHERE id = %s", (mail_id,)
        )

    async def depth(self) -> Row:
        """Count as ``LeasedTable.depth``, and ``held`` and ``dead``."""
        row = await super().depth()
        more = await self.database.fetch_one(
            "SELECT COALESCE(SUM(state = 'held'), 0) AS held,"
            f" COALESCE(SUM(state = 'dead'), 0) AS dead FROM {self.table}"
            " WHERE state IN ('held', 'dead')"
        )
        assert more is not None
        return row | {"held": int(more["held"]), "dead": int(more["dead"])}
