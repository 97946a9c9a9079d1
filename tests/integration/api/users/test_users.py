"""Administration of accounts; the last Administrator cannot be removed."""

import asyncio
import os
import subprocess
import sys

from sysndd_api.settings import ApiSettings
from tests.support.accounts import Lifecycle, add_site_user, remove_operators, token_of
from tests.support.http import PASSWORD, Api, problem, served, sign_in
from tests.support.site import REPOSITORY, Site
from tests.support.workers import PACKAGES

USERS = "/api/admin/users"
MARIE = "marie@lab.example"


async def test_accounts_are_listed_and_searched(lifecycle: Lifecycle) -> None:
    admin = lifecycle.api.admin
    await lifecycle.register(first_name="Marie", family_name="100%_Curie")
    await lifecycle.active("pierre")
    listed = (await admin.get(USERS)).json()
    assert [one["user_name"] for one in listed["data"]] == ["marie", "pierre"]
    assert listed["total"] == 2
    assert "password" not in str(listed)
    assert "argon2" not in str(listed)
    for query, names in {
        "search=curie": ["marie"],
        "search=LAB.example": ["marie", "pierre"],
        "search=100%25": ["marie"],
        "search=%25": ["marie"],
        "search=_": ["marie"],
        "search=nobody": [],
        "state=unconfirmed": ["marie"],
        "role=Administrator": [],
        "role=Viewer&state=active": ["pierre"],
        "sort=-user_name": ["pierre", "marie"],
        "page_size=1&page=2": ["pierre"],
    }.items():
        found = (await admin.get(f"{USERS}?{query}")).json()["data"]
        assert [one["user_name"] for one in found] == names, query
    for query in ("role=administrator", "state=x", "sort=password_hash", "search=" + "x" * 101):
        problem(await admin.get(f"{USERS}?{query}"), 422, "invalid_request")
    one = listed["data"][0]
    assert (await admin.get(f"{USERS}/{one['user_id']}")).json() == one


async def test_an_unknown_account_is_not_found(api: Api) -> None:
    for wrong in ("0", "999999999", "9999999999999", "x", "-1", "1e1", "٣"):
        for method, path in (
            ("GET", ""),
            ("POST", "/approve"),
            ("POST", "/deactivate"),
            ("POST", "/reactivate"),
            ("POST", "/resend-confirmation"),
            ("GET", "/sessions"),
            ("DELETE", "/sessions"),
        ):
            answer = await api.admin.request(method, f"{USERS}/{wrong}{path}")
            problem(answer, 404, "user_not_found")


async def test_an_account_is_deactivated_and_reactivated(lifecycle: Lifecycle) -> None:
    admin = lifecycle.api.admin
    await lifecycle.active()
    path = f"{USERS}/{lifecycle.user('marie')['user_id']}"
    async with await lifecycle.api.signed_in("marie") as marie:
        for _ in range(2):
            answer = await admin.post(f"{path}/deactivate")
            assert answer.json()["state"] == "deactivated"
        problem(await marie.get("/api/auth/me"), 401, "not_signed_in")
        assert await lifecycle.status_of_login("marie", PASSWORD) == 401
        assert (await admin.post(f"{path}/reactivate")).json()["state"] == "active"
        # Earlier sessions stay ended.
        problem(await marie.get("/api/auth/me"), 401, "not_signed_in")
    assert await lifecycle.status_of_login("marie", PASSWORD) == 200
    problem(await admin.post(f"{path}/resend-confirmation"), 409, "account_state_conflict")


async def test_a_role_change_ends_sessions_and_notifies_administrators(
    lifecycle: Lifecycle,
) -> None:
    admin = lifecycle.api.admin
    await lifecycle.active()
    path = f"{USERS}/{lifecycle.user('marie')['user_id']}/role"
    problem(await admin.post(path, json={"role": "administrator"}), 422, "invalid_request")
    async with await lifecycle.api.signed_in("marie") as marie:
        answer = await admin.post(path, json={"role": "Viewer"})
        assert (await marie.get("/api/auth/me")).status_code == 200  # nothing changed
        for role in ("Reviewer", "Curator", "Administrator"):
            answer = await admin.post(path, json={"role": role})
            assert answer.json()["role"] == role
        problem(await marie.get("/api/auth/me"), 401, "not_signed_in")
    async with await lifecycle.api.signed_in("marie") as marie:
        assert (await marie.get(USERS)).status_code == 200
    for address in ("admin@sysndd.example", MARIE):
        mail = (await lifecycle.mails(address))[-1]
        assert mail["Subject"] == "SysNDD has a new administrator"
        assert "marie is now an administrator of SysNDD. admin assigned" in mail["Text"]


async def test_an_administrator_resends_a_confirmation_and_ends_sessions(
    lifecycle: Lifecycle,
) -> None:
    admin = lifecycle.api.admin
    await lifecycle.register()
    path = f"{USERS}/{lifecycle.user('marie')['user_id']}"
    problem(await admin.post(f"{path}/approve"), 409, "account_state_conflict")
    assert (await admin.post(f"{path}/resend-confirmation")).status_code == 202
    mails = await lifecycle.mails(MARIE)
    assert len(mails) == 2
    await lifecycle.post("confirm", token=token_of(mails[-1]))
    async with await lifecycle.api.signed_in("marie") as marie:
        (session,) = (await admin.get(f"{path}/sessions")).json()["data"]
        assert session["current"] is False
        assert (await admin.delete(f"{path}/sessions")).json() == {"ended": 1}
        problem(await marie.get("/api/auth/me"), 401, "not_signed_in")
    actions = {action for action, _ in lifecycle.audited()}
    assert actions >= {"resend_confirmation", "end_sessions", "confirm", "register", "sign_in"}


async def test_the_last_administrator_cannot_be_removed(api: Api, site: Site) -> None:
    path = f"{USERS}/{add_site_user(site, 'chief')}"
    remove_operators(site)
    async with await api.signed_in("chief") as chief:
        problem(await chief.post(f"{path}/deactivate"), 409, "last_administrator")
        answer = await chief.post(f"{path}/role", json={"role": "Viewer"})
        problem(answer, 409, "last_administrator")
        # A deactivated Administrator does not count.
        add_site_user(site, "other", state="deactivated")
        problem(await chief.post(f"{path}/deactivate"), 409, "last_administrator")
        assert (await chief.get("/api/auth/me")).status_code == 200


async def test_with_an_operator_the_last_site_administrator_can_be_removed(
    api: Api, site: Site
) -> None:
    path = f"{USERS}/{add_site_user(site, 'chief')}"
    assert (await api.admin.post(f"{path}/deactivate")).json()["state"] == "deactivated"


async def test_one_of_twenty_administrators_who_remove_each_other_remains(
    api: Api, site: Site
) -> None:
    """Each removes the next one, all concurrently, through two APIs."""
    names = [f"admin{number}" for number in range(20)]
    for name in names:
        add_site_user(site, name)
    clients = [await api.signed_in(name) for name in names]
    users = (await api.admin.get(USERS)).json()["data"]
    ids = {one["user_name"]: one["user_id"] for one in users}
    remove_operators(site)

    async with served(site.load(ApiSettings)) as second:

        async def remove(index: int) -> int:
            path = f"{USERS}/{ids[names[(index + 1) % 20]]}"
            client = clients[index]
            base = second if index % 2 else str(client.base_url)
            if index % 4 < 2:
                answer = await client.post(f"{base}{path}/deactivate")
            else:
                answer = await client.post(f"{base}{path}/role", json={"role": "Curator"})
            return answer.status_code

        statuses = await asyncio.gather(*map(remove, range(20)))
    left = site.server.execute(
        f"SELECT user_name FROM `{site.app}`.`user`"
        " WHERE role = 'Administrator' AND state = 'active'"
    )
    assert len(left) >= 1
    # A request of an Administrator who was removed earlier is refused, and only such requests are.
    assert statuses.count(200) == 20 - len(left)
    assert set(statuses) <= {200, 401, 409}
    for client in clients:
        await client.aclose()


async def test_one_of_the_last_two_administrators_remains_after_twenty_removals(
    api: Api, site: Site
) -> None:
    for name in ("admin", "other"):
        add_site_user(site, name)
    remove_operators(site)
    for _ in range(3):
        site.server.execute(
            f"UPDATE `{site.app}`.`user` SET role = 'Administrator', state = 'active'"
        )
        tokens = [await sign_in(api.client, name) for name in ("admin", "other")]
        headers = [{"Authorization": f"Bearer {token}"} for token in tokens]
        users = (await api.client.get(USERS, headers=headers[0])).json()["data"]
        ids = {one["user_name"]: one["user_id"] for one in users}

        async def remove(number: int, headers: list[dict[str, str]], ids: dict[str, int]) -> int:
            mine, theirs = number % 2, ("other", "admin")[number % 2]
            path = f"{USERS}/{ids[theirs]}"
            if number % 4 < 2:
                answer = await api.client.post(f"{path}/deactivate", headers=headers[mine])
            else:
                body = {"role": "Viewer"}
                answer = await api.client.post(f"{path}/role", json=body, headers=headers[mine])
            return answer.status_code

        statuses = await asyncio.gather(*(remove(n, headers, ids) for n in range(20)))
        ((left,),) = site.server.execute(
            f"SELECT COUNT(*) FROM `{site.app}`.`user`"
            " WHERE role = 'Administrator' AND state = 'active'"
        )
        assert left == 1, statuses


async def test_the_command_line_manages_accounts(
    api: Api, lifecycle: Lifecycle, site: Site
) -> None:
    await lifecycle.active()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        paths = os.pathsep.join(str(REPOSITORY / package) for package in PACKAGES)
        return subprocess.run(
            [sys.executable, "-m", "sysndd_api.cli.main", *arguments],
            env={**os.environ, **site.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    done = await asyncio.to_thread(run, "set-role", "marie", "Administrator")
    assert (done.returncode, done.stdout) == (
        0,
        "marie: role set to Administrator; all sessions revoked.\n",
    ), done.stderr
    done = await asyncio.to_thread(run, "users", "--search", "marie")
    assert "Administrator  active" in done.stdout
    remove_operators(site)
    done = await asyncio.to_thread(run, "deactivate", "marie", "--json")
    assert done.returncode == 1
    assert '"code": "last_administrator"' in done.stdout
    done = await asyncio.to_thread(run, "approve", "nobody")
    assert (done.returncode, done.stderr) == (
        1,
        "sysndd-admin approve: There is no account named nobody.\n",
    )
    assert (await lifecycle.subjects(MARIE))[-1] == "SysNDD has a new administrator"
