"""Kills and faults at seeded moments while mails are committed: ``make lane LANE=kills-mail`` for many of them."""

import os
import random
from pathlib import Path

from tests.support.mail_chaos import STEPS, MailChaos, mail_chaos
from tests.support.site import Site
from tests.support.smtp_faults import DROP, STALL

ROUNDS = int(os.environ.get("KILLS", "2"))
SEED = int(os.environ.get("SEED", "6"))

FAULTS = {
    "refuses at the recipient": ("RCPT", "451 4.3.0 later"),
    "refuses the content": ("CONTENT", "452 4.3.1 full"),
    "is busy": ("BANNER", "421 4.3.2 busy"),
    "stalls": ("MAIL", STALL),
    "stalls after the final dot": ("CONTENT", STALL),
    "drops": ("RCPT", DROP),
    "drops after the final dot": ("CONTENT", DROP),
}


async def test_seeded_chaos(site: Site, tmp_path: Path) -> None:
    chosen = random.Random(SEED)  # noqa: S311 - repeatable moments, no secrets
    async with mail_chaos(site, tmp_path, connections=4, timeout=1) as chaos:
        lines = []
        for number in range(ROUNDS):
            fault, step = chosen.choice(sorted(FAULTS)), chosen.choice(STEPS)
            redis = chosen.choice(("up", "stopped", "frozen", "flushed"))
            lines.append(f"{number + 1}: server {fault}; Redis {redis}; mailer killed at {step}")
            await one_round(chaos, chosen, fault, step, redis)
        # Mails that a fault held up wait for their next try, up to half an hour: not here.
        await chaos.all_due_now_until_sent()
        chaos.check()
        lines.append(
            f"{len(chaos.committed)} committed, {len(chaos.rolled_back)} rolled back,"
            f" {len(chaos.server.accepted)} arrived, {len(chaos.unconfirmed)} in doubt"
        )
        print("\n".join(lines))  # noqa: T201 - the count is what the long lane is run for


async def one_round(
    chaos: MailChaos, chosen: random.Random, fault: str, step: str, redis: str
) -> None:
    if redis == "stopped":
        chaos.redis.stop()
    elif redis == "frozen":
        chaos.redis.freeze()
    command, answer = FAULTS[fault]
    chaos.server.once[command] = [answer] * chosen.randint(1, 3)
    mails = chosen.randint(5, 20)
    # Connections are kept: one that comes up is seen at the start of a mailer's life or not at all.
    killed = chaos.kill_at(step) if step in ("BANNER", "EHLO") else None
    await chaos.commit(mails)
    if redis == "flushed":
        chaos.redis.flush()
    if killed is None:
        killed = chaos.kill_at(step)
        # What came before may all be sent by now.
        await chaos.commit(1)
    await chaos.killed(killed, seconds=120)
    chaos.server.once.clear()
    if redis == "frozen":
        chaos.redis.thaw()
    chaos.redis.start()
    chaos.mailer.start()
