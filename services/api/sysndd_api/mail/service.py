"""Queues test emails, and lists, cancels and resends emails."""

from datetime import UTC, datetime

from sysndd_api.accounts.people import People
from sysndd_api.audit.service import Audit
from sysndd_api.mail.models import MailDetail, MailQuery, MailView
from sysndd_api.mail.store import LockedMail, MailStore
from sysndd_api.security.access import Actor
from sysndd_core.accounts import AccountKey
from sysndd_core.db.database import Database, Transaction
from sysndd_core.errors import MailNotCancellable, MailNotFound, MailNotResendable, NotAllowed
from sysndd_core.mail.outbox import MailRows, MailState, NewMail

CANCELLABLE = frozenset({MailState.QUEUED, MailState.HELD})
# A queued email is sent now instead of at its next attempt. A sent one is not resent: the
# recipient's server may discard the duplicate by its Message-ID.
RESENDABLE = frozenset({MailState.QUEUED, MailState.HELD, MailState.FAILED, MailState.CANCELLED})


def check_cancellable(state: str) -> None:
    """Raise MailNotCancellable if an email in this state cannot be cancelled."""
    if state not in CANCELLABLE:
        raise MailNotCancellable(f"The email is {state}.", state=state)


def check_resendable(state: str) -> None:
    """Raise MailNotResendable if an email in this state cannot be resent."""
    if state not in RESENDABLE:
        raise MailNotResendable(f"The email is {state}.", state=state)


class Mails:
    """Administration of emails, for the API and the command line.

    Args:
        database: The connection pool.
        rows: The outbox, to queue emails.
        store: The same table, for administrators.
        people: For the actor's own address.
        audit: The audit log.
    """

    def __init__(
        self,
        *,
        database: Database,
        rows: MailRows,
        store: MailStore,
        people: People,
        audit: Audit,
    ) -> None:
        self._database = database
        self._rows = rows
        self._store = store
        self._people = people
        self._audit = audit

    async def queue_test(self, recipient: str, *, requested_by: AccountKey | None) -> str:
        """Queue a test email; return its ID."""
        async with self._database.transaction() as tx:
            return await self._rows.enqueue(tx, _test_mail(recipient), requested_by=requested_by)

    async def queue_test_to(self, actor: Actor) -> str:
        """Queue a test email to the actor's own address; return its ID.

        Raises:
            NotAllowed: The actor has no account, and therefore no address.
        """
        user = await self._people.by_key(actor.key)
        if user is None:
            raise NotAllowed("The command line has no account, and therefore no address.")
        async with self._database.transaction() as tx:
            mail_id = await self._rows.enqueue(tx, _test_mail(user.email), requested_by=actor.key)
            await self._audit.write(tx, actor, "smtp_test_message", object_name=mail_id)
        return mail_id

    async def page(self, query: MailQuery) -> tuple[list[MailView], int]:
        """Return one page of emails, newest first, and the number of all that match."""
        return await self._store.page(query)

    async def detail(self, mail_id: str) -> MailDetail:
        """Return one email with its rendered text.

        Raises:
            MailNotFound: No email has this ID.
        """
        mail = await self._store.get(mail_id) if mail_id.isascii() else None
        if mail is None:
            raise MailNotFound()
        return mail

    async def cancel(self, actor: Actor, mail_id: str) -> MailDetail:
        """Cancel a queued or held email.

        Raises:
            MailNotFound: No email has this ID.
            MailNotCancellable: It is in another state.
        """
        async with self._database.transaction() as tx:
            mail = await self._lock(tx, mail_id)
            check_cancellable(mail.state)
            await self._store.cancel(tx, mail_id)
            await self._audit.write(tx, actor, "cancel_mail", object_name=mail_id)
        return await self.detail(mail_id)

    async def resend(self, actor: Actor, mail_id: str) -> MailDetail:
        """Resend an email, or send a queued one now, with the same Message-ID.

        Raises:
            MailNotFound: No email has this ID.
            MailNotResendable: It is running or was sent.
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
        # The server rejects a comparison of an ASCII column with other characters (error 1267).
        mail = await self._store.lock(tx, mail_id) if mail_id.isascii() else None
        if mail is None:
            raise MailNotFound()
        return mail


def _test_mail(recipient: str) -> NewMail:
    requested_at = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    return NewMail("test", recipient, "test", {"requested_at": requested_at})
