"""Request and response bodies of the email change."""

from typing import Literal

from pydantic import BaseModel

from sysndd_api.accounts.models import Email, Password
from sysndd_api.web.models import RequestModel


class EmailChangeRequest(RequestModel):
    """The new address, and the current password."""

    email: Email
    password: Password


class EmailChangeConfirmed(BaseModel):
    """Whether the address was changed, or the other address must still confirm it."""

    status: Literal["changed", "waiting_for_the_other"]
