"""The pages of mails: the list, one mail as it looks, stepping in, and the test of the server."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.health.service import Health
from sysndd_api.mail.models import MailQuery, MailView
from sysndd_api.mail.service import (
    CANCELLABLE,
    RESENDABLE,
    Mails,
    check_cancellable,
    check_resendable,
)
from sysndd_api.pages import page_route
from sysndd_api.pages.admin.mail_html import sanitize
from sysndd_api.pages.confirm_dialog import ConfirmDialog, confirm
from sysndd_api.pages.listing import Listing
from sysndd_api.pages.page_route import done, view_of
from sysndd_api.pages.rendering import is_fragment, redirect, render
from sysndd_api.settings import ApiSettings
from sysndd_api.smtp_diagnostics.models import SmtpTest
from sysndd_api.smtp_diagnostics.service import SmtpDiagnostics
from sysndd_api.web.http import actor_of, service
from sysndd_core.mail.outbox import MailState

_MAIL = "/admin/mail"
CSS_CLASSES = {
    "queued": "",
    "running": "busy",
    "held": "warn",
    "sent": "ok",
    "failed": "fail",
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
    mail = await service(request, Mails).detail(_id(request))
    return page_route.page(
        request,
        "mail_detail.html",
        mail=mail,
        css_classes=CSS_CLASSES,
        html=sanitize(mail.preview.html) if mail.preview else None,
        can_cancel=mail.state in CANCELLABLE,
        can_resend=mail.state in RESENDABLE,
    )


async def confirm_resend(request: Request) -> Response:
    """Ask before a mail goes out a second time.

    Raises:
        MailNotFound, MailNotResendable.
    """
    mail = await service(request, Mails).detail(_id(request))
    check_resendable(mail.state)
    effects = [
        f"The mail goes to {mail.recipient} now, under the Message-ID that it has.",
        "It gets new tries, and its whole time to live once more.",
    ]
    if mail.state is MailState.HELD:
        effects.insert(1, "It may have arrived already; then its reader may get it twice.")
    if mail.undeliverable_since:
        effects.append("The mark that this address is impossible is taken away.")
    dialog = ConfirmDialog(
        title=f"Send again: {_named(mail)}",
        effects=tuple(effects),
        undo="A mail that has left can't be called back. Until the mailer takes it in hand, a"
        " moment from now, it can be cancelled.",
        button="Send again",
        back=f"{_MAIL}/{mail.id}",
    )
    return confirm(request, dialog)


async def resend(request: Request) -> Response:
    """Send a mail again, or now."""
    mail_id = request.path_params["mail_id"]
    await service(request, Mails).resend(actor_of(request), mail_id)
    return done(f"{_MAIL}/{mail_id}", "mail_resent")


async def confirm_cancel(request: Request) -> Response:
    """Ask before a mail is cancelled.

    Raises:
        MailNotFound, MailNotCancellable.
    """
    mail = await service(request, Mails).detail(_id(request))
    check_cancellable(mail.state)
    dialog = ConfirmDialog(
        title=f"Cancel the mail: {_named(mail)}",
        effects=(
            f"{mail.recipient} does not get this mail, and nobody tells them.",
            "If it carries a link, whoever waits for that has to ask for a new one.",
        ),
        undo="“Send again” puts it back into the queue, as long as its row is kept; a link in it"
        " works only until the time that it was given at first.",
        button="Cancel the mail",
        back=f"{_MAIL}/{mail.id}",
    )
    return confirm(request, dialog)


async def cancel(request: Request) -> Response:
    """Cancel a mail that waits or is held."""
    mail_id = request.path_params["mail_id"]
    await service(request, Mails).cancel(actor_of(request), mail_id)
    return done(f"{_MAIL}/{mail_id}", "mail_cancelled")


async def smtp_test(request: Request) -> Response:
    """Talk to the mail server up to MAIL FROM and show each step."""
    found = await service(request, SmtpDiagnostics).run(actor_of(request))
    test = SmtpTest.from_diagnosis(found)
    if is_fragment(request):
        return render(request, "parts/smtp_test.html", test=test)
    return await _list(request, test)


async def test_message(request: Request) -> Response:
    """Queue a test mail to one's own address."""
    return redirect(f"{_MAIL}/{await service(request, Mails).queue_test_to(actor_of(request))}")


def _id(request: Request) -> str:
    mail_id: str = request.path_params["mail_id"]
    return mail_id


def _named(mail: MailView) -> str:
    return mail.purpose.replace("_", " ")


async def _list(request: Request, test: SmtpTest | None) -> Response:
    view = view_of(request, MailsView)
    mails, total = await service(request, Mails).page(view)
    checks = await service(request, Health).checks("mail_queue", "mail_transport")
    return page_route.page(
        request,
        "mail.html",
        listing=Listing(request, mails, total, view, path=_MAIL),
        view=view,
        states=[state.value for state in MailState],
        css_classes=CSS_CLASSES,
        test=test,
        smtp=service(request, ApiSettings).smtp,
        remarks=[check.reason for check in checks.values() if check.reason],
    )
