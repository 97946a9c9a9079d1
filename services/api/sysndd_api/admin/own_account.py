"""One's own account: who I am, my password, my address, my sessions."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.addresses.models import AddressChange
from sysndd_api.admin.pages import SIGN_IN, done, form_of, page
from sysndd_api.credentials import clear_session_cookie, presented_token
from sysndd_api.http import actor_of, context_of
from sysndd_api.recovery.models import PasswordChange
from sysndd_api.sessions.models import SessionView, UserView
from sysndd_core.errors import NotSignedIn

_ACCOUNT = "/account"


async def account_page(request: Request) -> Response:
    """Show one's account and open sessions."""
    actor, context = actor_of(request), context_of(request)
    if actor.user_id is None:
        raise NotSignedIn()
    user = UserView.model_validate(await context.accounts.profile(actor.user_id))
    rows = await context.sessions.of_user(actor.user_id)
    sessions = [SessionView.from_row(row, actor.session_id) for row in rows]
    return page(request, "account/own.html", user=user, sessions=sessions)


async def change_password(request: Request) -> Response:
    """Change one's password; every other session ends."""
    form = await form_of(request, PasswordChange)
    await context_of(request).recovery.change(
        actor_of(request),
        presented_token(request) or "",
        form.old_password.get_secret_value(),
        form.new_password.get_secret_value(),
    )
    return done(_ACCOUNT, "password_changed")


async def change_address(request: Request) -> Response:
    """Ask for another address; a mail goes to both."""
    form = await form_of(request, AddressChange)
    await context_of(request).addresses.request(
        actor_of(request), form.email, form.password.get_secret_value()
    )
    return done(_ACCOUNT, "address_asked")


async def end_session(request: Request) -> Response:
    """End one of one's own sessions."""
    actor, session_id = actor_of(request), request.path_params["session_id"]
    await context_of(request).sessions.end(actor, session_id)
    return _signed_out() if session_id == actor.session_id else done(_ACCOUNT, "sessions_ended")


async def end_sessions(request: Request) -> Response:
    """End every session of one's own, this one too."""
    await context_of(request).sessions.end_all(actor_of(request))
    return _signed_out()


def _signed_out() -> Response:
    answer = done(SIGN_IN, "signed_out")
    clear_session_cookie(answer)
    return answer
