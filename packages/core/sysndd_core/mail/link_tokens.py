"""Links that are never at rest: a token is derived when its mail is rendered, and stored hashed.

``token = HMAC-SHA256(TOKEN_KEY, purpose, id)``, 256 bits. The row of ``account_token`` holds id,
purpose and SHA-256 of the token; the outbox row holds the id. Who has the database, a backup, Redis
and the logs, but not the key, can't make the link.
"""

import base64
import hashlib
import hmac
from enum import StrEnum

from pydantic import SecretStr


class TokenPurpose(StrEnum):
    """What a token is good for; it is good for nothing else."""

    CONFIRM = "confirm"
    RESET = "reset"
    EMAIL_OLD = "email_old"
    EMAIL_NEW = "email_new"


def derive(key: SecretStr, purpose: TokenPurpose, token_id: str) -> str:
    """Return the token in clear, 43 characters of base64url.

    Args:
        key: ``TOKEN_KEY``.
        purpose: bound into the token.
        token_id: primary key of its row.
    """
    message = f"sysndd/account-token/1/{purpose.value}/{token_id}".encode()
    digest = hmac.digest(key.get_secret_value().encode(), message, hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def fingerprint(token: str) -> str:
    """Return what is stored of a token: SHA-256, in hexadecimal.

    The token has 256 bits of its own, so no salt is needed.
    """
    return hashlib.sha256(token.encode()).hexdigest()
