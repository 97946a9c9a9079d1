"""The main path through the system, in real processes, over HTTP through Traefik."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from httpx import codes

from tests.support.system import System, poll


def test_a_restore_recovers_damaged_tables(
    system: System, anonymous: httpx.Client, admin: httpx.Client
) -> None:
    ready = anonymous.get("/api/health/ready")
    assert (ready.status_code, ready.json()["pending_migrations"]) == (codes.OK, 0)
    _seed(system)
    before = system.checksums()
    genes = anonymous.get("/api/genes").json()

    job = poll(admin, admin.post("/api/admin/backups"))
    assert (job["state"], job["percent"], job["error"]) == ("succeeded", 100, None)
    listed = admin.get("/api/admin/backups").json()
    (entry,) = [one for one in listed["data"] if one["name"] == job["result"]["name"]]
    path = Path(system.description["backup_dir"]) / entry["name"]
    _check_listing(system, entry, path)

    downloaded = admin.get(f"/api/admin/backups/{entry['name']}/download")
    assert downloaded.status_code == codes.OK
    assert hashlib.sha256(downloaded.content).hexdigest() == entry["sha256"]
    assert downloaded.headers["etag"] == f'"{entry["sha256"]}"'
    part = admin.get(
        f"/api/admin/backups/{entry['name']}/download", headers={"Range": "bytes=10-19"}
    )
    assert (part.status_code, part.content) == (codes.PARTIAL_CONTENT, downloaded.content[10:20])

    with system.sql() as cursor:
        cursor.execute("DELETE FROM review_publication")
        cursor.execute("DELETE FROM entity_status_history")
        cursor.execute("SET foreign_key_checks = 0")
        cursor.execute("DELETE FROM gene WHERE symbol LIKE 'S%'")
        cursor.execute("DROP TABLE review")
    assert system.checksums() != before

    job = poll(
        admin,
        admin.post(f"/api/admin/backups/{entry['name']}/restore", json={"confirm": "RESTORE"}),
    )
    assert job["state"] == "succeeded", job["error"]
    kinds = {one["name"]: one["kind"] for one in admin.get("/api/admin/backups").json()["data"]}
    assert kinds[job["result"]["safety_backup"]] == "pre-restore"
    assert system.checksums() == before
    assert anonymous.get("/api/health/ready").status_code == codes.OK
    assert anonymous.get("/api/genes").json() == genes


def _seed(system: System) -> None:
    with system.sql() as cursor:
        cursor.execute("SELECT COUNT(*) FROM entity")
        ((rows,),) = cursor.fetchall()
    if system.run is not None and rows == 0:
        done = system.run.command("seed")
        assert done.returncode == 0, done.stdout
    with system.sql() as cursor:
        cursor.execute("SELECT COUNT(*) FROM entity")
        ((rows,),) = cursor.fetchall()
    assert rows >= 5000


def _check_listing(system: System, entry: dict[str, object], path: Path) -> None:
    status = path.stat()
    created = datetime.fromisoformat(str(entry["created_at"]))
    assert entry["size_bytes"] == status.st_size
    assert abs(datetime.fromtimestamp(status.st_mtime, UTC) - created) < timedelta(seconds=60)
    with system.sql() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
        )
        tables = [table for (table,) in cursor.fetchall()]
        rows = 0
        for table in tables:
            cursor.execute(f"SELECT COUNT(*) FROM `{table}`")
            rows += cursor.fetchall()[0][0]
    assert (entry["table_count"], entry["row_count"]) == (len(tables), rows)


def test_genes_and_entities_are_public(system: System, anonymous: httpx.Client) -> None:
    _seed(system)
    first = anonymous.get("/api/entities", params={"page_size": 10}).json()
    second = anonymous.get("/api/entities", params={"page_size": 10, "page": 2}).json()
    assert first["total"] > 1000
    assert len({one["entity_id"] for one in first["data"] + second["data"]}) == 20
    found = anonymous.get("/api/genes", params={"search": "scn1a"}).json()
    assert [gene["hgnc_id"] for gene in found["data"]] == ["HGNC:10585"]
    one = anonymous.get("/api/genes/HGNC:10585").json()
    of_gene = anonymous.get("/api/entities", params={"hgnc_id": "HGNC:10585"}).json()
    assert one["entity_count"] == of_gene["total"] > 0
    assert {entity["symbol"] for entity in of_gene["data"]} == {"SCN1A"}
    limited = anonymous.get(
        "/api/entities", params={"category": "Limited", "sort": "-symbol"}
    ).json()
    symbols = [entity["symbol"] for entity in limited["data"]]
    assert symbols == sorted(symbols, reverse=True)
    assert anonymous.get("/api/genes", params={"search": "100%"}).json()["total"] == 0


FILTERS = {
    "": "TRUE",
    "category=Definitive": "category = 'Definitive'",
    "ndd_phenotype=true&sort=-symbol": "ndd_phenotype = 1",
    "search=epilep&sort=symbol": "CONCAT_WS('|', symbol, disease_name) LIKE '%epilep%'",
    "search=scn&category=Limited": "symbol LIKE '%scn%' AND category = 'Limited'",
    "inheritance_id=HP:0000006&sort=-entity_id": "inheritance_id = 'HP:0000006'",
}


def test_filters_return_the_same_rows_as_sql(system: System, anonymous: httpx.Client) -> None:
    _seed(system)
    for query, condition in FILTERS.items():
        with system.sql() as cursor:
            cursor.execute(
                "SELECT COUNT(*) FROM entity_view"
                f" WHERE is_active = 1 AND status = 'approved' AND {condition}"
            )
            ((expected,),) = cursor.fetchall()
        found = anonymous.get(f"/api/entities?{query}").json()
        assert found["total"] == expected, query
        assert len(found["data"]) == min(expected, 50), query


def test_the_proxy_routes_the_documented_paths_only(
    system: System, anonymous: httpx.Client
) -> None:
    assert anonymous.get("/api/health/live").status_code == codes.OK
    for path in ("/", "/apix/health/live", "/metrics", "/health/live", "/health/ready"):
        answer = anonymous.get(path)
        assert answer.status_code == codes.NOT_FOUND, path
        assert "application/problem+json" not in answer.headers.get("content-type", "")
    for name in ("..%2F..%2Fetc%2Fpasswd", "%2e%2e%2fx.sql", "a%00.sql"):
        answer = anonymous.get(f"/api/admin/backups/{name}")
        assert answer.json()["code"] == "not_signed_in", name


def test_health_details_are_for_administrators(
    anonymous: httpx.Client, admin: httpx.Client
) -> None:
    public = anonymous.get("/api/health")
    assert public.headers["content-type"] == "application/health+json"
    assert public.json()["checks"] is None
    assert public.json()["pending_migrations"] == 0
    assert public.json()["queue_depth"] >= 0
    report = admin.get("/api/health").json()
    assert report["status"] in ("pass", "warn")
    assert set(report["checks"]) >= {"database", "migrations", "redis", "workers", "pool"}
    assert report["checks"]["workers"]["status"] == "pass"


def test_the_test_email_arrives_in_the_mail_catcher(system: System) -> None:
    if system.run is None:  # `make walk` sends it with `make admin`
        return
    before = httpx.get(f"{system.description['mail_url']}/api/v1/messages").json()["total"]
    done = system.run.admin("test-mail", "--to", "operator@sysndd.example")
    assert done.returncode == 0, done.stdout
    found = httpx.get(f"{system.description['mail_url']}/api/v1/messages").json()
    assert found["total"] == before + 1
    message = httpx.get(
        f"{system.description['mail_url']}/api/v1/message/{found['messages'][0]['ID']}"
    ).json()
    assert message["To"][0]["Address"] == "operator@sysndd.example"
    assert message["Subject"] == "SysNDD test email"


def test_a_second_backup_request_returns_the_running_job(
    system: System, admin: httpx.Client
) -> None:
    with system.sql() as cursor:
        cursor.execute("LOCK TABLES review WRITE")
        first = admin.post("/api/admin/backups")
        second = admin.post("/api/admin/backups")
        assert second.status_code == codes.CONFLICT
        assert second.json()["code"] == "operation_in_progress"
        assert second.json()["job_id"] == first.json()["job_id"]
        cursor.execute("UNLOCK TABLES")
    assert poll(admin, first)["state"] == "succeeded"
