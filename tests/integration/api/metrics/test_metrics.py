"""Prometheus metrics of one process, and of several workers, which any of them reports."""

import os
import signal
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from sysndd_api.mail.service import Mails
from sysndd_local.ports import free_port
from tests.support.http import Api
from tests.support.site import Site
from tests.support.workers import children_of, eventually, service_process

Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(text: str) -> Figures:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def polls(pid: int) -> bool:
    """Whether the main thread of a process is in poll(2) or ppoll(2) (proc(5), syscall)."""
    number = Path(f"/proc/{pid}/syscall").read_text(encoding="ascii").split()[0]
    return number in {"x86_64": ("7", "271"), "aarch64": ("73",)}[os.uname().machine]


async def test_metrics_cover_the_system_and_its_requests(api: Api) -> None:
    await api.client.get("/api/genes/HGNC:1")
    await api.client.get("/api/genes/HGNC:2")
    await api.client.get("/no/such/address?with=a-secret")
    answer = await api.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    figures = read(answer.text)
    genes = (("method", "GET"), ("route", "/api/genes/{hgnc_id}"), ("status", "404"))
    assert figures["sysndd_http_requests_total", genes] == 2
    unknown = (("method", "GET"), ("route", "unknown"), ("status", "404"))
    assert figures["sysndd_http_requests_total", unknown] == 1
    assert figures["sysndd_http_request_seconds_count", (("route", "/api/genes/{hgnc_id}"),)] == 2
    assert "a-secret" not in answer.text
    assert figures["sysndd_migrations_pending", ()] == 0
    assert figures["sysndd_mail_circuit_breaker_open", ()] == 0
    for queue in ("mail", "backup"):
        assert figures["sysndd_queue_depth", (("queue", queue), ("state", "queued"))] == 0
        assert figures["sysndd_queue_oldest_due_seconds", (("queue", queue),)] == 0
        assert figures["sysndd_workers", (("queue", queue),)] == 0
    assert figures["sysndd_queue_depth", (("queue", "mail"), ("state", "failed"))] == 0
    assert figures["sysndd_health", (("check", "database"),)] == 0
    assert figures["sysndd_health", (("check", "workers"),)] == 1
    assert figures["sysndd_pool_connections", (("state", "size"),)] > 0
    # Without a backup, its age is omitted, not zero.
    assert not any(name == "sysndd_backup_newest_age_hours" for name, _ in figures)
    mail_id = await api.context[Mails].queue_test("person@sysndd.example", requested_by=None)
    figures = read((await api.client.get("/metrics")).text)
    assert figures["sysndd_queue_depth", (("queue", "mail"), ("state", "queued"))] == 1
    assert mail_id not in str(figures)


def test_any_worker_reports_the_metrics_of_all_workers(site: Site, tmp_path: Path) -> None:
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{base_url}/health/live", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def scrape() -> Figures:
        return read(httpx.get(f"{base_url}/metrics", timeout=30).text)

    def pids() -> set[int]:
        return {
            int(dict(labels)["pid"])
            for name, labels in scrape()
            if name == "sysndd_pool_connections"
        }

    with service_process(
        "sysndd_api", site, tmp_path, API_PORT=str(port), API_WORKERS="2"
    ) as server:
        eventually("the API answers", answers, seconds=60)
        eventually("both workers are seen", lambda: len(pids()) == 2, seconds=30)
        for _ in range(20):
            httpx.get(f"{base_url}/api/genes", timeout=30)
        labels = (("method", "GET"), ("route", "/api/genes"), ("status", "200"))
        assert {scrape()["sysndd_http_requests_total", labels] for _ in range(10)} == {20}
        killed = min(pids())
        assert killed in children_of(server.pid)
        # It dies after the supervisor's health check asked it and before its answer.
        os.kill(killed, signal.SIGSTOP)
        eventually("the supervisor waits for it", lambda: polls(server.pid), seconds=30)
        os.kill(killed, signal.SIGKILL)
        eventually(
            "the killed worker's pool is no longer reported",
            lambda: killed not in pids(),
            seconds=30,
        )
        eventually("another took its place", lambda: len(pids()) == 2, seconds=60)
        # The counts of the killed worker remain.
        assert scrape()["sysndd_http_requests_total", labels] == 20
