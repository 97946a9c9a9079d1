"""One's own account: profile, password, email address and sessions.

Site users have it at ``/account``, operators at ``/admin/profile``.
"""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.email_change.models import EmailChangeRequest
from sysndd_api.email_change.service import EmailChanges
from sysndd_api.operators.models import OperatorView
from sysndd_api.operators.service import Operators
from sysndd_api.pages.confirm_dialog import ConfirmDialog, confirm
from sysndd_api.pages.page_route import SIGN_IN, form_of, page, redirect_with_notice
from sysndd_api.pages.rendering import plural, redirect
from sysndd_api.password_reset.models import PasswordChange
from sysndd_api.password_reset.service import PasswordReset
from sysndd_api.security.access import Actor
from sysndd_api.security.credentials import clear_session_cookie
from sysndd_api.sessions.models import SessionView
from sysndd_api.sessions.service import Sessions
from sysndd_api.users.models import AccountView
from sysndd_api.users.service import Users
from sysndd_api.web.http import actor_of, service, token_of
from sysndd_core.accounts import Realm
from sysndd_core.errors import SessionNotFound

_ACCOUNT = "/account"
_PROFILE = "/admin/profile"
_UNDO_SIGN_OUT = (
    "Ended sessions can't be restored, but you can sign in again. If someone else knows your"
    " password, change it: that also ends all other sessions."
)


async def account_page(request: Request) -> Response:
    """Show a site user's profile and active sessions."""
    actor = actor_of(request)
    if _is_operator(actor):
        return redirect(_PROFILE)
    assert actor.key is not None
    return await _own_page(request, await service(request, Users).get(str(actor.key.id)))


async def profile_page(request: Request) -> Response:
    """Show an operator's profile and active sessions."""
    actor = actor_of(request)
    if not _is_operator(actor):
        return redirect(_ACCOUNT)
    assert actor.key is not None
    return await _own_page(request, await service(request, Operators).get(str(actor.key.id)))


async def _own_page(request: Request, user: AccountView | OperatorView) -> Response:
    return page(
        request,
        "account/own.html",
        user=user,
        is_operator=isinstance(user, OperatorView),
        home=_home(request),
        sessions=await _own_sessions(request),
    )


async def change_password(request: Request) -> Response:
    """Change the password; all other sessions end."""
    form = await form_of(request, PasswordChange)
    await service(request, PasswordReset).change(
        actor_of(request),
        token_of(request),
        form.old_password.get_secret_value(),
        form.new_password.get_secret_value(),
    )
    return redirect_with_notice(_home(request), "password_changed")


async def request_email_change(request: Request) -> Response:
    """Request an email change; a link is sent to both addresses."""
    form = await form_of(request, EmailChangeRequest)
    await service(request, EmailChanges).request(
        actor_of(request), form.email, form.password.get_secret_value()
    )
    return redirect_with_notice(_ACCOUNT, "email_change_requested")


async def confirm_end_session(request: Request) -> Response:
    """Ask for confirmation before a session is ended.

    Raises:
        SessionNotFound: The session has already ended, or belongs to another user.
    """
    session_id = request.path_params["session_id"]
    session = next((one for one in await _own_sessions(request) if one.id == session_id), None)
    if session is None:
        raise SessionNotFound()
    device = f"the device at {session.remote or 'an unknown address'}"
    if session.current:
        device = "this device"
    dialog = ConfirmDialog(
        title=f"End the session on {device}?",
        effects=(
            f"{device[:1].upper()}{device[1:]} is signed out immediately.",
            "Unsaved input there is lost. Your other sessions stay active.",
        ),
        undo=_UNDO_SIGN_OUT,
        button="End session",
        back=_home(request),
    )
    return confirm(request, dialog)


async def end_session(request: Request) -> Response:
    """End one of the user's own sessions."""
    actor, session_id = actor_of(request), request.path_params["session_id"]
    await service(request, Sessions).end(actor, session_id)
    if session_id == actor.session_id:
        return _signed_out()
    return redirect_with_notice(_home(request), "sessions_ended")


async def confirm_end_sessions(request: Request) -> Response:
    """Ask for confirmation before all of the user's own sessions are ended."""
    number = len(await _own_sessions(request))
    dialog = ConfirmDialog(
        title="Sign out everywhere?",
        effects=(
            f"{plural(number, 'active session')} {'ends' if number == 1 else 'end'} immediately,"
            " including this one.",
            "Unsaved input is lost.",
        ),
        undo=_UNDO_SIGN_OUT,
        button="Sign out everywhere",
        back=_home(request),
    )
    return confirm(request, dialog)


async def end_sessions(request: Request) -> Response:
    """End all of the user's own sessions, including the current one."""
    await service(request, Sessions).end_all(actor_of(request))
    return _signed_out()


async def _own_sessions(request: Request) -> list[SessionView]:
    actor = actor_of(request)
    sessions = await service(request, Sessions).of_actor(actor)
    return [SessionView.of(one, actor.session_id) for one in sessions]


def _home(request: Request) -> str:
    return _PROFILE if _is_operator(actor_of(request)) else _ACCOUNT


def _is_operator(actor: Actor) -> bool:
    return actor.key is not None and actor.key.realm is Realm.OPERATOR


def _signed_out() -> Response:
    response = redirect_with_notice(SIGN_IN, "signed_out")
    clear_session_cookie(response)
    return response
