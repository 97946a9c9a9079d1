"""Invalid input is answered with a problem document with a specific code, and changes nothing."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest

from sysndd_api.settings import ApiSettings
from tests.support.accounts import add_site_user
from tests.support.http import PASSWORD, Api, problem, served
from tests.support.site import Site
from tests.support.workers import eventually


@pytest.fixture
async def no_job_written(api: Api, site: Site) -> AsyncIterator[None]:
    """Check at the end that no job was written."""
    yield
    assert site.server.execute(f"SELECT COUNT(*) FROM `{site.ops}`.job") == ((0,),)


pytestmark = pytest.mark.usefixtures("no_job_written")

BACKUPS = "/api/admin/backups"
KNOWN = "manual_20260101T000000Z_0123abcd.sql.zst"


WRONG_CONFIRMATIONS: list[object] = [
    {},
    {"confirm": "restore"},
    {"confirm": "Restore"},
    {"confirm": "RESTORE "},
    {"confirm": " RESTORE"},
    {"confirm": "RESTORE\u200b"},
    {"confirm": "\uff32\uff25\uff33\uff34\uff2f\uff32\uff25"},
    {"confirm": True},
    {"confirm": ["RESTORE"]},
    {"confirm": None},
]


async def test_a_restore_with_a_wrong_confirmation_is_rejected(api: Api) -> None:
    for body in WRONG_CONFIRMATIONS:
        answer = await api.admin.post(f"{BACKUPS}/{KNOWN}/restore", json=body)
        problem(answer, 422, "confirmation_required")


async def test_an_unknown_backup_is_not_found(api: Api) -> None:
    answer = await api.admin.post(f"{BACKUPS}/{KNOWN}/restore", json={"confirm": "RESTORE"})
    problem(answer, 404, "backup_not_found")
    problem(await api.admin.get(f"{BACKUPS}/{KNOWN}"), 404, "backup_not_found")
    problem(await api.admin.get(f"{BACKUPS}/{KNOWN}/download"), 404, "backup_not_found")


INVALID_NAMES = [
    "..%2F..%2Fetc%2Fpasswd",
    "%2e%2e%2fsecret.sql",
    ".hidden.sql",
    "a%00b.sql",
    "x.sql.zst.json",
    "x.sql.zst.partial",
    "%2Fetc%2Fpasswd",
    "x" * 200 + ".sql",
    "a%5Cb.sql",
    "ä.sql",
]


async def test_an_invalid_backup_name_is_rejected(api: Api) -> None:
    for name in INVALID_NAMES:
        for answer in (
            await api.admin.get(f"{BACKUPS}/{name}"),
            await api.admin.get(f"{BACKUPS}/{name}/download"),
            await api.admin.post(f"{BACKUPS}/{name}/restore", json={"confirm": "RESTORE"}),
        ):
            problem(answer, 422, "invalid_backup_name")


async def test_an_unknown_job_is_not_found(api: Api) -> None:
    for job_id in [str(uuid.uuid4()), "1", "ä", "%27%20OR%201=1"]:
        problem(await api.admin.get(f"/api/admin/jobs/{job_id}"), 404, "job_not_found")
        problem(await api.admin.post(f"/api/admin/jobs/{job_id}/cancel"), 404, "job_not_found")


async def test_malformed_json_is_rejected(api: Api) -> None:
    for body in ["{", "", "\xff", '{"login": "a", }', "[" * 50_000]:
        answer = await api.client.post(
            "/api/auth/login",
            content=body.encode("latin-1"),
            headers={"content-type": "application/json"},
        )
        problem(answer, 400, "malformed_json")


async def test_json_that_is_not_an_object_is_rejected(api: Api) -> None:
    for body in ["[]", '"RESTORE"', "null", "1"]:
        answer = await api.client.post(
            "/api/auth/login", content=body, headers={"content-type": "application/json"}
        )
        problem(answer, 422, "invalid_request")


async def test_a_body_of_another_media_type_is_rejected(api: Api) -> None:
    answer = await api.client.post("/api/auth/login", content="login=admin")
    problem(answer, 415, "unsupported_media_type")


async def test_unknown_and_missing_fields_are_named_without_their_values(api: Api) -> None:
    answer = await api.client.post("/api/auth/login", json={"login": "admin", "pass": PASSWORD})
    document = problem(answer, 422, "invalid_request")
    assert {error["field"] for error in document["errors"]} == {"password", "pass"}
    assert PASSWORD not in answer.text


async def test_an_oversized_body_is_rejected_by_its_content_length(api: Api) -> None:
    answer = await api.client.post("/api/auth/login", json={"login": "x" * 70_000, "password": "y"})
    assert problem(answer, 413, "body_too_large")["limit"] == 65536


async def test_an_oversized_body_without_content_length_is_rejected(api: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    answer = await api.client.post(
        "/api/auth/login", content=chunks(), headers={"content-type": "application/json"}
    )
    problem(answer, 413, "body_too_large")


ADMIN_ONLY = [
    ("GET", BACKUPS),
    ("POST", BACKUPS),
    ("GET", f"{BACKUPS}/{KNOWN}"),
    ("GET", f"{BACKUPS}/{KNOWN}/download"),
    ("POST", f"{BACKUPS}/{KNOWN}/restore"),
    ("GET", "/api/admin/jobs"),
    ("GET", "/api/admin/jobs/1"),
    ("POST", "/api/admin/jobs/1/cancel"),
    ("GET", "/api/admin/audit"),
]


async def test_admin_routes_require_a_token(api: Api) -> None:
    for method, path in ADMIN_ONLY:
        for header in (None, "Bearer", "Bearer wrong", "Basic YWRtaW46YWRtaW4="):
            headers = {"Authorization": header} if header else {}
            answer = await api.client.request(method, path, headers=headers)
            problem(answer, 401, "not_signed_in")
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("role", ["Curator", "Reviewer", "Viewer"])
async def test_admin_routes_require_the_administrator_role(api: Api, site: Site, role: str) -> None:
    add_site_user(site, "other")
    site.server.execute(
        f"UPDATE `{site.app}`.`user` SET role = %s WHERE user_name = 'other'", (role,)
    )
    async with await api.signed_in("other") as other:
        assert (await other.get("/api/auth/me")).json()["role"] == role
        for method, path in ADMIN_ONLY:
            problem(await other.request(method, path), 403, "not_allowed")
    refused = site.server.execute(
        f"SELECT object, actor_name FROM `{site.ops}`.audit_log"
        " WHERE action = 'access' AND outcome = 'not_allowed' ORDER BY id"
    )
    assert list(refused) == [(f"{method} {path}", "other") for method, path in ADMIN_ONLY]


async def test_wrong_password_and_unknown_login_are_indistinguishable(api: Api) -> None:
    bodies = []
    for login in ("admin", "nobody", "nobody@sysndd.example", "' OR 1=1 -- "):
        answer = await api.client.post(
            "/api/auth/login", json={"login": login, "password": "x" * 12}
        )
        document = problem(answer, 401, "invalid_credentials")
        document.pop("request_id")
        bodies.append(document)
    assert all(body == bodies[0] for body in bodies)


async def test_a_deactivated_account_loses_access_immediately(api: Api, site: Site) -> None:
    add_site_user(site, "marie", "Viewer")
    async with await api.signed_in("marie") as marie:
        for client, login, table in (
            (api.admin, "admin", f"`{site.ops}`.`operator` SET state = 'disabled'"),
            (marie, "marie", f"`{site.app}`.`user` SET state = 'deactivated'"),
        ):
            assert (await client.get("/api/auth/me")).status_code == 200
            site.server.execute(f"UPDATE {table}")
            problem(await client.get("/api/auth/me"), 401, "not_signed_in")
            body = {"login": login, "password": PASSWORD}
            answer = await api.client.post("/api/auth/login", json=body)
            problem(answer, 401, "invalid_credentials")


async def test_a_signed_out_token_is_rejected(api: Api) -> None:
    assert (await api.admin.post("/api/auth/logout")).status_code == 204
    problem(await api.admin.get("/api/auth/me"), 401, "not_signed_in")


async def test_an_invalid_query_parameter_is_named(api: Api) -> None:
    for path, field in [
        ("/api/genes?page=0", "page"),
        ("/api/genes?page=x", "page"),
        ("/api/genes?page_size=100000", "page_size"),
        ("/api/genes?sort=symbol;drop", "sort"),
        ("/api/genes?colour=red", "colour"),
        ("/api/entities?category=definitive", "category"),
        ("/api/admin/backups?page=-1", "page"),
    ]:
        document = problem(await api.admin.get(path), 422, "invalid_request")
        assert [error["field"] for error in document["errors"]] == [field]


async def test_a_repeated_query_parameter_is_rejected(api: Api) -> None:
    problem(await api.client.get("/api/genes?page=1&page=2"), 422, "invalid_request")


async def test_unknown_paths_and_ids_are_not_found(api: Api) -> None:
    for path, code in [
        ("/api/nothing", "not_found"),
        ("/apix/genes", "not_found"),
        ("/api/genes/HGNC:0", "gene_not_found"),
        ("/api/entities/0", "entity_not_found"),
        ("/api/entities/abc", "entity_not_found"),
        ("/api/entities/99999999999999999999", "entity_not_found"),
        ("/api/entities/٣", "entity_not_found"),
    ]:
        problem(await api.client.get(path), 404, code)


async def test_a_wrong_method_is_rejected(api: Api) -> None:
    problem(await api.client.delete("/api/genes"), 405, "method_not_allowed")


async def test_an_invalid_request_id_is_replaced(api: Api) -> None:
    answer = await api.client.get("/api/genes", headers={"X-Request-Id": "a\tb" + "x" * 100})
    assert len(answer.headers["x-request-id"]) == 32
    kept = await api.client.get("/api/genes", headers={"X-Request-Id": "trace-0123456789"})
    assert kept.headers["x-request-id"] == "trace-0123456789"


async def test_a_saturated_pool_answers_503_with_retry_after(api: Api, site: Site) -> None:
    settings = site.load(ApiSettings, DB_POOL_SIZE="1", DB_POOL_TIMEOUT="0.4")
    with site.server.connect(site.app) as blocker, blocker.cursor() as cursor:
        cursor.execute("LOCK TABLES gene WRITE")
        async with (
            served(settings) as base_url,
            httpx.AsyncClient(base_url=base_url, timeout=30) as client,
        ):
            first = asyncio.create_task(client.get("/api/genes"))
            await asyncio.to_thread(eventually, "it waits", site.waiting_for_a_table, seconds=30)
            second = await client.get("/api/genes")
            problem(second, 503, "database_busy")
            assert int(second.headers["retry-after"]) >= 1
            cursor.execute("UNLOCK TABLES")
            assert (await first).status_code == 200
