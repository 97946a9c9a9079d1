"""Sign-in, registration and the links in emails, for everyone."""

import re

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.accounts.models import EmailRequest, RegisterRequest, TokenRequest
from sysndd_api.accounts.service import Accounts
from sysndd_api.email_change.service import EmailChanges
from sysndd_api.pages.page_route import (
    SIGN_IN,
    Form,
    PageParameters,
    form_of,
    page,
    page_query_of,
    redirect_with_notice,
)
from sysndd_api.pages.rendering import redirect
from sysndd_api.password_reset.models import ResetRequest
from sysndd_api.password_reset.service import PasswordReset
from sysndd_api.security.credentials import clear_session_cookie, set_session_cookie
from sysndd_api.sessions.service import Sessions
from sysndd_api.web.http import actor_of, remote_of, service, token_of

MAIL_SENT = "/account/mail-sent"

# Only this site: not `//other.example`, not `/\other.example`, no scheme.
_LOCAL_PATH = re.compile(r"/(admin|account)(/[A-Za-z0-9._~/-]*)?")


class SignInQuery(PageParameters):
    """The page to open after the sign-in."""

    next: str = ""


class SignInForm(Form):
    """User name or email address, and password."""

    login: str = ""
    password: SecretStr = SecretStr("")
    next: str = ""


class LinkQuery(PageParameters):
    """The token of an emailed link; GET does not consume it, because email scanners open links."""

    token: str = ""


async def sign_in_page(request: Request) -> Response:
    """Show the sign-in form."""
    return page(
        request, "account/sign_in.html", next=_local_path(page_query_of(request, SignInQuery).next)
    )


async def sign_in(request: Request) -> Response:
    """Create a session and set its cookie."""
    form = await form_of(request, SignInForm)
    signed_in = await service(request, Sessions).sign_in(
        form.login[:254],
        form.password.get_secret_value()[:128],
        remote=remote_of(request),
        user_agent=request.headers.get("user-agent"),
    )
    home = "/admin" if signed_in.operator_role is not None else "/account"
    response = redirect(_local_path(form.next) or home)
    set_session_cookie(response, signed_in.token, signed_in.expires_at)
    return response


async def sign_out(request: Request) -> Response:
    """End the current session."""
    await service(request, Sessions).sign_out(actor_of(request), token_of(request))
    response = redirect_with_notice(SIGN_IN, "signed_out")
    clear_session_cookie(response)
    return response


async def register_page(request: Request) -> Response:
    """Show the registration form."""
    return page(request, "account/register.html")


async def register(request: Request) -> Response:
    """Register an account and send an email with a confirmation link."""
    form = await form_of(request, RegisterRequest)
    await service(request, Accounts).register(form, remote=remote_of(request))
    return redirect(MAIL_SENT)


async def mail_sent_page(request: Request) -> Response:
    """Report that an email was sent; the text is the same for every address."""
    return page(request, "account/mail_sent.html")


async def confirm_page(request: Request) -> Response:
    """Show the button that confirms an address, or the form that resends the link."""
    return page(
        request, "account/confirm.html", token=page_query_of(request, LinkQuery).token, outcome=None
    )


async def confirm(request: Request) -> Response:
    """Confirm an address with the token of its link."""
    form = await form_of(request, TokenRequest)
    status = await service(request, Accounts).confirm(
        form.token.get_secret_value(), remote=remote_of(request)
    )
    return page(request, "account/confirm.html", token="", outcome=status)


async def resend(request: Request) -> Response:
    """Resend the link that confirms an address."""
    form = await form_of(request, EmailRequest)
    await service(request, Accounts).resend(form.email, remote=remote_of(request))
    return redirect(MAIL_SENT)


async def reset_page(request: Request) -> Response:
    """Show the form that requests a password reset or, with a link, sets the new password."""
    return page(request, "account/reset.html", token=page_query_of(request, LinkQuery).token)


async def request_reset(request: Request) -> Response:
    """Send an email with a password reset link."""
    form = await form_of(request, EmailRequest)
    await service(request, PasswordReset).request(form.email, remote=remote_of(request))
    return redirect(MAIL_SENT)


async def reset(request: Request) -> Response:
    """Set a new password with the token of the link; all sessions end."""
    form = await form_of(request, ResetRequest)
    await service(request, PasswordReset).reset(
        form.token.get_secret_value(), form.password.get_secret_value(), remote=remote_of(request)
    )
    response = redirect_with_notice(SIGN_IN, "password_reset")
    clear_session_cookie(response)
    return response


async def email_change_page(request: Request) -> Response:
    """Show the button that confirms an email change."""
    return page(
        request,
        "account/email_change.html",
        token=page_query_of(request, LinkQuery).token,
        outcome=None,
    )


async def confirm_email_change(request: Request) -> Response:
    """Confirm an email change with the token of either link."""
    form = await form_of(request, TokenRequest)
    status = await service(request, EmailChanges).confirm(
        form.token.get_secret_value(), remote=remote_of(request)
    )
    return page(request, "account/email_change.html", token="", outcome=status)


def _local_path(address: str) -> str:
    return address if _LOCAL_PATH.fullmatch(address) else ""
