"""The pages of operators: the list, one operator, and the changes that administrators can make."""

from typing import Annotated

from pydantic import AfterValidator, Field
from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.accounts.models import Email, user_name
from sysndd_api.operators.models import OperatorChange, OperatorQuery, OperatorView
from sysndd_api.operators.service import Operators
from sysndd_api.pages import page_route
from sysndd_api.pages.confirm_dialog import ConfirmDialog, confirm
from sysndd_api.pages.listing import Listing
from sysndd_api.pages.page_route import (
    Form,
    PageParameters,
    form_of,
    page_query_of,
    redirect_with_notice,
)
from sysndd_api.pages.rendering import sessions_end, words
from sysndd_api.security.access import OperatorRole
from sysndd_api.sessions.models import SessionView
from sysndd_api.sessions.service import Sessions
from sysndd_api.web.http import actor_of, service
from sysndd_core.accounts import AccountKey, Realm
from sysndd_core.errors import Invalid

_OPERATORS = "/admin/operators"
CSS_CLASSES = {"invited": "warn", "active": "ok", "disabled": "fail"}
ROLES = {
    OperatorRole.ADMINISTRATOR: "everything",
    OperatorRole.MAINTAINER: "reads everything; backs up, verifies, imports, tests email",
    OperatorRole.VIEWER: "reads health, backups, jobs and migrations; no personal data",
}


class OperatorListQuery(OperatorQuery):
    """Filters and page of the list."""

    page_size: int = 25


class RoleQuery(PageParameters):
    """The new role."""

    role: OperatorRole | None = None


class InviteForm(Form):
    """An operator to invite."""

    user_name: Annotated[str, Field(max_length=64), AfterValidator(user_name)]
    email: Email
    role: OperatorRole


class RoleForm(Form):
    """The new role."""

    role: OperatorRole


class EmailForm(Form):
    """The new address."""

    email: Email


async def list_page(request: Request) -> Response:
    """List operators, with the form that invites one."""
    query = page_query_of(request, OperatorListQuery)
    found, total = await service(request, Operators).page(query)
    return page_route.page(
        request,
        "operators.html",
        listing=Listing(request, found, total, query, path=_OPERATORS),
        query=query,
        css_classes=CSS_CLASSES,
        roles=ROLES,
    )


async def invite(request: Request) -> Response:
    """Invite an operator by email."""
    form = await form_of(request, InviteForm)
    view = await service(request, Operators).invite(
        actor_of(request), form.user_name, form.email, form.role
    )
    return redirect_with_notice(_address(view), "invited")


async def detail_page(request: Request) -> Response:
    """Show one operator with the active sessions."""
    view = await service(request, Operators).get(_id(request))
    sessions = await service(request, Sessions).of(_key(view))
    return page_route.page(
        request,
        "operator.html",
        operator=view,
        sessions=[SessionView.of(one, actor_of(request).session_id) for one in sessions],
        css_classes=CSS_CLASSES,
        roles=ROLES,
    )


async def confirm_change_role(request: Request) -> Response:
    """Ask for confirmation before a role is changed.

    Raises:
        Invalid: The role is missing, or the operator already has it.
    """
    view, sessions = await _view_and_sessions(request)
    role = page_query_of(request, RoleQuery).role
    if role is None or role is view.role:
        raise Invalid(f"{view.user_name} already has the role {view.role.value}. Choose another.")
    effects = [f"{view.user_name} changes from {view.role.value} to {role.value}: {ROLES[role]}."]
    if role is OperatorRole.ADMINISTRATOR:
        effects += ["All administrators are notified by email, with your name."]
    effects += [sessions_end("operator", sessions)]
    dialog = ConfirmDialog(
        title=f"Change the role of {view.user_name} to {words(role.value)}?",
        effects=tuple(effects),
        undo=f"You can change the role back to {view.role.value}. Ended sessions are not restored,"
        " and changes made with the role are not undone.",
        button="Change role",
        back=_address(view),
        fields={"role": role.value},
    )
    return confirm(request, dialog)


async def change_role(request: Request) -> Response:
    """Change the role of an operator; the sessions end immediately."""
    form = await form_of(request, RoleForm)
    return await _change(request, OperatorChange(role=form.role), "operator_signed_out")


async def change_email(request: Request) -> Response:
    """Change the address of an operator; the previous address is notified."""
    form = await form_of(request, EmailForm)
    return await _change(request, OperatorChange(email=form.email), "operator_changed")


async def confirm_disable(request: Request) -> Response:
    """Ask for confirmation before an operator is disabled."""
    view, sessions = await _view_and_sessions(request)
    dialog = ConfirmDialog(
        title=f"Disable {view.user_name}?",
        effects=(
            "No one can sign in with this account.",
            sessions_end("operator", sessions),
            "Pending links in emails (invitation, password reset) stop working.",
        ),
        undo="You can enable the account again. Ended sessions and revoked links are not restored.",
        button="Disable",
        back=_address(view),
    )
    return confirm(request, dialog)


async def disable(request: Request) -> Response:
    """Disable an operator; sessions and pending links end immediately."""
    return await _change(request, OperatorChange(state="disabled"), "operator_signed_out")


async def enable(request: Request) -> Response:
    """Enable an operator."""
    return await _change(request, OperatorChange(state="active"), "operator_changed")


async def resend_invitation(request: Request) -> Response:
    """Resend the invitation of an operator."""
    await service(request, Operators).resend_invitation(actor_of(request), _id(request))
    return redirect_with_notice(f"{_OPERATORS}/{int(_id(request))}", "invited")


async def confirm_end_sessions(request: Request) -> Response:
    """Ask for confirmation before all sessions of an operator are ended."""
    view, sessions = await _view_and_sessions(request)
    dialog = ConfirmDialog(
        title=f"Sign {view.user_name} out everywhere?",
        effects=(
            sessions_end("operator", sessions),
            "Unsaved input is lost. Password and role stay.",
        ),
        undo="Ended sessions can't be restored, but the operator can sign in again. To prevent"
        " that, disable the account.",
        button="Sign out everywhere",
        back=_address(view),
    )
    return confirm(request, dialog)


async def end_sessions(request: Request) -> Response:
    """End all sessions of an operator."""
    await service(request, Operators).end_sessions(actor_of(request), _id(request))
    return redirect_with_notice(f"{_OPERATORS}/{int(_id(request))}", "sessions_ended")


async def _change(request: Request, change: OperatorChange, notice: str) -> Response:
    view = await service(request, Operators).change(actor_of(request), _id(request), change)
    # Their own session may have ended with the others.
    return redirect_with_notice(_address(view), notice)


async def _view_and_sessions(request: Request) -> tuple[OperatorView, int]:
    view = await service(request, Operators).get(_id(request))
    return view, len(await service(request, Sessions).of(_key(view)))


def _key(view: OperatorView) -> AccountKey:
    return AccountKey(Realm.OPERATOR, view.operator_id)


def _address(view: OperatorView) -> str:
    return f"{_OPERATORS}/{view.operator_id}"


def _id(request: Request) -> str:
    operator_id: str = request.path_params["operator_id"]
    return operator_id
