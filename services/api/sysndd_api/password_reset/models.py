"""Request bodies of the password reset and the password change."""

from sysndd_api.accounts.models import Password, Token
from sysndd_api.web.models import RequestModel


class ResetRequest(RequestModel):
    """The token of the link, and the new password."""

    token: Token
    password: Password


class PasswordChange(RequestModel):
    """The current password and the new one."""

    old_password: Password
    new_password: Password
