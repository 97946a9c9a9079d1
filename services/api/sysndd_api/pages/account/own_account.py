"""One's own account: who I am, my password, my address, my sessions."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.email_change.models import EmailChangeRequest
from sysndd_api.email_change.service import EmailChanges
from sysndd_api.pages.confirm_dialog import ConfirmDialog, confirm
from sysndd_api.pages.page_route import SIGN_IN, done, form_of, page
from sysndd_api.password_reset.models import PasswordChange
from sysndd_api.password_reset.service import PasswordReset
from sysndd_api.security.credentials import clear_session_cookie
from sysndd_api.sessions.models import SessionView
from sysndd_api.sessions.service import Sessions
from sysndd_api.users.service import Users
from sysndd_api.web.http import actor_of, service, token_of
from sysndd_core.errors import NotSignedIn, SessionNotFound

_ACCOUNT = "/account"
_SIGN_IN_ANEW = (
    "It can't be opened again; whoever knows the password signs in anew. If that may be somebody"
    " else, change the password: that ends every other session, too."
)


async def account_page(request: Request) -> Response:
    """Show one's profile and open sessions."""
    user_id = actor_of(request).user_id
    if user_id is None:
        raise NotSignedIn()
    user = await service(request, Users).get(str(user_id))
    return page(request, "account/own.html", user=user, sessions=await _own_sessions(request))


async def change_password(request: Request) -> Response:
    """Change one's password; every other session ends."""
    form = await form_of(request, PasswordChange)
    await service(request, PasswordReset).change(
        actor_of(request),
        token_of(request),
        form.old_password.get_secret_value(),
        form.new_password.get_secret_value(),
    )
    return done(_ACCOUNT, "password_changed")


async def change_address(request: Request) -> Response:
    """Ask for another address; a mail goes to both."""
    form = await form_of(request, EmailChangeRequest)
    await service(request, EmailChanges).request(
        actor_of(request), form.email, form.password.get_secret_value()
    )
    return done(_ACCOUNT, "address_asked")


async def confirm_end_session(request: Request) -> Response:
    """Ask before one of one's own sessions ends.

    Raises:
        SessionNotFound: it has ended already, or is somebody else's.
    """
    wanted = request.path_params["session_id"]
    session = next((one for one in await _own_sessions(request) if one.id == wanted), None)
    if session is None:
        raise SessionNotFound()
    where = "this browser" if session.current else f"the browser at {session.remote or 'unknown'}"
    dialog = ConfirmDialog(
        title=f"End the session of {where}",
        effects=(
            f"{where[:1].upper()}{where[1:]} is signed out at once.",
            "What is typed there and not yet sent is lost. Your other sessions go on.",
        ),
        undo=_SIGN_IN_ANEW,
        button="End the session",
        back=_ACCOUNT,
    )
    return confirm(request, dialog)


async def end_session(request: Request) -> Response:
    """End one of one's own sessions."""
    actor, session_id = actor_of(request), request.path_params["session_id"]
    await service(request, Sessions).end(actor, session_id)
    return _signed_out() if session_id == actor.session_id else done(_ACCOUNT, "sessions_ended")


async def confirm_end_sessions(request: Request) -> Response:
    """Ask before every session of one's own ends."""
    number = len(await _own_sessions(request))
    dialog = ConfirmDialog(
        title="Sign out everywhere",
        effects=(
            f"Your {number} open {'session' if number == 1 else 'sessions'} end at once, this one too.",
            "What is typed there and not yet sent is lost.",
        ),
        undo=_SIGN_IN_ANEW,
        button="Sign out everywhere",
        back=_ACCOUNT,
    )
    return confirm(request, dialog)


async def end_sessions(request: Request) -> Response:
    """End every session of one's own, this one too."""
    await service(request, Sessions).end_all(actor_of(request))
    return _signed_out()


async def _own_sessions(request: Request) -> list[SessionView]:
    actor = actor_of(request)
    if actor.user_id is None:
        return []
    sessions = await service(request, Sessions).of_user(actor.user_id)
    return [SessionView.of(one, actor.session_id) for one in sessions]


def _signed_out() -> Response:
    answer = done(SIGN_IN, "signed_out")
    clear_session_cookie(answer)
    return answer
