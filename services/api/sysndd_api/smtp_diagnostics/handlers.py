"""Routes of the mail server test."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.mail.models import MailQueued
from sysndd_api.mail.service import Mails
from sysndd_api.smtp_diagnostics.models import SmtpTest
from sysndd_api.smtp_diagnostics.service import SmtpDiagnostics
from sysndd_api.web.http import actor_of, query_of, reply, service
from sysndd_api.web.models import RequestModel


async def run_test(request: Request) -> Response:
    """Test the configured mail server step by step; sends no email."""
    # No parameter is accepted, so that a host in the query string is an error.
    query_of(request, RequestModel)
    found = await service(request, SmtpDiagnostics).run(actor_of(request))
    return reply(SmtpTest.from_diagnosis(found))


async def send_test_message(request: Request) -> Response:
    """Queue a test email to your own address."""
    mail_id = await service(request, Mails).queue_test_to(actor_of(request))
    url = f"/api/admin/mail/{mail_id}"
    return reply(MailQueued(mail_id=mail_id, status_url=url), 202, headers={"Location": url})
