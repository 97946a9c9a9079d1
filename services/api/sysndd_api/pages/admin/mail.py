"""The pages of emails: the list, one email with its preview, resending, and the SMTP test."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.health.service import Health
from sysndd_api.mail.models import MailQuery
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
from sysndd_api.pages.page_route import page_query_of, redirect_with_notice
from sysndd_api.pages.rendering import is_fragment, redirect, render, words
from sysndd_api.settings import ApiSettings
from sysndd_api.smtp_diagnostics.models import SmtpTest
from sysndd_api.smtp_diagnostics.service import SmtpDiagnostics
from sysndd_api.web.http import actor_of, service
from sysndd_core.mail.outbox import MailState
from sysndd_core.settings.site import SiteSettings

_MAIL = "/admin/mail"
CSS_CLASSES = {
    "queued": "",
    "running": "busy",
    "held": "warn",
    "sent": "ok",
    "failed": "fail",
    "cancelled": "",
}
STATE_LABELS = {
    "queued": "Queued",
    "running": "Sending",
    "held": "On hold",
    "sent": "Sent",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
SUBJECTS = {
    "approved": "Your {site} account is active",
    "confirm": "Confirm your email address for {site}",
    "email_changed": "Your {site} email address was changed",
    "email_new": "Confirm your new email address for {site}",
    "email_old": "Request to change your {site} email address",
    "invitation": "Invitation to operate {site}",
    "name_taken": "Choose a different {site} user name",
    "new_administrator": "{site} has a new administrator",
    "password_changed": "Your {site} password was changed",
    "registered_again": "You already have an account at {site}",
    "reset": "Reset your {site} password",
    "test": "{site} test email",
}
"""Subject of each email template, with the place of the site's name: the mailer renders the real
one only when it sends the email."""

STAGE_LABELS = {
    "resolve": "DNS lookup",
    "connect": "Connection",
    "banner": "Greeting",
    "ehlo": "EHLO",
    "tls": "TLS",
    "auth": "Authentication",
    "mail_from": "MAIL FROM",
    "rset": "RSET",
    "quit": "QUIT",
}


class MailListQuery(MailQuery):
    """Filters and page of the list."""

    page_size: int = 25


async def list_page(request: Request) -> Response:
    """List emails, and offer the SMTP test."""
    return await _list(request, None)


async def detail_page(request: Request) -> Response:
    """Show one email with its preview; links have no token."""
    mail = await service(request, Mails).detail(_id(request))
    return page_route.page(
        request,
        "mail_detail.html",
        mail=mail,
        subject=subject_of(request, mail.template),
        css_classes=CSS_CLASSES,
        state_labels=STATE_LABELS,
        html=sanitize(mail.preview.html) if mail.preview else None,
        can_cancel=mail.state in CANCELLABLE,
        can_resend=mail.state in RESENDABLE,
    )


async def confirm_resend(request: Request) -> Response:
    """Ask for confirmation before an email is resent.

    Raises:
        MailNotFound, MailNotResendable.
    """
    mail = await service(request, Mails).detail(_id(request))
    check_resendable(mail.state)
    effects = [
        f"The email is sent to {mail.recipient} now, with the same Message-ID.",
        "The number of attempts and the expiry time start again.",
    ]
    if mail.state is MailState.HELD:
        effects.insert(1, "It may have arrived already, so the recipient may get it twice.")
    if mail.undeliverable_since:
        effects.append("The address will no longer be marked undeliverable.")
    dialog = ConfirmDialog(
        title=f"Resend “{subject_of(request, mail.template)}”?",
        effects=tuple(effects),
        undo="A sent email can't be recalled. You can cancel it until the mailer starts to send it,"
        " usually within a second.",
        button="Resend",
        back=f"{_MAIL}/{mail.id}",
    )
    return confirm(request, dialog)


async def resend(request: Request) -> Response:
    """Resend an email, or send a queued one now."""
    mail_id = request.path_params["mail_id"]
    await service(request, Mails).resend(actor_of(request), mail_id)
    return redirect_with_notice(f"{_MAIL}/{mail_id}", "mail_resent")


async def confirm_cancel(request: Request) -> Response:
    """Ask for confirmation before an email is cancelled.

    Raises:
        MailNotFound, MailNotCancellable.
    """
    mail = await service(request, Mails).detail(_id(request))
    check_cancellable(mail.state)
    dialog = ConfirmDialog(
        title=f"Cancel “{subject_of(request, mail.template)}”?",
        effects=(
            f"{mail.recipient} does not receive this email and is not notified.",
            "If it contains a link, the recipient must request a new one.",
        ),
        undo="You can resend the email as long as it is listed. A link in it keeps its original"
        " expiry time.",
        button="Cancel email",
        dismiss="Keep email",
        back=f"{_MAIL}/{mail.id}",
    )
    return confirm(request, dialog)


async def cancel(request: Request) -> Response:
    """Cancel an email that is queued or on hold."""
    mail_id = request.path_params["mail_id"]
    await service(request, Mails).cancel(actor_of(request), mail_id)
    return redirect_with_notice(f"{_MAIL}/{mail_id}", "mail_cancelled")


async def smtp_test(request: Request) -> Response:
    """Test the connection to the mail server up to MAIL FROM, and show each step."""
    found = await service(request, SmtpDiagnostics).run(actor_of(request))
    test = SmtpTest.from_diagnosis(found)
    if is_fragment(request):
        return render(request, "parts/smtp_test.html", test=test, stage_labels=STAGE_LABELS)
    return await _list(request, test)


async def test_message(request: Request) -> Response:
    """Send a test email to the administrator's own address."""
    return redirect(f"{_MAIL}/{await service(request, Mails).queue_test_to(actor_of(request))}")


def subject_of(request: Request, template: str) -> str:
    """Return the subject of this site's email by the name of its template."""
    subject = SUBJECTS.get(template)
    if subject is None:
        return words(template)
    return subject.format(site=service(request, SiteSettings).name)


def _id(request: Request) -> str:
    mail_id: str = request.path_params["mail_id"]
    return mail_id


async def _list(request: Request, test: SmtpTest | None) -> Response:
    query = page_query_of(request, MailListQuery)
    mails, total = await service(request, Mails).page(query)
    checks = await service(request, Health).checks("mail_queue", "mail_transport")
    return page_route.page(
        request,
        "mail.html",
        listing=Listing(request, mails, total, query, path=_MAIL),
        query=query,
        states=[state.value for state in MailState],
        css_classes=CSS_CLASSES,
        state_labels=STATE_LABELS,
        subject_of=partial(subject_of, request),
        test=test,
        stage_labels=STAGE_LABELS,
        smtp=service(request, ApiSettings).smtp,
        remarks=[check.reason for check in checks.values() if check.reason],
    )
