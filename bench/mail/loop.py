"""A plain aiosmtplib loop: ``python -m bench.mail.loop PORT CONNECTIONS MAILS ready|built``.

Each connection sends the next message with aiosmtplib; no row is read or written. The mailer's
composer builds the messages, so that both senders send the same bytes: ``ready`` before the first
is sent, ``built`` one by one as they are sent.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import aiosmtplib

from bench.mail.emails import MAIL_FROM, PUBLIC_URL, context_of, recipient_of
from sysndd_core.settings.site import Environment, SiteSettings
from sysndd_local.ports import LOOPBACK
from sysndd_mailer.compose import Composer, Message


def messages(count: int) -> Iterator[Message]:
    site = SiteSettings(environment=Environment.DEVELOPMENT, public_url=PUBLIC_URL)
    composer, now = Composer(mail_from=MAIL_FROM, site=site), datetime.now(UTC)
    for number in range(count):
        context = composer.context("test", json.dumps(context_of(number)))
        yield composer.message(
            composer.render("test", context, None),
            recipient=recipient_of(number),
            message_id=f"<{number}.{now.timestamp()}@sysndd.example>",
            date=now,
        )


async def send(port: int, remaining: Iterator[Message]) -> None:
    client = aiosmtplib.SMTP(
        hostname=LOOPBACK, port=port, use_tls=False, start_tls=False, local_hostname="localhost"
    )
    async with client:
        for message in remaining:
            await client.sendmail(message.sender, [message.recipient], message.content)


async def main(port: int, connections: int, mails: int, kind: str) -> None:
    remaining = messages(mails)
    if kind == "ready":
        remaining = iter(list(remaining))
    await asyncio.gather(*(send(port, remaining) for _ in range(connections)))


if __name__ == "__main__":
    _, port, connections, mails, kind = sys.argv
    asyncio.run(main(int(port), int(connections), int(mails), kind))
