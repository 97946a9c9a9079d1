"""A mail's envelope goes along with the content of the mail before it; what becomes of either."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from sysndd_core.settings.smtp import SmtpSecurity, SmtpSettings
from sysndd_mailer.smtp import MAILS_PER_CONNECTION, Connections, Fate, Outcome
from sysndd_mailer.wire import Message
from tests.support.smtp_faults import DROP, STALL, FaultySmtp, faulty_smtp

PIPELINING = {"EHLO": "250-faulty.example\r\n250 PIPELINING"}


@contextlib.asynccontextmanager
async def connected(number: int = 1) -> AsyncIterator[tuple[Connections, FaultySmtp]]:
    async with faulty_smtp(PIPELINING) as server:
        settings = SmtpSettings(
            host="127.0.0.1", port=server.port, security=SmtpSecurity.NONE, timeout=1,
            mail_from="noreply@sysndd.example", connections=number,
        )  # fmt: skip
        connections = Connections(settings)
        try:
            yield connections, server
        finally:
            await connections.close()


def sending(connections: Connections, count: int) -> list["asyncio.Task[Outcome]"]:
    """Begin to send messages, all at once and in this order."""

    async def agreed() -> None:
        """Nobody else sends it."""

    def message(number: int) -> Message:
        content = f"Message-ID: <{number}@sysndd.example>\r\n\r\n{number}\r\n"
        return Message("noreply@sysndd.example", f"{number}@sysndd.example", content.encode())

    return [
        asyncio.create_task(connections.send(message(number), agreed)) for number in range(count)
    ]


def arrived(server: FaultySmtp) -> list[int]:
    """Return the numbers of the mails that were accepted."""
    return [int(mail["Message-ID"].strip("<>").partition("@")[0]) for mail in server.accepted]


async def fates(tasks: list["asyncio.Task[Outcome]"]) -> list[Fate]:
    return [(await task).fate for task in tasks]


async def test_all_go_over_one_connection_one_packet_each() -> None:
    async with connected() as (connections, server):
        assert await fates(sending(connections, 5)) == [Fate.SENT] * 5
        assert arrived(server) == [0, 1, 2, 3, 4]
        assert server.connections == 1
        assert server.along == 4
        assert "RSET" not in server.commands


async def test_a_lone_mail_waits_for_nobody() -> None:
    async with connected() as (connections, server):
        for _ in range(3):
            assert await fates(sending(connections, 1)) == [Fate.SENT]
        assert (server.connections, server.along) == (1, 0)


async def test_a_refused_content_does_not_touch_the_next() -> None:
    async with connected() as (connections, server):
        server.once["CONTENT"] = ["554 5.7.1 policy"]
        assert await fates(sending(connections, 3)) == [Fate.DEAD, Fate.SENT, Fate.SENT]
        assert arrived(server) == [1, 2]
        assert server.connections == 1


@pytest.mark.parametrize("fault", [DROP, STALL])
async def test_the_next_goes_once_over_another_connection(fault: str) -> None:
    """Only the mail whose content was sent is in doubt."""
    async with connected() as (connections, server):
        server.once["CONTENT"] = [fault]
        assert await fates(sending(connections, 3)) == [Fate.DOUBT, Fate.SENT, Fate.SENT]
        assert arrived(server)[-2:] == [1, 2]
        assert len(arrived(server)) == 3
        assert server.connections == 2


@pytest.mark.parametrize(("at_data", "connections"), [("503 no recipient", 1), ("354 go on", 2)])
async def test_a_refused_recipient_whose_envelope_went_ahead(
    at_data: str, connections: int
) -> None:
    async with connected() as (kept, server):
        server.once["RCPT"] = ["250 ok", "550 5.1.1 no such user"]
        server.once["DATA"] = ["354 go ahead", at_data]
        assert await fates(sending(kept, 3)) == [Fate.SENT, Fate.NO_SUCH_RECIPIENT, Fate.SENT]
        assert arrived(server) == [0, 2]
        assert server.connections == connections


async def test_a_mail_that_is_broken_off_behind_its_envelope_is_not_sent() -> None:
    async with connected() as (connections, server):
        tasks = sending(connections, 3)

        def break_off() -> None:
            tasks[1].cancel()

        server.before["CONTENT"] = break_off
        assert await fates([tasks[0], tasks[2]]) == [Fate.SENT, Fate.SENT]
        assert tasks[1].cancelled()
        assert arrived(server) == [0, 2]
        assert server.connections == 2


async def test_no_connection_takes_more_than_its_share() -> None:
    async with connected() as (connections, server):
        count = MAILS_PER_CONNECTION + 5
        assert await fates(sending(connections, count)) == [Fate.SENT] * count
        assert sorted(arrived(server)) == list(range(count))
        assert server.connections == 2
        assert server.commands.count("QUIT") == 1


async def test_many_over_few_connections_while_some_are_cut() -> None:
    async with connected(3) as (connections, server):
        server.once["CONTENT"] = ["250 ok", DROP, "250 ok", "451 later", DROP, "554 no"]
        found = await fates(sending(connections, 60))
        assert (found.count(Fate.DOUBT), found.count(Fate.RETRY), found.count(Fate.DEAD)) == (
            2,
            1,
            1,
        )
        assert found.count(Fate.SENT) == 56
        assert len(set(arrived(server))) == len(arrived(server)) == 58
        # Three at a time, and one anew for each that was cut.
        assert server.connections <= 3 + 3


async def test_a_server_that_is_away_is_said_to_all_who_wait() -> None:
    async with connected() as (connections, server):
        server.answers["BANNER"] = DROP
        found = [await task for task in sending(connections, 4)]
        assert {one.fate for one in found} == {Fate.RETRY}
        server.answers["BANNER"] = "220 here again"
        assert await fates(sending(connections, 2)) == [Fate.SENT] * 2
