"""Which passwords pass, and hashes that grow with their parameters."""

import unicodedata

import pytest

from sysndd_api.security.passwords import PasswordHashing, check_password
from sysndd_core.errors import PasswordRejected, SignInBusy

OWN = ("marie.curie", "marie@lab.example")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "einundzwanzig Zeichen",
        "ſehr langes Paßwort",
        "密码密码钥匙钥匙山水花鸟",
        "839201938475",
        "            x",
        "aaaaaaaaaaab",
        "🦊🐢🐍🐙🦑🦀🐡🐬🐳🦈🐊🐅",
        "x" * 60 + "y" * 68,
        "kitty loves it",
    ],
)
def test_an_uncommon_long_password_is_accepted(password: str) -> None:
    check_password(password, site_name="Gene Atlas (Köln)", own=OWN)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "has 0"),
        ("eleven char", "has 11"),
        ("x" * 128 + "y", "has 129"),
        ("🦊" * 11, "has 11"),
        # One letter to the eye and to the standard, two code points to some keyboards.
        ("e\u0301" * 11, "has 11"),
        ("ﷺ" * 10, "has 180"),
        ("123456789012", "first"),
        ("210987654321", "first"),
        ("abcdefghijklm", "first"),
        ("QWERTYUIOP[]", "first"),
        ("1qaz2wsx3edc", "first"),
        ("passwordpassword", "first"),
        ("Password1234", "first"),
        ("!!!!password", "first"),
        ("ｐａｓｓｗｏｒｄ１２３４", "first"),
        ("aaaaaaaaaaaa", "first"),
        ("abcabcabcabc", "first"),
        ("marie.curie1", "first"),
        ("marie@lab.example", "first"),
        ("MARIE@LAB.EXAMPLE", "first"),
        ("sysnddsysndd", "first"),
        ("SysNDD-2026!", "first"),
        ("Dragon123456", "first"),
        ("Gene Atlas (Köln)", "first"),
        ("gene atlas (köln)2026!", "first"),
        ("geneatlasköln1", "first"),
        ("Atlas-2026!!", "first"),
        ("KÖLN12345678", "first"),
        ("ko\u0308lnko\u0308lnköln", "first"),
    ],
)
def test_a_short_long_or_common_password_is_rejected(password: str, why: str) -> None:
    with pytest.raises(PasswordRejected, match=why) as caught:
        check_password(password, site_name="Gene Atlas (Köln)", own=OWN)
    assert len(password) < 3 or password not in str(caught.value)


async def test_unicode_spellings_of_a_password_have_one_hash() -> None:
    hashing = PasswordHashing(memory_kib=8192, time_cost=1, concurrency=1)
    composed = "éàü — twelve ﬁgures"
    encoded = await hashing.hash(composed)
    assert await hashing.verify(unicodedata.normalize("NFD", composed), encoded)
    assert not await hashing.verify(composed.upper(), encoded)
    assert not await hashing.verify(composed, None)
    assert not await hashing.verify(composed, "not a hash")
    assert encoded.startswith("$argon2id$v=19$m=8192,t=1,p=1$")
    hashing.close()


async def test_a_hash_is_outdated_only_when_the_cost_rises() -> None:
    weak = PasswordHashing(memory_kib=8192, time_cost=1, concurrency=1)
    strong = PasswordHashing(memory_kib=9216, time_cost=2, concurrency=1)
    old, new = await weak.hash("x" * 12), await strong.hash("x" * 12)
    assert strong.is_outdated(old)
    assert strong.is_outdated("not a hash")
    assert not weak.is_outdated(new)
    assert not strong.is_outdated(new)
    weak.close()
    strong.close()


async def test_hashes_beyond_the_queue_limit_are_refused() -> None:
    import asyncio

    hashing = PasswordHashing(memory_kib=8192, time_cost=1, concurrency=1)
    answers = await asyncio.gather(
        *(hashing.hash("x" * 12) for _ in range(100)), return_exceptions=True
    )
    busy = [answer for answer in answers if isinstance(answer, SignInBusy)]
    assert len(busy) == 60
    assert len([answer for answer in answers if isinstance(answer, str)]) == 40
    hashing.close()
