"""Emails of the account flows, queued in the transaction of the change that they report."""

from sysndd_core.accounts import AccountKey
from sysndd_core.db.database import Transaction
from sysndd_core.mail.link_tokens import TokenPurpose
from sysndd_core.mail.outbox import MailRows, NewMail

_NOTICE_SECONDS = 72 * 3600
"""A notice that is later than this is no longer useful."""


class AccountMails:
    """Queues emails to accounts, always to the stored address, never to the submitted one."""

    def __init__(self, rows: MailRows) -> None:
        self._rows = rows

    async def link(
        self,
        tx: Transaction,
        purpose: TokenPurpose,
        token_id: str,
        *,
        key: AccountKey,
        user_name: str,
        recipient: str,
        minutes: int,
        **context: object,
    ) -> None:
        """Queue an email with a link; the row contains the token's ID, never the token.

        Args:
            tx: The transaction.
            purpose: Purpose of the token, and name of the template.
            token_id: ID of the token.
            key: The account.
            user_name: Name of the account.
            recipient: The address.
            minutes: How long the link is valid; the email is not sent later.
            context: Further fields of the template.
        """
        values = {"user_name": user_name, "token_id": token_id} | context
        mail = NewMail(
            purpose=purpose.value,
            recipient=recipient,
            template=purpose.value,
            context=values | {"valid_for": _format_duration(minutes)},
            expires_after=minutes * 60,
        )
        await self._rows.enqueue(tx, mail, requested_by=key)

    async def notice(
        self, tx: Transaction, template: str, recipient: str, user_name: str, **context: object
    ) -> None:
        """Queue a notice: an email without a link."""
        mail = NewMail(
            purpose=template,
            recipient=recipient,
            template=template,
            context={"user_name": user_name} | context,
            expires_after=_NOTICE_SECONDS,
        )
        await self._rows.enqueue(tx, mail, requested_by=None)

    async def dummy_wake_up(self) -> None:
        """Publish a wake-up for no job, so that both paths take equally long if Redis is frozen."""
        await self._rows.announce("nothing")


def _format_duration(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    if rest or hours <= 1:
        return f"{minutes} minutes"
    return f"{hours} hours"
