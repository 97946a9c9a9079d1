"""Derives the tokens of links while an email is rendered; they are stored only as a hash."""

import hmac

from pydantic import SecretStr

from sysndd_core.db.database import Database
from sysndd_core.errors import SysnddError
from sysndd_core.mail.link_tokens import TokenPurpose, derive, fingerprint


class LinkObsolete(SysnddError):
    """The token was used, was revoked or has expired, so the link would be rejected."""

    code = "link_obsolete"
    title = "Link in the email no longer valid"


class TokenKeyMismatch(SysnddError):
    """The mailer has no ``TOKEN_KEY``, or its value differs from the API's."""

    code = "token_key_mismatch"
    title = "TOKEN_KEY missing or different from the API's"


class Links:
    """Derives tokens.

    Args:
        database: Connection pool of the process.
        key: Value of ``TOKEN_KEY``.
    """

    def __init__(self, database: Database, key: SecretStr | None) -> None:
        self._database = database
        self._key = key

    async def token(self, purpose: TokenPurpose, token_id: str) -> str:
        """Return the token in plain text.

        Args:
            purpose: Purpose that the token is bound to.
            token_id: Primary key of its row.

        Raises:
            LinkObsolete: The token is no longer valid.
            TokenKeyMismatch: The token cannot be derived with this key.
        """
        row = await self._database.fetch_one(
            f"SELECT HEX(token_hash) AS hash FROM {self._database.ops}.account_token"
            " WHERE id = %s AND purpose = %s AND used_at IS NULL AND revoked_at IS NULL"
            " AND expires_at > UTC_TIMESTAMP(6)",
            (token_id, purpose.value),
        )
        if row is None:
            raise LinkObsolete()
        if self._key is None:
            raise TokenKeyMismatch()
        token = derive(self._key, purpose, token_id)
        if not hmac.compare_digest(fingerprint(token), row["hash"].lower()):
            raise TokenKeyMismatch()
        return token
