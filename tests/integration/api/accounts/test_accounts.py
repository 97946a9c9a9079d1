"""Registration, password reset and email change over HTTP, with a real mailer and mail server."""

import pytest

from tests.support.accounts import NEW_PASSWORD, Lifecycle, about, link_of, token_of
from tests.support.http import PASSWORD, problem, sign_in

MARIE = "marie@lab.example"


async def test_an_account_is_registered_confirmed_and_signed_in(lifecycle: Lifecycle) -> None:
    answer = await lifecycle.register(
        first_name="Marie", family_name="Ó Briain", orcid="0000-0002-1825-0097", comment="Hello!"
    )
    assert answer.status_code == 202
    assert lifecycle.user("marie")["state"] == "unconfirmed"
    assert await lifecycle.status_of_login("marie", PASSWORD) == 401
    (mail,) = await lifecycle.mails(MARIE)
    assert link_of(mail).startswith("http://sysndd.example/account/confirm?token=")
    assert "48 hours" in mail["Text"]
    token = token_of(mail)
    # Mail scanners open every link with GET, which must change nothing.
    for method in ("GET", "HEAD"):
        for path in ("/api/auth/confirm", f"/api/auth/confirm?token={token}"):
            assert (await lifecycle.client.request(method, path)).status_code == 405
    assert lifecycle.user("marie")["state"] == "unconfirmed"
    assert (await lifecycle.post("confirm", token=token)).json() == {"status": "active"}
    assert (await lifecycle.post("confirm", token=token)).json() == {"status": "already_active"}
    for login in ("marie", "MARIE", MARIE, MARIE.upper()):
        assert await lifecycle.status_of_login(login, PASSWORD) == 200
    user = lifecycle.user("marie")
    assert (user["role"], user["state"]) == ("Viewer", "active")
    assert ("register", "ok") in lifecycle.audited()
    assert ("confirm", "ok") in lifecycle.audited()


async def test_a_password_reset_ends_sessions_and_links(lifecycle: Lifecycle) -> None:
    await lifecycle.active()
    old_session = await sign_in(lifecycle.client, "marie")
    for _ in range(2):
        assert (await lifecycle.post("password-reset", email=MARIE)).status_code == 202
    first, second = (await lifecycle.mails(MARIE))[-2:]
    assert link_of(first).startswith("http://sysndd.example/account/reset?token=")
    assert "60 minutes" in first["Text"]
    # A rejected password does not use up the link.
    for refused in ("short", "password1234", "marie1234567", "x" * 12):
        answer = await lifecycle.post(
            "password-reset/confirm", token=token_of(first), password=refused
        )
        problem(answer, 422, "password_rejected")
    answer = await lifecycle.post(
        "password-reset/confirm", token=token_of(first), password=NEW_PASSWORD
    )
    assert (answer.status_code, answer.json()["user_name"]) == (200, "marie")
    headers = {"Authorization": f"Bearer {old_session}"}
    problem(await lifecycle.client.get("/api/auth/me", headers=headers), 401, "not_signed_in")
    assert await lifecycle.status_of_login("marie", PASSWORD) == 401
    assert await lifecycle.status_of_login("marie", NEW_PASSWORD) == 200
    for token in (token_of(first), token_of(second)):
        answer = await lifecycle.post(
            "password-reset/confirm", token=token, password="yet another sentence"
        )
        problem(answer, 410, "link_invalid")
    assert (await lifecycle.subjects(MARIE))[-1] == "Your SysNDD password was changed"
    assert lifecycle.audited()[-1] == ("reset", "link_invalid")


async def test_a_link_works_for_one_purpose_and_a_limited_time(lifecycle: Lifecycle) -> None:
    await lifecycle.register()
    await lifecycle.active("pierre")
    await lifecycle.post("password-reset", email="pierre@lab.example")
    confirm = token_of((await lifecycle.mails(MARIE))[-1])
    reset = token_of((await lifecycle.mails("pierre@lab.example"))[-1])
    mails = len(await lifecycle.mails(MARIE))
    uses = [
        ("confirm", {"token": reset}),
        ("email/confirm", {"token": reset}),
        ("email/confirm", {"token": confirm}),
        ("password-reset/confirm", {"token": confirm, "password": NEW_PASSWORD}),
    ]
    for tampered in (
        "x",
        "A" * 43,
        confirm[:-1],
        confirm + "A",
        confirm.swapcase(),
        "é",
        "' OR 1=1",
    ):
        uses.append(("confirm", {"token": tampered}))
        uses.append(("password-reset/confirm", {"token": tampered, "password": NEW_PASSWORD}))
    table = f"`{lifecycle.site.ops}`.account_token"
    for path, body in uses:
        problem(await lifecycle.post(path, **body), 410, "link_invalid")
    lifecycle.site.server.execute(f"UPDATE {table} SET expires_at = UTC_TIMESTAMP(6)")
    for path, body in (
        ("confirm", {"token": confirm}),
        ("password-reset/confirm", {"token": reset, "password": NEW_PASSWORD}),
    ):
        problem(await lifecycle.post(path, **body), 410, "link_invalid")
    assert lifecycle.user("marie")["state"] == "unconfirmed"
    assert await lifecycle.status_of_login("pierre", PASSWORD) == 200
    assert len(await lifecycle.mails(MARIE)) == mails


async def test_a_link_does_not_pass_to_the_next_owner_of_a_user_id(lifecycle: Lifecycle) -> None:
    """A restore resets AUTO_INCREMENT, so an ID may be assigned to another account."""
    await lifecycle.register()
    token = token_of((await lifecycle.mails(MARIE))[-1])
    lifecycle.site.server.execute(
        f"UPDATE `{lifecycle.site.app}`.`user` SET created_at = UTC_TIMESTAMP(6)"
    )
    problem(await lifecycle.post("confirm", token=token), 410, "link_invalid")
    assert lifecycle.user("marie")["state"] == "unconfirmed"


async def test_a_confirmed_account_waits_for_approval_if_the_setting_requires_it(
    lifecycle: Lifecycle,
) -> None:
    lifecycle.site.environ["ACCOUNT_APPROVAL"] = "true"
    from sysndd_api.settings import ApiSettings
    from tests.support.http import served

    async with served(lifecycle.site.load(ApiSettings)) as base_url:
        await lifecycle.register()
        token = token_of((await lifecycle.mails(MARIE))[-1])
        url = f"{base_url}/api/auth/confirm"
        for _ in range(2):
            answer = await lifecycle.client.post(url, json={"token": token})
            assert answer.json() == {"status": "awaiting_approval"}
    assert await lifecycle.status_of_login("marie", PASSWORD) == 401
    user_id = lifecycle.user("marie")["user_id"]
    approved = await lifecycle.api.admin.post(f"/api/admin/users/{user_id}/approve")
    assert approved.json()["state"] == "active"
    assert await lifecycle.status_of_login("marie", PASSWORD) == 200
    assert (await lifecycle.subjects(MARIE))[-1] == "Your SysNDD account is active"


async def test_registering_a_known_address_notifies_its_owner_only(lifecycle: Lifecycle) -> None:
    await lifecycle.active()
    before = lifecycle.user("marie")
    first = await lifecycle.register("claire")
    second = await lifecycle.register("somebody", email="Marie@LAB.example", password=NEW_PASSWORD)
    third = await lifecycle.register("MARIE", email="third@lab.example")
    assert first.content == second.content == third.content
    assert {one.status_code for one in (first, second, third)} == {202}
    # Sent to the stored address, not to the one in the request.
    assert (await lifecycle.subjects(MARIE))[-1] == "You already have an account at SysNDD"
    assert await lifecycle.mails("Marie@LAB.example") == []
    (mail,) = await lifecycle.mails("third@lab.example")
    assert mail["Subject"] == "Choose a different SysNDD user name"
    assert lifecycle.user("marie") == before


async def test_two_different_passwords_for_one_unconfirmed_address_are_both_dropped(
    lifecycle: Lifecycle,
) -> None:
    """Otherwise an attacker who registers an address first would know the account's password."""
    await lifecycle.register("attacker", email=MARIE, password="the attacker's password")
    await lifecycle.register("marie")
    mail = about(await lifecycle.mails(MARIE), "more than once")
    assert (await lifecycle.post("confirm", token=token_of(mail))).status_code == 200
    assert await lifecycle.status_of_login(MARIE, "the attacker's password") == 401
    assert await lifecycle.status_of_login(MARIE, PASSWORD) == 401
    await lifecycle.post("password-reset", email=MARIE)
    token = token_of(about(await lifecycle.mails(MARIE), "Reset your SysNDD password"))
    await lifecycle.post("password-reset/confirm", token=token, password=NEW_PASSWORD)
    assert await lifecycle.status_of_login(MARIE, NEW_PASSWORD) == 200


async def test_the_same_password_for_one_unconfirmed_address_is_retained(
    lifecycle: Lifecycle,
) -> None:
    await lifecycle.register()
    await lifecycle.register()
    first, second = await lifecycle.mails(MARIE)
    assert "more than once" not in first["Text"] + second["Text"]
    # Either link confirms the account.
    assert (await lifecycle.post("confirm", token=token_of(first))).json()["status"] == "active"
    answer = await lifecycle.post("confirm", token=token_of(second))
    assert answer.json() == {"status": "already_active"}
    assert await lifecycle.status_of_login("marie", PASSWORD) == 200


async def test_resending_a_confirmation_is_rate_limited(lifecycle: Lifecycle) -> None:
    await lifecycle.register()
    answers = [await lifecycle.post("confirm/resend", email=MARIE) for _ in range(5)]
    answers += [await lifecycle.post("confirm/resend", email="nobody@lab.example")]
    assert {(one.status_code, one.content) for one in answers} == {(202, answers[0].content)}
    mails = await lifecycle.mails(MARIE)
    assert len(mails) == 1 + 2  # LIMIT_EMAILS_PER_ADDRESS
    assert await lifecycle.mails("nobody@lab.example") == []
    # An attacker who floods a mailbox does not invalidate the links in it.
    answer = await lifecycle.post("confirm", token=token_of(mails[0]))
    assert answer.json() == {"status": "active"}
    await lifecycle.post("confirm/resend", email=MARIE)
    assert len(await lifecycle.mails(MARIE)) == 3


async def test_an_unconfirmed_account_gets_a_confirmation_instead_of_a_reset(
    lifecycle: Lifecycle,
) -> None:
    await lifecycle.register()
    await lifecycle.post("password-reset", email=MARIE)
    assert await lifecycle.subjects(MARIE) == ["Confirm your email address for SysNDD"] * 2


async def test_a_deactivated_account_gets_no_link(lifecycle: Lifecycle) -> None:
    await lifecycle.active()
    await lifecycle.post("password-reset", email=MARIE)
    token = token_of((await lifecycle.mails(MARIE))[-1])
    user_id = lifecycle.user("marie")["user_id"]
    await lifecycle.api.admin.post(f"/api/admin/users/{user_id}/deactivate")
    answer = await lifecycle.post("password-reset/confirm", token=token, password=NEW_PASSWORD)
    problem(answer, 410, "link_invalid")
    count = len(await lifecycle.mails(MARIE))
    assert (await lifecycle.post("password-reset", email=MARIE)).status_code == 202
    assert len(await lifecycle.mails(MARIE)) == count


async def test_changing_the_password_requires_the_current_one(lifecycle: Lifecycle) -> None:
    await lifecycle.active()
    other = await sign_in(lifecycle.client, "marie")
    async with await lifecycle.api.signed_in("marie") as marie:
        path = "/api/auth/password"
        body = {"old_password": "not the password", "new_password": NEW_PASSWORD}
        problem(await marie.post(path, json=body), 403, "wrong_current_password")
        body = {"old_password": PASSWORD, "new_password": "marie@lab.example"}
        problem(await marie.post(path, json=body), 422, "password_rejected")
        body = {"old_password": PASSWORD, "new_password": NEW_PASSWORD}
        assert (await marie.post(path, json=body)).status_code == 204
        assert (await marie.get("/api/auth/me")).status_code == 200
    headers = {"Authorization": f"Bearer {other}"}
    problem(await lifecycle.client.get("/api/auth/me", headers=headers), 401, "not_signed_in")
    assert await lifecycle.status_of_login("marie", NEW_PASSWORD) == 200
    assert (await lifecycle.subjects(MARIE))[-1] == "Your SysNDD password was changed"
    assert ("change_password", "wrong_current_password") in lifecycle.audited()
    assert ("change_password", "ok") in lifecycle.audited()


@pytest.mark.parametrize("order", ["old first", "new first"])
async def test_an_email_change_is_confirmed_at_both_addresses(
    lifecycle: Lifecycle, order: str
) -> None:
    new = "marie@institute.example"
    await lifecycle.active()
    async with await lifecycle.api.signed_in("marie") as marie:
        wrong = {"email": new, "password": "not the password"}
        problem(await marie.post("/api/auth/email", json=wrong), 403, "wrong_current_password")
        answer = await marie.post("/api/auth/email", json={"email": new, "password": PASSWORD})
        assert answer.status_code == 202
    await lifecycle.post("password-reset", email=MARIE)
    mails = await lifecycle.mails(MARIE)
    to_old, reset = about(mails, "Request to change"), about(mails, "Reset your SysNDD password")
    (to_new,) = await lifecycle.mails(new)
    assert new in to_old["Text"]
    tokens = [token_of(to_old), token_of(to_new)]
    if order == "new first":
        tokens.reverse()
    for _ in range(2):
        answer = await lifecycle.post("email/confirm", token=tokens[0])
        assert answer.json() == {"status": "waiting_for_the_other"}
        assert lifecycle.user("marie")["email"] == MARIE
    for _ in range(2):
        answer = await lifecycle.post("email/confirm", token=tokens[1])
        assert answer.json() == {"status": "changed"}
    assert lifecycle.user("marie")["email"] == new
    assert await lifecycle.status_of_login(new, PASSWORD) == 200
    assert await lifecycle.status_of_login(MARIE, PASSWORD) == 401
    # Links that were sent to the previous address are invalid now.
    answer = await lifecycle.post(
        "password-reset/confirm", token=token_of(reset), password=NEW_PASSWORD
    )
    problem(answer, 410, "link_invalid")
    subject = "Your SysNDD email address was changed"
    assert (await lifecycle.subjects(MARIE))[-1] == subject


async def test_an_email_change_to_an_address_in_use_notifies_its_owner(
    lifecycle: Lifecycle,
) -> None:
    await lifecycle.active()
    await lifecycle.active("pierre")
    async with await lifecycle.api.signed_in("marie") as marie:
        body = {"email": "pierre@lab.example", "password": PASSWORD}
        assert (await marie.post("/api/auth/email", json=body)).status_code == 202
    to_old = (await lifecycle.mails(MARIE))[-1]
    answer = await lifecycle.post("email/confirm", token=token_of(to_old))
    assert answer.json() == {"status": "waiting_for_the_other"}
    assert (await lifecycle.subjects("pierre@lab.example"))[-1] == (
        "You already have an account at SysNDD"
    )


async def test_a_second_email_change_replaces_the_first(lifecycle: Lifecycle) -> None:
    await lifecycle.active()
    tokens = []
    async with await lifecycle.api.signed_in("marie") as marie:
        for new in ("first@lab.example", "second@lab.example"):
            body = {"email": new, "password": PASSWORD}
            assert (await marie.post("/api/auth/email", json=body)).status_code == 202
            tokens.append(token_of(about(await lifecycle.mails(MARIE), new)))
    problem(await lifecycle.post("email/confirm", token=tokens[0]), 410, "link_invalid")
    await lifecycle.post("email/confirm", token=tokens[1])
    (to_first,) = await lifecycle.mails("first@lab.example")
    problem(await lifecycle.post("email/confirm", token=token_of(to_first)), 410, "link_invalid")
    (to_new,) = await lifecycle.mails("second@lab.example")
    await lifecycle.post("email/confirm", token=token_of(to_new))
    assert lifecycle.user("marie")["email"] == "second@lab.example"


BAD = [
    ("user_name", "x"),
    ("user_name", "with@sign"),
    ("user_name", "a\u200bb"),
    ("user_name", "a\nb"),
    ("user_name", "x" * 65),
    ("email", "no address"),
    ("email", "a@b"),
    ("email", "a@b.example\n"),
    ("email", "a@b.example\r\nBcc: x@y.example"),
    ("email", "é@b.example"),
    ("email", "a b@c.example"),
    ("email", "<a@b.example>"),
    ("email", "a@b.example, c@d.example"),
    ("email", "x" * 65 + "@b.example"),
    ("password", ""),
    ("password", "x" * 129),
    ("orcid", "0000-0002-1825-0098"),
    ("orcid", "1"),
    ("first_name", "a\x00b"),
    ("role", "Administrator"),
    ("state", "active"),
]


async def test_invalid_fields_are_named(lifecycle: Lifecycle) -> None:
    for field, value in BAD:
        answer = await lifecycle.register(**{field: value})
        document = problem(answer, 422, "invalid_request")
        assert [error["field"] for error in document["errors"]] == [field], (field, value)
    assert lifecycle.audited() == [("create_operator", "ok"), ("sign_in", "ok")]


async def test_half_a_surrogate_pair_is_rejected(lifecycle: Lifecycle) -> None:
    for field in ("user_name", "email", "password", "comment"):
        answer = await lifecycle.register(**{field: "abc\ud800" * 4})
        problem(answer, 400, "malformed_json")
    raw = b'{"login": "\xed\xa0\x80", "password": "x"}'
    headers = {"Content-Type": "application/json"}
    answer = await lifecycle.client.post("/api/auth/login", content=raw, headers=headers)
    problem(answer, 400, "malformed_json")
