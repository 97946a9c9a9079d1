"""Pooled connections to a real socket: reuse, limits and lost connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from sysndd_core.errors import LeaseLost
from sysndd_core.settings.smtp import SmtpSecurity, SmtpSettings
from sysndd_mailer.compose import Message
from sysndd_mailer.smtp import MAILS_PER_CONNECTION, ConnectionPool, DeliveryStatus, Outcome
from tests.support.smtp_faults import DROP, STALL, FaultySmtp, faulty_smtp

SENT, RETRY, FAILED = DeliveryStatus.SENT, DeliveryStatus.RETRY, DeliveryStatus.FAILED
UNKNOWN = DeliveryStatus.DELIVERY_UNKNOWN


@contextlib.asynccontextmanager
async def pooled(size: int = 1) -> AsyncIterator[tuple[ConnectionPool, FaultySmtp]]:
    async with faulty_smtp() as server:
        settings = SmtpSettings(
            host="127.0.0.1",
            port=server.port,
            security=SmtpSecurity.NONE,
            timeout=1,
            mail_from="noreply@sysndd.example",
            connections=size,
        )
        pool = ConnectionPool(settings)
        try:
            yield pool, server
        finally:
            await pool.close()


async def lease_held() -> None:
    """Return without LeaseLost, so that the content is sent."""


def sending(
    pool: ConnectionPool, count: int, before: Callable[[], Awaitable[None]] = lease_held
) -> list["asyncio.Task[Outcome]"]:
    """Start to send messages concurrently, in this order."""

    def message(number: int) -> Message:
        content = f"Message-ID: <{number}@sysndd.example>\r\n\r\n{number}\r\n"
        return Message("noreply@sysndd.example", f"{number}@sysndd.example", content.encode())

    return [asyncio.create_task(pool.send(message(number), before)) for number in range(count)]


def arrived(server: FaultySmtp) -> list[int]:
    """Return the numbers of the emails that the server accepted."""
    return [int(mail["Message-ID"].strip("<>").partition("@")[0]) for mail in server.accepted]


async def statuses(tasks: list["asyncio.Task[Outcome]"]) -> list[DeliveryStatus]:
    return [(await task).status for task in tasks]


async def test_emails_share_one_connection_in_order() -> None:
    async with pooled() as (pool, server):
        assert await statuses(sending(pool, 5)) == [SENT] * 5
        assert arrived(server) == [0, 1, 2, 3, 4]
        assert server.connections == 1
        assert "RSET" not in server.commands


async def test_rejected_content_does_not_affect_the_next_email() -> None:
    async with pooled() as (pool, server):
        server.once["CONTENT"] = ["554 5.7.1 policy"]
        assert await statuses(sending(pool, 3)) == [FAILED, SENT, SENT]
        assert arrived(server) == [1, 2]
        assert server.connections == 1
        assert server.commands.count("RSET") == 1


@pytest.mark.parametrize("fault", [DROP, STALL])
async def test_delivery_is_unknown_only_for_the_email_whose_content_was_sent(fault: str) -> None:
    async with pooled() as (pool, server):
        server.once["CONTENT"] = [fault]
        assert await statuses(sending(pool, 3)) == [UNKNOWN, SENT, SENT]
        assert arrived(server) == [0, 1, 2]
        assert server.connections == 2


async def test_delivery_is_unknown_when_the_connection_is_lost_at_data() -> None:
    """The library does not report whether it had started to send the content."""
    async with pooled() as (pool, server):
        server.once["DATA"] = [DROP]
        assert await statuses(sending(pool, 2)) == [UNKNOWN, SENT]
        assert arrived(server) == [1]


@pytest.mark.parametrize(("at", "status"), [("RCPT", RETRY), ("DATA", UNKNOWN)])
async def test_unexpected_reply_code_is_not_an_acceptance(at: str, status: DeliveryStatus) -> None:
    async with pooled() as (pool, server):
        server.once[at] = ["299 what?"]
        assert await statuses(sending(pool, 2)) == [status, SENT]
        assert arrived(server) == [1]
        assert server.connections == 2


async def test_lost_lease_sends_no_content() -> None:
    async def lost() -> None:
        raise LeaseLost("another mailer has it")

    async with pooled() as (pool, server):
        (task,) = sending(pool, 1, lost)
        with pytest.raises(LeaseLost):
            await task
        assert not any(line.startswith("DATA") for line in server.commands)
        assert await statuses(sending(pool, 1)) == [SENT]


async def test_email_cancelled_while_it_waits_is_not_sent_and_blocks_no_other() -> None:
    async with pooled() as (pool, server):
        tasks = sending(pool, 3)

        def cancel() -> None:
            tasks[1].cancel()

        server.before["CONTENT"] = cancel
        assert await statuses([tasks[0], tasks[2]]) == [SENT, SENT]
        assert tasks[1].cancelled()
        assert arrived(server) == [0, 2]
        assert server.connections == 1


async def test_connection_is_closed_after_its_maximum_of_emails() -> None:
    async with pooled() as (pool, server):
        count = MAILS_PER_CONNECTION + 5
        assert await statuses(sending(pool, count)) == [SENT] * count
        assert arrived(server) == list(range(count))
        assert server.connections == 2
        assert server.commands.count("QUIT") == 1


async def test_many_emails_over_few_connections_while_some_are_lost() -> None:
    async with pooled(3) as (pool, server):
        server.once["CONTENT"] = ["250 ok", DROP, "250 ok", "451 later", DROP, "554 no"]
        found = await statuses(sending(pool, 60))
        assert [found.count(one) for one in (UNKNOWN, RETRY, FAILED, SENT)] == [2, 1, 1, 56]
        assert len(set(arrived(server))) == len(arrived(server)) == 58
        # Three at a time, and a new one for each that was lost.
        assert server.connections <= 3 + 3


async def test_unavailable_server_is_reported_for_each_waiting_email() -> None:
    async with pooled() as (pool, server):
        server.answers["BANNER"] = DROP
        assert await statuses(sending(pool, 4)) == [RETRY] * 4
        server.answers["BANNER"] = "220 here again"
        assert await statuses(sending(pool, 2)) == [SENT] * 2
