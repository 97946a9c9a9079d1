"""Request and response bodies of registration and confirmation."""

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from sysndd_api.security.access import Account
from sysndd_api.web.models import RequestModel
from sysndd_core.accounts import Realm
from sysndd_core.addresses import email_address


def _visible(text: str) -> str:
    text = unicodedata.normalize("NFC", text).strip()
    if any(unicodedata.category(one)[0] == "C" for one in text):
        raise ValueError("contains an invisible character")
    return text


def user_name(text: str) -> str:
    """Validate a user name; return it in the form in which it is stored."""
    text = _visible(text)
    # Sign-in accepts names and addresses, so a name must not look like another account's address.
    if "@" in text or len(text) < 2:
        raise ValueError("must have at least two characters and no @")
    return text


def _orcid(text: str) -> str:
    digits = text.replace("-", "")
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    # ISO 7064, MOD 11-2, as ORCID specifies it.
    if "0123456789X"[(12 - total % 11) % 11] != digits[-1]:
        raise ValueError("wrong check digit")
    return text


Email = Annotated[str, Field(max_length=254), AfterValidator(email_address)]
Line = Annotated[str, Field(max_length=100), AfterValidator(_visible)]
Password = Annotated[SecretStr, Field(min_length=1, max_length=128)]
Token = Annotated[SecretStr, Field(min_length=1, max_length=128)]


class RegisterRequest(RequestModel):
    """A new account; all fields from ``first_name`` on are optional."""

    user_name: Annotated[str, Field(max_length=64), AfterValidator(user_name)]
    email: Email
    password: Password
    first_name: Line | None = None
    family_name: Line | None = None
    orcid: (
        Annotated[
            str,
            Field(pattern=r"^[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{3}[0-9X]$"),
            AfterValidator(_orcid),
        ]
        | None
    ) = None
    comment: str | None = Field(None, max_length=2000)


class EmailRequest(RequestModel):
    """The address that requests an email."""

    email: Email


class TokenRequest(RequestModel):
    """The token of a link."""

    token: Token


class UserView(BaseModel):
    """An account as its owner sees it.

    Attributes:
        realm: Whether it belongs to an operator or to a user of the site.
        user_id: ID within the realm.
    """

    realm: Realm
    user_id: int
    user_name: str
    email: str
    role: str
    state: str

    @classmethod
    def of(cls, account: Account) -> "UserView":
        """Build it from an account."""
        return cls(
            realm=account.key.realm,
            user_id=account.key.id,
            user_name=account.user_name,
            email=account.email,
            role=account.role.value,
            state=account.state,
        )


class MailAccepted(BaseModel):
    """The same response for every address, known or unknown."""

    status: Literal["accepted"] = "accepted"
    detail: str = "If this address is eligible for the requested email, the email is on its way."


class Confirmed(BaseModel):
    """The state of the account after the confirmation."""

    status: Literal["active", "awaiting_approval", "already_active"]
