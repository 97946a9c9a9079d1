"""The pages of users: the list, one account, and the changes that administrators can make."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.pages import page_route
from sysndd_api.pages.confirm_dialog import ConfirmDialog, confirm
from sysndd_api.pages.listing import Listing
from sysndd_api.pages.page_route import PageParameters, form_of, page_query_of, redirect_with_notice
from sysndd_api.pages.rendering import sessions_end
from sysndd_api.security.access import Role
from sysndd_api.sessions.models import SessionView
from sysndd_api.sessions.service import Sessions
from sysndd_api.users.models import AccountView, RoleRequest, UserQuery
from sysndd_api.users.service import Users
from sysndd_api.web.http import actor_of, service
from sysndd_core.accounts import AccountKey, Realm
from sysndd_core.errors import Invalid

CSS_CLASSES = {
    "unconfirmed": "",
    "awaiting_approval": "warn",
    "active": "ok",
    "deactivated": "fail",
}


class UserListQuery(UserQuery):
    """Filters and page of the list."""

    page_size: int = 25


class RoleQuery(PageParameters):
    """The new role."""

    role: Role | None = None


async def list_page(request: Request) -> Response:
    """List users."""
    query = page_query_of(request, UserListQuery)
    users, total = await service(request, Users).page(query)
    return page_route.page(
        request,
        "users.html",
        listing=Listing(request, users, total, query),
        query=query,
        css_classes=CSS_CLASSES,
        roles=[role.value for role in Role],
        awaiting_approval=(await service(request, Users).page(_AWAITING_APPROVAL))[1],
    )


async def detail_page(request: Request) -> Response:
    """Show one account with its active sessions."""
    user = await service(request, Users).get(_id(request))
    sessions = await service(request, Sessions).of(AccountKey(Realm.SITE, user.user_id))
    return page_route.page(
        request,
        "user.html",
        user=user,
        sessions=[SessionView.of(one, actor_of(request).session_id) for one in sessions],
        css_classes=CSS_CLASSES,
        roles=[role.value for role in Role],
    )


async def approve(request: Request) -> Response:
    """Approve a registration; the user is notified by email."""
    await service(request, Users).approve(actor_of(request), _id(request))
    return _changed(request, "approved")


async def confirm_deactivate(request: Request) -> Response:
    """Ask for confirmation before an account is deactivated."""
    user, sessions = await _user_and_sessions(request)
    dialog = ConfirmDialog(
        title=f"Deactivate {user.user_name}?",
        effects=(
            "No one can sign in with this account.",
            sessions_end("account", sessions),
            "Pending links in emails (confirmation, password reset, email change) stop working.",
            "No content is deleted. The user is not notified.",
        ),
        undo=f"You can reactivate the account{_also_approves(user)}. Ended sessions and revoked"
        " links are not restored: the user must sign in again.",
        button="Deactivate",
        back=_address(user),
    )
    return confirm(request, dialog)


async def deactivate(request: Request) -> Response:
    """Deactivate an account; its sessions and pending links end immediately."""
    await service(request, Users).deactivate(actor_of(request), _id(request))
    return _changed(request, "deactivated")


async def reactivate(request: Request) -> Response:
    """Reactivate an account."""
    await service(request, Users).reactivate(actor_of(request), _id(request))
    return _changed(request, "reactivated")


async def confirm_change_role(request: Request) -> Response:
    """Ask for confirmation before a role is changed.

    Raises:
        Invalid: The role is missing, or the account already has it.
    """
    user, sessions = await _user_and_sessions(request)
    role = page_query_of(request, RoleQuery).role
    if role is None or role is user.role:
        raise Invalid(
            f"{user.user_name} already has the role {user.role.value}. Choose another role."
        )
    effects = [f"{user.user_name} changes from {user.role.value} to {role.value}."]
    if role is Role.ADMINISTRATOR:
        effects += [
            "If site Administrators may sign in here, they can use all of these pages: restore and"
            " delete backups, read emails and change every account, including yours.",
            "All administrators are notified by email, with your name.",
        ]
    elif user.role is Role.ADMINISTRATOR:
        effects += ["They lose access to these pages. The last administrator can't be demoted."]
    effects += [sessions_end("account", sessions)]
    dialog = ConfirmDialog(
        title=f"Change the role of {user.user_name} to {role.value}?",
        effects=tuple(effects),
        undo=f"You can change the role back to {user.role.value}. Ended sessions are not restored,"
        " and changes made with the role are not undone.",
        button="Change role",
        back=_address(user),
        fields={"role": role.value},
    )
    return confirm(request, dialog)


async def change_role(request: Request) -> Response:
    """Change the role of an account; its sessions end immediately."""
    form = await form_of(request, RoleRequest)
    await service(request, Users).change_role(actor_of(request), _id(request), form.role)
    return _changed(request, "role_changed")


async def resend_confirmation(request: Request) -> Response:
    """Resend the email that confirms an account's address."""
    await service(request, Users).resend_confirmation(actor_of(request), _id(request))
    return _changed(request, "mail_sent")


async def confirm_end_sessions(request: Request) -> Response:
    """Ask for confirmation before all sessions of an account are ended."""
    user, sessions = await _user_and_sessions(request)
    dialog = ConfirmDialog(
        title=f"Sign {user.user_name} out everywhere?",
        effects=(
            sessions_end("account", sessions),
            "Unsaved input is lost. The password and the role do not change.",
        ),
        undo="Ended sessions can't be restored, but the user can sign in again. To prevent that,"
        " deactivate the account.",
        button="Sign out everywhere",
        back=_address(user),
    )
    return confirm(request, dialog)


async def end_sessions(request: Request) -> Response:
    """End all sessions of an account."""
    await service(request, Users).end_sessions(actor_of(request), _id(request))
    return _changed(request, "sessions_ended")


_AWAITING_APPROVAL = UserQuery(state="awaiting_approval", page_size=1)


async def _user_and_sessions(request: Request) -> tuple[AccountView, int]:
    user = await service(request, Users).get(_id(request))
    return user, len(await service(request, Sessions).of(AccountKey(Realm.SITE, user.user_id)))


def _also_approves(user: AccountView) -> str:
    return ", which also approves it" if user.state == "awaiting_approval" else ""


def _address(user: AccountView) -> str:
    return f"/admin/users/{user.user_id}"


def _id(request: Request) -> str:
    user_id: str = request.path_params["user_id"]
    return user_id


def _changed(request: Request, notice: str) -> Response:
    return redirect_with_notice(f"/admin/users/{int(_id(request))}", notice)
