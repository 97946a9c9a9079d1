"""Test the mail server."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.http import RequestModel, actor_of, context_of, query_of, reply
from sysndd_api.mail.models import MailQueued
from sysndd_api.smtp.models import SmtpTest


async def run_test(request: Request) -> Response:
    """Talk to the mail server of the settings, step by step; sends no mail. At most 10 s, 6 a minute."""
    # No parameter is taken: whoever sends a host is told so.
    query_of(request, RequestModel)
    found = await context_of(request).smtp_tests.run(actor_of(request))
    return reply(SmtpTest.from_diagnosis(found))


async def send_test_message(request: Request) -> Response:
    """Queue a test mail to the asking administrator's own address."""
    mail_id = await context_of(request).mails.queue_test_to(actor_of(request))
    url = f"/api/admin/mail/{mail_id}"
    return reply(MailQueued(mail_id=mail_id, status_url=url), 202, headers={"Location": url})
