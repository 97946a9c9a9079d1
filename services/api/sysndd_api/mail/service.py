"""Putting mails into the outbox, seeing what became of them, and stepping in."""

from datetime import UTC, datetime

from sysndd_api.accounts.store import UserStore
from sysndd_api.audit.service import Audit
from sysndd_api.mail.models import MailDetail, MailQuery, MailView
from sysndd_api.mail.store import LockedMail, MailStore
from sysndd_api.security.access import Actor
from sysndd_core.db.database import Database, Transaction
from sysndd_core.errors import MailNotCancellable, MailNotFound, MailNotResendable, NotAllowed
from sysndd_core.mail.outbox import MailRows, MailState, NewMail

CANCELLABLE = frozenset({MailState.QUEUED, MailState.HELD})
# A mail that waits for its next try is tried now. One that was sent is not: the receiver's server
# may drop the second copy by its Message-ID, so whoever needs it again asks for a new one.
RESENDABLE = frozenset({MailState.QUEUED, MailState.HELD, MailState.FAILED, MailState.CANCELLED})


def check_cancellable(state: str) -> None:
    """Raise MailNotCancellable for a mail of a state in which it can't be cancelled."""
    if state not in CANCELLABLE:
        raise MailNotCancellable(f"The mail is {state}.", state=state)


def check_resendable(state: str) -> None:
    """Raise MailNotResendable for a mail of a state in which it can't be sent again."""
    if state not in RESENDABLE:
        raise MailNotResendable(f"The mail is {state}.", state=state)


class Mails:
    """What the API and the command line do with mails.

    Args:
        database: the process's pool.
        rows: the outbox, to put mails into.
        store: the same table, for administrators.
        users: for the address of the administrator who asks for a test mail.
        audit: the audit log.
    """

    def __init__(
        self,
        *,
        database: Database,
        rows: MailRows,
        store: MailStore,
        users: UserStore,
        audit: Audit,
    ) -> None:
        self._database = database
        self._rows = rows
        self._store = store
        self._users = users
        self._audit = audit

    async def queue_test(self, recipient: str, *, requested_by: int | None) -> str:
        """Queue the test mail; return its id."""
        async with self._database.transaction() as tx:
            return await self._rows.enqueue(tx, _test_mail(recipient), requested_by=requested_by)

    async def queue_test_to(self, actor: Actor) -> str:
        """Queue the test mail to the actor's own address; return its id.

        Raises:
            NotAllowed: the actor has no account, hence no address.
        """
        user = await self._users.by_id(actor.user_id) if actor.user_id is not None else None
        if user is None:
            raise NotAllowed("Only an administrator with an account has an address of their own.")
        async with self._database.transaction() as tx:
            mail_id = await self._rows.enqueue(
                tx, _test_mail(user.email), requested_by=actor.user_id
            )
            await self._audit.write(tx, actor, "smtp_test_message", object_name=mail_id)
        return mail_id

    async def page(self, query: MailQuery) -> tuple[list[MailView], int]:
        """List mails, newest first."""
        return await self._store.page(query)

    async def detail(self, mail_id: str) -> MailDetail:
        """Read one mail with its texts.

        Raises:
            MailNotFound.
        """
        mail = await self._store.get(mail_id) if mail_id.isascii() else None
        if mail is None:
            raise MailNotFound()
        return mail

    async def cancel(self, actor: Actor, mail_id: str) -> MailDetail:
        """Cancel a mail that waits or is held.

        Raises:
            MailNotFound, MailNotCancellable.
        """
        async with self._database.transaction() as tx:
            mail = await self._lock(tx, mail_id)
            check_cancellable(mail.state)
            await self._store.cancel(tx, mail_id)
            await self._audit.write(tx, actor, "cancel_mail", object_name=mail_id)
        return await self.detail(mail_id)

    async def resend(self, actor: Actor, mail_id: str) -> MailDetail:
        """Send a mail again, or now: same Message-ID, new tries.

        Raises:
            MailNotFound, MailNotResendable.
        """
        async with self._database.transaction() as tx:
            mail = await self._lock(tx, mail_id)
            check_resendable(mail.state)
            await self._store.resend(tx, mail_id, mail.recipient)
            await self._audit.write(
                tx, actor, "resend_mail", object_name=mail_id, detail={"state": mail.state}
            )
            tx.after_commit(lambda: self._rows.announce(mail_id))
        return await self.detail(mail_id)

    async def _lock(self, tx: Transaction, mail_id: str) -> LockedMail:
        # Also because comparing an ASCII column with other letters is an error to the server (1267).
        mail = await self._store.lock(tx, mail_id) if mail_id.isascii() else None
        if mail is None:
            raise MailNotFound()
        return mail


def _test_mail(recipient: str) -> NewMail:
    requested_at = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    return NewMail("test", recipient, "test", {"requested_at": requested_at})
