"""The pages of mails: the list, one mail as it looks, stepping in, and the test of the server."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.admin import pages
from sysndd_api.admin.listing import Listing
from sysndd_api.admin.mail_html import inert
from sysndd_api.admin.pages import done, view_of
from sysndd_api.admin.rendering import go_to, is_fragment, render
from sysndd_api.http import actor_of, context_of
from sysndd_api.mail.models import MailDetail, MailQuery, MailView
from sysndd_api.smtp.models import SmtpTest
from sysndd_core.outbox import MailState

_MAIL = "/admin/mail"
LOOKS = {
    "queued": "",
    "running": "busy",
    "held": "warn",
    "sent": "ok",
    "dead": "fail",
    "cancelled": "",
}


class MailsView(MailQuery):
    """What the list is asked for."""

    page_size: int = 25


async def list_page(request: Request) -> Response:
    """List mails, and offer the test of the mail server."""
    return await _list(request, None)


async def detail_page(request: Request) -> Response:
    """Show one mail as it was, or will be, sent; links without their secret."""
    row = await context_of(request).mails.detail(request.path_params["mail_id"])
    mail = MailDetail.from_row(row)
    return pages.page(
        request,
        "mail_detail.html",
        mail=mail,
        looks=LOOKS,
        html=inert(mail.preview.html) if mail.preview else None,
        can_cancel=mail.state in (MailState.QUEUED, MailState.HELD),
        can_replay=mail.state not in (MailState.SENT, MailState.RUNNING),
    )


async def replay(request: Request) -> Response:
    """Send a mail again, or now."""
    mail_id = request.path_params["mail_id"]
    await context_of(request).mails.replay(actor_of(request), mail_id)
    return done(f"{_MAIL}/{mail_id}", "mail_replayed")


async def cancel(request: Request) -> Response:
    """Cancel a mail that waits or is held."""
    mail_id = request.path_params["mail_id"]
    await context_of(request).mails.cancel(actor_of(request), mail_id)
    return done(f"{_MAIL}/{mail_id}", "mail_cancelled")


async def smtp_test(request: Request) -> Response:
    """Talk to the mail server up to MAIL FROM and show each step."""
    found = await context_of(request).smtp_tests.run(actor_of(request))
    test = SmtpTest.from_diagnosis(found)
    if is_fragment(request):
        return render(request, "parts/smtp_test.html", test=test)
    return await _list(request, test)


async def test_message(request: Request) -> Response:
    """Queue a test mail to one's own address."""
    return go_to(f"{_MAIL}/{await context_of(request).mails.queue_test_to(actor_of(request))}")


async def _list(request: Request, test: SmtpTest | None) -> Response:
    context, view = context_of(request), view_of(request, MailsView)
    rows, total = await context.mails.page(
        state=view.state, search=view.search, limit=view.page_size, offset=view.offset
    )
    report = await context.health.report()
    return pages.page(
        request,
        "mail.html",
        listing=Listing(request, [MailView.from_row(row) for row in rows], total, view),
        view=view,
        states=[state.value for state in MailState],
        looks=LOOKS,
        test=test,
        smtp=context.settings.smtp,
        remarks=[
            check.reason
            for name, check in report.checks.items()
            if name.startswith(("mail", "smtp")) and check.reason
        ],
    )
