"""Signing in and out."""

import re

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.admin.pages import SIGN_IN, Form, View, done, form_of, page, view_of
from sysndd_api.admin.rendering import go_to
from sysndd_api.credentials import clear_session_cookie, presented_token, set_session_cookie
from sysndd_api.http import actor_of, context_of, remote_of

# Only addresses of ours: not `//other.example`, not `/\other.example`, nothing with a scheme.
_OURS = re.compile(r"/(admin|account)(/[A-Za-z0-9._~/-]*)?")


class _SignInView(View):
    next: str = ""


class _SignInForm(Form):
    login: str = ""
    password: SecretStr = SecretStr("")
    next: str = ""


async def sign_in_page(request: Request) -> Response:
    """Ask for name and password."""
    view = view_of(request, _SignInView)
    form = getattr(request.state, "form", None)
    return page(
        request,
        "account/sign_in.html",
        login=form.login if form else "",
        next=_safe(form.next if form else view.next),
    )


async def sign_in(request: Request) -> Response:
    """Open a session and give the browser its cookie."""
    form = request.state.form = await form_of(request, _SignInForm)
    signed_in = await context_of(request).sessions.sign_in(
        form.login[:254],
        form.password.get_secret_value(),
        remote=remote_of(request),
        user_agent=request.headers.get("user-agent"),
    )
    home = "/admin" if signed_in.user["role"] == "Administrator" else "/account"
    answer = go_to(_safe(form.next) or home)
    set_session_cookie(answer, signed_in.token, signed_in.expires_at)
    return answer


async def sign_out(request: Request) -> Response:
    """End this session."""
    await context_of(request).sessions.sign_out(actor_of(request), presented_token(request) or "")
    answer = done(SIGN_IN, "signed_out")
    clear_session_cookie(answer)
    return answer


def _safe(address: str) -> str:
    return address if _OURS.fullmatch(address) else ""
