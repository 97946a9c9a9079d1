"""Routes for the administration of operators."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.accounts.models import MailAccepted
from sysndd_api.operators.models import NewOperator, OperatorChange, OperatorQuery, OperatorView
from sysndd_api.operators.service import Operators
from sysndd_api.sessions.models import SessionList, SessionsEnded, SessionView
from sysndd_api.sessions.service import Sessions
from sysndd_api.web.http import actor_of, body_of, query_of, reply, service
from sysndd_api.web.models import Page
from sysndd_core.accounts import AccountKey, Realm


async def list_operators(request: Request) -> Response:
    """List operators."""
    query = query_of(request, OperatorQuery)
    found, total = await service(request, Operators).page(query)
    page = Page[OperatorView](data=found, total=total, page=query.page, page_size=query.page_size)
    return reply(page)


async def invite_operator(request: Request) -> Response:
    """Create an operator, who chooses a password with an emailed link."""
    body = await body_of(request, NewOperator)
    view = await service(request, Operators).invite(
        actor_of(request), body.user_name, body.email, body.role
    )
    return reply(view, 201, headers={"Location": f"/api/admin/operators/{view.operator_id}"})


async def get_operator(request: Request) -> Response:
    """Return one operator."""
    return reply(await service(request, Operators).get(_id(request)))


async def change_operator(request: Request) -> Response:
    """Change the role, state or address of an operator."""
    body = await body_of(request, OperatorChange)
    return reply(await service(request, Operators).change(actor_of(request), _id(request), body))


async def resend_invitation(request: Request) -> Response:
    """Resend the invitation of an operator."""
    await service(request, Operators).resend_invitation(actor_of(request), _id(request))
    return reply(MailAccepted(detail="The email is queued."), 202)


async def list_operator_sessions(request: Request) -> Response:
    """List the sessions of an operator, newest first."""
    view = await service(request, Operators).get(_id(request))
    sessions = await service(request, Sessions).of(AccountKey(Realm.OPERATOR, view.operator_id))
    views = [SessionView.of(session, actor_of(request).session_id) for session in sessions]
    return reply(SessionList(data=views, total=len(views)))


async def end_operator_sessions(request: Request) -> Response:
    """Revoke all sessions of an operator."""
    ended = await service(request, Operators).end_sessions(actor_of(request), _id(request))
    return reply(SessionsEnded(ended=ended))


def _id(request: Request) -> str:
    operator_id: str = request.path_params["operator_id"]
    return operator_id
