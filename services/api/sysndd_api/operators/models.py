"""Request and response bodies for the administration of operators."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from sysndd_api.accounts.models import Email, user_name
from sysndd_api.security.access import OperatorRole
from sysndd_api.web.models import PageQuery, RequestModel
from sysndd_core.db.database import Row, utc

OperatorState = Literal["invited", "active", "disabled"]


class OperatorQuery(PageQuery):
    """Filters of the list; ``search`` matches user name and address."""

    search: str | None = Field(None, max_length=100)
    role: OperatorRole | None = None
    state: OperatorState | None = None


class NewOperator(RequestModel):
    """An operator to invite by email."""

    user_name: Annotated[str, Field(max_length=64), AfterValidator(user_name)]
    email: Email
    role: OperatorRole


class OperatorChange(RequestModel):
    """What to change of an operator; an omitted field stays as it is."""

    role: OperatorRole | None = None
    state: Literal["active", "disabled"] | None = None
    email: Email | None = None


class OperatorView(BaseModel):
    """An operator without the password.

    Attributes:
        remark: What an administrator should know about the account, or None.
    """

    operator_id: int
    user_name: str
    email: str
    role: OperatorRole
    state: OperatorState
    created_at: datetime
    last_login_at: datetime | None
    remark: str | None = None

    @classmethod
    def from_row(cls, row: Row) -> "OperatorView":
        """Build it from a row of the table ``operator``."""
        times = {name: utc(row[name]) for name in ("created_at", "last_login_at")}
        return cls.model_validate(row | times)
