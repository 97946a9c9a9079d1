"""A mail server that accepts and discards every email: ``python -m bench.mail.sink PORT``.

Runs aiosmtpd in a separate process. On SIGTERM it prints its counts as one line of JSON.
"""

import asyncio
import json
import signal
import sys
import time

from aiosmtpd.smtp import SMTP, Envelope, Session

from sysndd_local.ports import LOOPBACK


class Counting:
    def __init__(self) -> None:
        self.mails = 0
        self.first = self.last = 0.0

    def make(self) -> SMTP:
        return SMTP(self, hostname="localhost", decode_data=False, enable_SMTPUTF8=True)

    async def handle_EHLO(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, replies: list[str]
    ) -> list[str]:
        if not self.first:
            # The first connection does not count: it checks whether this program has started.
            self.first = time.time()
        session.host_name = hostname
        return replies

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.mails += 1
        self.last = time.time()
        return "250 2.0.0 Ok"


async def main(port: int) -> None:
    counting, ended = Counting(), asyncio.Event()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(counting.make, LOOPBACK, port)
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    async with server:
        await ended.wait()
    counts = {name: getattr(counting, name) for name in ("mails", "first", "last")}
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
