"""Bodies and replies of a change of address."""

from typing import Literal

from pydantic import BaseModel

from sysndd_api.accounts.models import Email, Password
from sysndd_api.web.models import RequestModel


class EmailChangeRequest(RequestModel):
    """The new address, and the present password."""

    email: Email
    password: Password


class EmailChangeConfirmed(BaseModel):
    """Whether the address has changed, or the other mailbox is still to agree."""

    status: Literal["changed", "waiting_for_the_other"]
