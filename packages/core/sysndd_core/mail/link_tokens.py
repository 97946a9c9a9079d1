"""Tokens of the links in emails: derived when the email is rendered, and stored only as a hash.

``token = HMAC-SHA256(TOKEN_KEY, purpose, id)``, 256 bits. The row of ``account_token`` has the ID,
the purpose and the SHA-256 of the token; the outbox row has the ID. Without ``TOKEN_KEY``, the link
cannot be derived from the database, a backup, Redis or the logs.
"""

import base64
import hashlib
import hmac
from enum import StrEnum

from pydantic import SecretStr


class TokenPurpose(StrEnum):
    """The purpose of a token. A token is not accepted for any other purpose."""

    CONFIRM = "confirm"
    RESET = "reset"
    INVITATION = "invitation"
    EMAIL_OLD = "email_old"
    EMAIL_NEW = "email_new"


def derive(key: SecretStr, purpose: TokenPurpose, token_id: str) -> str:
    """Return the token, 43 characters of base64url.

    Args:
        key: Value of ``TOKEN_KEY``.
        purpose: Purpose that the token is bound to.
        token_id: Primary key of its row.
    """
    message = f"sysndd/account-token/1/{purpose.value}/{token_id}".encode()
    digest = hmac.digest(key.get_secret_value().encode(), message, hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def fingerprint(token: str) -> str:
    """Return the stored form of a token: its SHA-256 in hexadecimal.

    No salt is needed, because the token has 256 bits of entropy.
    """
    return hashlib.sha256(token.encode()).hexdigest()
