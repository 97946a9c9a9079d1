"""Kills and faults at seeded moments while emails are committed.

``make lane LANE=kills-mail`` runs many rounds.
"""

import os
import random
from pathlib import Path

from tests.support.mail_chaos import STEPS, MailChaos, mail_chaos
from tests.support.site import Site
from tests.support.smtp_faults import DROP, STALL

ROUNDS = int(os.environ.get("KILLS", "2"))
SEED = int(os.environ.get("SEED", "6"))

FAULTS = {
    "rejects the recipient": ("RCPT", "451 4.3.0 later"),
    "rejects the content": ("CONTENT", "452 4.3.1 full"),
    "is busy": ("BANNER", "421 4.3.2 busy"),
    "stalls": ("MAIL", STALL),
    "stalls after the final dot": ("CONTENT", STALL),
    "closes the connection": ("RCPT", DROP),
    "closes the connection after the final dot": ("CONTENT", DROP),
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
        # Without this, delayed emails would wait up to half an hour for the next attempt.
        await chaos.retry_now_until_sent()
        chaos.check()
        lines.append(
            f"{len(chaos.committed)} committed, {len(chaos.rolled_back)} rolled back,"
            f" {len(chaos.server.accepted)} arrived, {len(chaos.unconfirmed)} with unknown delivery"
        )
        print("\n".join(lines))  # noqa: T201 - the lane reports these counts


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
    # Connections are reused, so a new one is certain only after the mailer starts.
    killed = chaos.kill_at(step) if step in ("BANNER", "EHLO") else None
    await chaos.commit(mails)
    if redis == "flushed":
        chaos.redis.flush()
    if killed is None:
        killed = chaos.kill_at(step)
        # All earlier emails may have been sent by now.
        await chaos.commit(1)
    await chaos.killed(killed, seconds=120)
    chaos.server.once.clear()
    if redis == "frozen":
        chaos.redis.thaw()
    chaos.redis.start()
    chaos.mailer.start()
