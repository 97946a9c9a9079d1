"""The loop to beat: ``python -m bench.mail.bare PORT CONNECTIONS MAILS``.

N connections that each take the next message from one list and hand it to aiosmtplib, and nothing else:
no row is read or written, no template rendered. The messages are made before the clock starts, by the
mailer's own composer, so that both send the same octets.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import aiosmtplib

from bench.mail.mails import MAIL_FROM, PUBLIC_URL, context_of, recipient_of
from sysndd_local.ports import LOOPBACK
from sysndd_mailer.compose import Composer, Message


def messages(count: int) -> list[Message]:
    composer, now = Composer(mail_from=MAIL_FROM, public_url=PUBLIC_URL), datetime.now(UTC)
    made = []
    for number in range(count):
        context = composer.context("test", json.dumps(context_of(number)))
        made.append(
            composer.message(
                composer.render("test", context, None),
                recipient=recipient_of(number),
                message_id=f"<{number}.{now.timestamp()}@sysndd.example>",
                date=now,
            )
        )
    return made


async def send(port: int, left: Iterator[Message]) -> None:
    client = aiosmtplib.SMTP(
        hostname=LOOPBACK, port=port, use_tls=False, start_tls=False, local_hostname="localhost"
    )
    async with client:
        for message in left:
            await client.sendmail(message.sender, [message.recipient], message.content)


async def main(port: int, connections: int, mails: int) -> None:
    left = iter(messages(mails))
    await asyncio.gather(*(send(port, left) for _ in range(connections)))


if __name__ == "__main__":
    asyncio.run(main(*(int(one) for one in sys.argv[1:4])))
