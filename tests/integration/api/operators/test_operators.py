"""Operators: their roles, invitation, sign-in beside site users, and the command line."""

import asyncio
import os
import subprocess
import sys
from typing import Any

import httpx
import pytest

from sysndd_api.operators.service import Operators
from sysndd_api.security.access import OperatorRole
from sysndd_api.settings import ApiSettings
from tests.support.accounts import NEW_PASSWORD, Lifecycle, add_site_user, link_of, token_of
from tests.support.http import PASSWORD, Api, problem, served, sign_in
from tests.support.pages import put_backup
from tests.support.site import REPOSITORY, Site
from tests.support.workers import PACKAGES

OPERATORS = "/api/admin/operators"
LOGIN = "/api/auth/login"


async def add_operator(api: Api, name: str, role: OperatorRole) -> int:
    view, created = await api.context[Operators].create(name, f"{name}@ops.example", role, PASSWORD)
    assert created
    return view.operator_id


async def test_an_invited_operator_chooses_a_password_and_signs_in(lifecycle: Lifecycle) -> None:
    admin = lifecycle.api.admin
    body = {"user_name": "olga", "email": "olga@ops.example", "role": "maintainer"}
    answer = await admin.post(OPERATORS, json=body)
    assert answer.status_code == 201, answer.text
    view = answer.json()
    assert answer.headers["location"] == f"{OPERATORS}/{view['operator_id']}"
    assert (view["state"], view["role"], view["remark"]) == ("invited", "maintainer", None)
    assert await lifecycle.status_of_login("olga", PASSWORD) == 401
    (mail,) = await lifecycle.mails("olga@ops.example")
    assert mail["Subject"].startswith("Invitation to operate")
    assert "admin has created an operator account at SysNDD for you" in mail["Text"]
    assert "/account/reset?token=" in link_of(mail)
    token = token_of(mail)
    answer = await lifecycle.post("password-reset/confirm", token=token, password=NEW_PASSWORD)
    assert (answer.json()["realm"], answer.json()["state"]) == ("operator", "active")
    again = await lifecycle.post("password-reset/confirm", token=token, password=PASSWORD)
    problem(again, 410, "link_invalid")
    async with httpx.AsyncClient(base_url=lifecycle.client.base_url) as olga:
        token = await sign_in(olga, "OLGA@ops.example", NEW_PASSWORD)
        olga.headers["Authorization"] = f"Bearer {token}"
        me = (await olga.get("/api/auth/me")).json()
        assert (me["realm"], me["user_name"], me["role"]) == ("operator", "olga", "maintainer")
        assert (await olga.get("/api/admin/backups")).status_code == 200
    assert lifecycle.audited().count(("reset", "ok")) == 1
    assert lifecycle.audited().count(("reset", "link_invalid")) == 1


async def test_a_new_invitation_replaces_the_earlier_one(lifecycle: Lifecycle) -> None:
    admin = lifecycle.api.admin
    body = {"user_name": "olga", "email": "olga@ops.example", "role": "viewer"}
    path = f"{OPERATORS}/{(await admin.post(OPERATORS, json=body)).json()['operator_id']}"
    first = token_of((await lifecycle.mails("olga@ops.example"))[-1])
    assert (await admin.post(f"{path}/invitation")).status_code == 202
    second = token_of((await lifecycle.mails("olga@ops.example"))[-1])
    problem(
        await lifecycle.post("password-reset/confirm", token=first, password=NEW_PASSWORD),
        410,
        "link_invalid",
    )
    answer = await lifecycle.post("password-reset/confirm", token=second, password=NEW_PASSWORD)
    assert answer.status_code == 200
    problem(await admin.post(f"{path}/invitation"), 409, "account_state_conflict")


async def test_an_operator_resets_a_forgotten_password_by_email(lifecycle: Lifecycle) -> None:
    assert (await lifecycle.post("password-reset", email="admin@sysndd.example")).status_code == 202
    token = token_of((await lifecycle.mails("admin@sysndd.example"))[-1])
    answer = await lifecycle.post("password-reset/confirm", token=token, password=NEW_PASSWORD)
    assert answer.json()["realm"] == "operator"
    problem(await lifecycle.api.admin.get("/api/auth/me"), 401, "not_signed_in")
    assert await lifecycle.status_of_login("admin", PASSWORD) == 401
    assert await lifecycle.status_of_login("admin", NEW_PASSWORD) == 200


async def test_the_same_login_in_both_realms(lifecycle: Lifecycle, site: Site) -> None:
    """The password decides; only the operator's gives access to the operator routes."""
    api = lifecycle.api
    add_site_user(site, "chief")
    view, _ = await api.context[Operators].create(
        "chief", "chief@ops.example", OperatorRole.VIEWER, NEW_PASSWORD
    )
    assert "The site user chief has the same user name" in str(view.remark)
    for password, realm, status in ((NEW_PASSWORD, "operator", 200), (PASSWORD, "site", 403)):
        token = await sign_in(api.client, "chief", password)
        headers = {"Authorization": f"Bearer {token}"}
        assert (await api.client.get("/api/auth/me", headers=headers)).json()["realm"] == realm
        answer = await api.client.get("/api/admin/backups", headers=headers)
        assert answer.status_code == status, answer.text
    # A disabled operator's login stays closed: the site's password does not open it again.
    await api.admin.post(f"{OPERATORS}/{view.operator_id}", json={"state": "disabled"})
    token = await sign_in(api.client, "chief", PASSWORD)
    headers = {"Authorization": f"Bearer {token}"}
    problem(await api.client.get("/api/admin/backups", headers=headers), 403, "not_allowed")
    problem(
        await api.client.post(LOGIN, json={"login": "chief", "password": NEW_PASSWORD}),
        401,
        "invalid_credentials",
    )


@pytest.mark.parametrize(("setting", "status"), [("true", 200), ("false", 403)])
async def test_site_administrators_sign_in_as_administrators_if_the_setting_allows_it(
    site: Site, setting: str, status: int
) -> None:
    settings = site.load(ApiSettings, SITE_ADMINISTRATOR_SIGN_IN=setting)
    add_site_user(site, "chief")
    add_site_user(site, "curator", "Curator")
    async with served(settings) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        for name, expected in (("chief", status), ("curator", 403)):
            headers = {"Authorization": f"Bearer {await sign_in(client, name)}"}
            me = (await client.get("/api/auth/me", headers=headers)).json()
            assert me["realm"] == "site"
            answer = await client.get("/api/admin/audit", headers=headers)
            assert answer.status_code == expected, name


async def test_operators_sign_in_without_the_application_schema(api: Api, site: Site) -> None:
    """The worst day: the schema that is to be restored is gone."""
    add_site_user(site, "marie", "Viewer")
    site.server.execute(f"DROP DATABASE `{site.app}`")
    async with (
        served(site.load(ApiSettings)) as started_later,
        httpx.AsyncClient(base_url=started_later) as client,
    ):
        await sign_in(client, "admin")
    token = await sign_in(api.client, "admin")
    headers = {"Authorization": f"Bearer {token}"}
    assert (await api.client.get("/api/auth/me", headers=headers)).json()["realm"] == "operator"
    for path in ("backups", "jobs", "operators", "audit", "mail", "migrations"):
        answer = await api.client.get(f"/api/admin/{path}", headers=headers)
        assert answer.status_code == 200, (path, answer.text)
    # A restore can be submitted; whether it can run is the worker's decision.
    backup = put_backup(site, 1)
    answer = await api.client.post(
        f"/api/admin/backups/{backup.name}/restore", json={"confirm": "RESTORE"}, headers=headers
    )
    assert answer.status_code == 202, answer.text
    # A site user and an unknown login get the same answer, which does not blame the password.
    bodies = []
    for login in ("marie", "nobody"):
        answer = await api.client.post(LOGIN, json={"login": login, "password": PASSWORD})
        assert answer.status_code == 503, answer.text
        bodies.append(answer.json() | {"request_id": None})
    assert bodies[0] == bodies[1]


async def test_the_last_active_administrator_cannot_be_removed(api: Api) -> None:
    ((me),) = (await api.admin.get(OPERATORS)).json()["data"]
    path = f"{OPERATORS}/{me['operator_id']}"
    for change in ({"role": "viewer"}, {"state": "disabled"}):
        problem(await api.admin.post(path, json=change), 409, "last_administrator")
    # Neither an invited nor a disabled administrator counts, and no other role does.
    await add_operator(api, "mike", OperatorRole.MAINTAINER)
    other = await add_operator(api, "other", OperatorRole.ADMINISTRATOR)
    await api.admin.post(f"{OPERATORS}/{other}", json={"state": "disabled"})
    body = {"user_name": "ines", "email": "ines@ops.example", "role": "administrator"}
    assert (await api.admin.post(OPERATORS, json=body)).status_code == 201
    problem(await api.admin.post(path, json={"state": "disabled"}), 409, "last_administrator")
    assert (await api.admin.post(f"{OPERATORS}/{other}", json={"state": "active"})).json()[
        "state"
    ] == "active"
    assert (await api.admin.post(path, json={"state": "disabled"})).json()["state"] == "disabled"
    problem(await api.admin.get("/api/auth/me"), 401, "not_signed_in")


async def test_one_of_twenty_administrators_who_remove_each_other_remains(
    api: Api, site: Site
) -> None:
    ids = [await add_operator(api, f"op{n}", OperatorRole.ADMINISTRATOR) for n in range(20)]
    clients = [await api.signed_in(f"op{n}") for n in range(20)]
    ((me),) = [
        one
        for one in (await api.admin.get(OPERATORS)).json()["data"]
        if one["user_name"] == "admin"
    ]
    await api.admin.post(f"{OPERATORS}/{me['operator_id']}", json={"role": "viewer"})

    async def remove(index: int) -> int:
        change = {"state": "disabled"} if index % 2 else {"role": "maintainer"}
        path = f"{OPERATORS}/{ids[(index + 1) % 20]}"
        return (await clients[index].post(path, json=change)).status_code

    statuses = await asyncio.gather(*map(remove, range(20)))
    left = site.server.execute(
        f"SELECT user_name FROM `{site.ops}`.`operator`"
        " WHERE role = 'administrator' AND state = 'active'"
    )
    assert len(left) >= 1
    assert statuses.count(200) == 20 - len(left)
    # A request of an administrator who was removed earlier is refused, by state or by role.
    assert set(statuses) <= {200, 401, 403, 409}
    for client in clients:
        await client.aclose()


async def test_changes_of_an_operator_end_sessions_and_notify(lifecycle: Lifecycle) -> None:
    api = lifecycle.api
    olga_id = await add_operator(api, "olga", OperatorRole.VIEWER)
    path = f"{OPERATORS}/{olga_id}"
    async with await api.signed_in("olga") as olga:
        assert len((await api.admin.get(f"{path}/sessions")).json()["data"]) == 1
        answer = await api.admin.post(path, json={"role": "administrator"})
        assert answer.json()["role"] == "administrator"
        problem(await olga.get("/api/auth/me"), 401, "not_signed_in")
    for address in ("admin@sysndd.example", "olga@ops.example"):
        assert (await lifecycle.mails(address))[-1]["Subject"].endswith("has a new administrator")
    answer = await api.admin.post(path, json={"email": "olga@new.example"})
    assert answer.json()["email"] == "olga@new.example"
    assert "olga@new.example" in (await lifecycle.mails("olga@ops.example"))[-1]["Text"]
    async with await api.signed_in("olga") as olga:
        assert (await api.admin.delete(f"{path}/sessions")).json() == {"ended": 1}
        problem(await olga.get("/api/auth/me"), 401, "not_signed_in")
    body = {"user_name": "OLGA", "email": "x@ops.example", "role": "viewer"}
    problem(await api.admin.post(OPERATORS, json=body), 409, "conflict")
    problem(await api.admin.post(path, json={"email": "admin@sysndd.example"}), 409, "conflict")
    for wrong in ("0", "x", "-1", "9" * 12, "٣"):
        problem(await api.admin.get(f"{OPERATORS}/{wrong}"), 404, "operator_not_found")
    for bad in ({"role": "Administrator"}, {"state": "invited"}, {"email": "x"}, {"password": "x"}):
        problem(await api.admin.post(path, json=bad), 422, "invalid_request")


async def test_an_operator_changes_the_own_password_but_not_the_address(api: Api) -> None:
    body: dict[str, Any] = {"old_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await api.admin.post("/api/auth/password", json=body)).status_code == 204
    assert (await api.admin.get("/api/auth/me")).status_code == 200
    await sign_in(api.client, "admin", NEW_PASSWORD)
    body = {"email": "new@ops.example", "password": NEW_PASSWORD}
    problem(await api.admin.post("/api/auth/email", json=body), 403, "not_allowed")


async def test_a_viewer_sees_no_personal_data_and_a_maintainer_cancels_only_own_jobs(
    api: Api,
) -> None:
    for name, role in (("vera", OperatorRole.VIEWER), ("mike", OperatorRole.MAINTAINER)):
        await add_operator(api, name, role)
    job_id = (await api.admin.post("/api/admin/backups")).json()["job_id"]
    path = f"/api/admin/jobs/{job_id}"
    async with await api.signed_in("vera") as vera, await api.signed_in("mike") as mike:
        seen = (await vera.get(path)).json()
        assert (seen["requested_by"], seen["requested_by_name"]) == (None, None)
        assert (await mike.get(path)).json()["requested_by_name"] == "admin"
        for path_ in ("users", "operators", "mail", "audit"):
            problem(await vera.get(f"/api/admin/{path_}"), 403, "not_allowed")
            assert (await mike.get(f"/api/admin/{path_}")).status_code == 200
        problem(await mike.post(f"{path}/cancel"), 403, "not_allowed")
        assert (await api.admin.post(f"{path}/cancel")).json()["state"] == "cancelled"
        own = (await mike.post("/api/admin/backups")).json()["job_id"]
        answer = await mike.post(f"/api/admin/jobs/{own}/cancel")
        assert answer.json()["state"] == "cancelled"


async def test_the_command_line_manages_operators(
    api: Api, lifecycle: Lifecycle, site: Site
) -> None:
    def run(*arguments: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
        paths = os.pathsep.join(str(REPOSITORY / package) for package in PACKAGES)
        return subprocess.run(
            [sys.executable, "-m", "sysndd_api.cli.main", *arguments],
            input=f"{password}\n",
            env={**os.environ, **site.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    create = ("operator", "create", "--user-name", "olga", "--email", "olga@ops.example")
    done = run(*create, "--role", "maintainer", "--password-stdin")
    assert (done.returncode, done.stdout) == (
        0,
        "Operator olga was created with the role maintainer.\n",
    ), done.stderr
    done = run(*create, "--role", "maintainer", "--password-stdin")
    assert done.stdout == "Operator olga already exists; no changes made.\n"
    done = run(*create, "--role", "viewer", "--password-stdin")
    assert done.returncode == 1
    assert "already exists: olga, maintainer, active" in done.stderr
    done = run("create-admin", "--user-name", "anna", "--email", "a@b", "--password-stdin")
    assert done.returncode == 1
    assert "is not valid" in done.stderr
    add_site_user(site, "site")
    done = run(
        "create-admin", "--user-name", "site", "--email", "site@ops.example", "--password-stdin"
    )
    assert "The site user site has the same user name or address" in done.stdout
    listed = run("operator", "list")
    assert "maintainer     active    olga  olga@ops.example" in listed.stdout
    assert run("operator", "set-role", "olga", "viewer").returncode == 0
    done = run("operator", "set-password", "olga", "--password-stdin", password=NEW_PASSWORD)
    assert done.returncode == 0, done.stderr
    assert await lifecycle.status_of_login("olga", NEW_PASSWORD) == 200
    assert run("operator", "disable", "olga").returncode == 0
    assert await lifecycle.status_of_login("olga", NEW_PASSWORD) == 401
    done = run("operator", "set-password", "olga", "--password-stdin")
    assert "operator enable olga" in done.stderr
    assert run("operator", "enable", "olga@ops.example").returncode == 0
    assert run("operator", "set-email", "olga", "new@ops.example").returncode == 0
    done = run("operator", "disable", "nobody")
    assert (done.returncode, "There is no operator named nobody" in done.stderr) == (1, True)
    assert run("operator", "disable", "site").returncode == 0
    done = run("operator", "disable", "admin", "--json")
    assert '"code": "last_administrator"' in done.stdout
    # The alias of 0.9.0 also finds site Administrators, as it did then.
    add_site_user(site, "chief")
    done = run("set-password", "--user-name", "chief", "--password-stdin", password=NEW_PASSWORD)
    assert done.returncode == 0, done.stderr
    assert await lifecycle.status_of_login("chief", NEW_PASSWORD) == 200
    invite = (*create[:3], "ines", "--email", "ines@ops.example", "--role", "viewer", "--invite")
    assert "was invited" in run(*invite).stdout
    assert len(await lifecycle.mails("ines@ops.example")) == 1
