"""The mails of an account's life, as rows of the outbox: written with the deed or not at all."""

from sysndd_core.db.database import Transaction
from sysndd_core.mail.link_tokens import TokenPurpose
from sysndd_core.mail.outbox import MailRows, NewMail

_NOTICE_SECONDS = 72 * 3600
"""A notice that is three days late tells nobody anything."""


class AccountMails:
    """Queues mails to accounts; always to the address that is stored, never to the one typed in."""

    def __init__(self, rows: MailRows) -> None:
        self._rows = rows

    async def link(
        self,
        tx: Transaction,
        purpose: TokenPurpose,
        token_id: str,
        *,
        user_id: int,
        user_name: str,
        recipient: str,
        minutes: int,
        **context: object,
    ) -> None:
        """Queue a mail with a link; the row holds the token's id, never the token.

        Args:
            purpose: also the name of the template.
            minutes: for which the link works; later the mail is not sent any more.
            context: further fields of the template.
        """
        values = {"user_name": user_name, "token_id": token_id} | context
        mail = NewMail(
            purpose=purpose.value,
            recipient=recipient,
            template=purpose.value,
            context=values | {"valid_for": _format_duration(minutes)},
            expires_after=minutes * 60,
        )
        await self._rows.enqueue(tx, mail, requested_by=user_id)

    async def notice(
        self, tx: Transaction, template: str, recipient: str, user_name: str, **context: object
    ) -> None:
        """Queue a mail that tells of something, without a link."""
        mail = NewMail(
            purpose=template,
            recipient=recipient,
            template=template,
            context={"user_name": user_name} | context,
            expires_after=_NOTICE_SECONDS,
        )
        await self._rows.enqueue(tx, mail, requested_by=None)

    async def dummy_wake_up(self) -> None:
        """Wake the mailer as a queued mail does: with Redis frozen that takes time, too."""
        await self._rows.announce("nothing")


def _format_duration(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    if rest or hours <= 1:
        return f"{minutes} minutes"
    return f"{hours} hours"
