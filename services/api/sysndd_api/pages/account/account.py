"""Signing in and out, registering, and the links of mails: for everyone."""

import re

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.accounts.models import EmailRequest, RegisterRequest, TokenRequest
from sysndd_api.accounts.service import Accounts
from sysndd_api.email_change.service import EmailChanges
from sysndd_api.pages.page_route import SIGN_IN, Form, View, done, form_of, page, view_of
from sysndd_api.pages.rendering import redirect
from sysndd_api.password_reset.models import ResetRequest
from sysndd_api.password_reset.service import PasswordReset
from sysndd_api.security.access import Role
from sysndd_api.security.credentials import clear_session_cookie, set_session_cookie
from sysndd_api.sessions.service import Sessions
from sysndd_api.web.http import actor_of, remote_of, service, token_of

MAIL_SENT = "/account/mail-sent"

# Only addresses of ours: not `//other.example`, not `/\other.example`, nothing with a scheme.
_OURS = re.compile(r"/(admin|account)(/[A-Za-z0-9._~/-]*)?")


class SignInView(View):
    """Where to go afterwards."""

    next: str = ""


class SignInForm(Form):
    """Name and password."""

    login: str = ""
    password: SecretStr = SecretStr("")
    next: str = ""


class LinkView(View):
    """The token of a mailed link. Looking at the page does not use it up: mail scanners look too."""

    token: str = ""


async def sign_in_page(request: Request) -> Response:
    """Ask for name and password."""
    return page(request, "account/sign_in.html", next=_safe(view_of(request, SignInView).next))


async def sign_in(request: Request) -> Response:
    """Open a session and give the browser its cookie."""
    form = await form_of(request, SignInForm)
    signed_in = await service(request, Sessions).sign_in(
        form.login[:254],
        form.password.get_secret_value()[:128],
        remote=remote_of(request),
        user_agent=request.headers.get("user-agent"),
    )
    home = "/admin" if signed_in.user.role is Role.ADMINISTRATOR else "/account"
    answer = redirect(_safe(form.next) or home)
    set_session_cookie(answer, signed_in.token, signed_in.expires_at)
    return answer


async def sign_out(request: Request) -> Response:
    """End this session."""
    await service(request, Sessions).sign_out(actor_of(request), token_of(request))
    answer = done(SIGN_IN, "signed_out")
    clear_session_cookie(answer)
    return answer


async def register_page(request: Request) -> Response:
    """Ask for what an account needs."""
    return page(request, "account/register.html")


async def register(request: Request) -> Response:
    """Register an account; a mail with a link follows."""
    form = await form_of(request, RegisterRequest)
    await service(request, Accounts).register(form, remote=remote_of(request))
    return redirect(MAIL_SENT)


async def mail_sent_page(request: Request) -> Response:
    """Say that a mail follows if it can; the same for every address."""
    return page(request, "account/mail_sent.html")


async def confirm_page(request: Request) -> Response:
    """Offer the button that confirms an address, or to send its link once more."""
    return page(
        request, "account/confirm.html", token=view_of(request, LinkView).token, outcome=None
    )


async def confirm(request: Request) -> Response:
    """Confirm an address by the token of its link."""
    form = await form_of(request, TokenRequest)
    status = await service(request, Accounts).confirm(
        form.token.get_secret_value(), remote=remote_of(request)
    )
    return page(request, "account/confirm.html", token="", outcome=status)


async def resend(request: Request) -> Response:
    """Send the link that confirms an address once more."""
    form = await form_of(request, EmailRequest)
    await service(request, Accounts).resend(form.email, remote=remote_of(request))
    return redirect(MAIL_SENT)


async def reset_page(request: Request) -> Response:
    """Ask for the address that a link is wanted for, or, with a link, for the new password."""
    return page(request, "account/reset.html", token=view_of(request, LinkView).token)


async def request_reset(request: Request) -> Response:
    """Ask for a mail with a link to a new password."""
    form = await form_of(request, EmailRequest)
    await service(request, PasswordReset).request(form.email, remote=remote_of(request))
    return redirect(MAIL_SENT)


async def reset(request: Request) -> Response:
    """Choose a new password by the token of the link; every session ends."""
    form = await form_of(request, ResetRequest)
    await service(request, PasswordReset).reset(
        form.token.get_secret_value(), form.password.get_secret_value(), remote=remote_of(request)
    )
    answer = done(SIGN_IN, "password_reset")
    clear_session_cookie(answer)
    return answer


async def address_page(request: Request) -> Response:
    """Offer the button that agrees to a change of address."""
    return page(
        request, "account/address.html", token=view_of(request, LinkView).token, outcome=None
    )


async def confirm_address(request: Request) -> Response:
    """Agree to a change of address by the token of either link."""
    form = await form_of(request, TokenRequest)
    status = await service(request, EmailChanges).confirm(
        form.token.get_secret_value(), remote=remote_of(request)
    )
    return page(request, "account/address.html", token="", outcome=status)


def _safe(address: str) -> str:
    return address if _OURS.fullmatch(address) else ""
