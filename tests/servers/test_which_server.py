"""`make lane LANE=servers` tests the servers that it names, with their own client programs."""

import os
import subprocess

from sysndd_backup.server.clients import find_clients
from sysndd_backup.server.server import identify
from sysndd_core.db.database import Database
from tests.support.servers import DatabaseServer


def test_the_server_has_the_requested_version(database_server: DatabaseServer) -> None:
    ((version,),) = database_server.execute("SELECT VERSION()")
    assert version.startswith(os.environ["TEST_DATABASE_SERIES"])


def test_the_client_has_the_requested_version(database_server: DatabaseServer) -> None:
    shown = subprocess.run(
        [database_server.client, "--no-defaults", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f" {os.environ['TEST_DATABASE_SERIES']}" in shown.stdout


async def test_the_backup_worker_finds_clients_of_the_requested_version(database: Database) -> None:
    clients = await find_clients(await identify(database))
    assert f" {os.environ['TEST_DATABASE_SERIES']}" in clients.version
