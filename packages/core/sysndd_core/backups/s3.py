"""Off-site copies of backups in S3-compatible storage. All methods block on the network.

``PREFIX NAME`` is the file and ``PREFIX NAME.json`` its manifest, which is written last: as in the
backup directory, only complete pairs are listed. A copy is valid if the server's checksum
(composite SHA-256, or the MD5 of MD5s in the ETag) equals the checksum of the bytes that were sent.

Source: Amazon S3 API Reference, "Checking object integrity" and "Using S3 Object Lock".
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from sysndd_core.backups.manifest import (
    MANIFEST_SUFFIX,
    BackupManifest,
    OffsiteCopy,
    check_name,
)
from sysndd_core.backups.s3_parts import Part, Sent, as_base64
from sysndd_core.errors import BackupDamaged, BackupLocked, OffsiteStorageUnavailable
from sysndd_core.logging import get_logger
from sysndd_core.settings.offsite import S3Settings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

log = get_logger(__name__)

_PART_BYTES = 16 << 20
_MAX_PARTS = 10_000
_CHUNK = 1 << 20
_CONNECT_SECONDS = 5
_READ_SECONDS = 60
_ATTEMPTS = 4


class S3Copies:
    """The off-site copies in one bucket.

    Args:
        settings: Endpoint, keys, prefix and lock.
        bucket: Name of the bucket.
    """

    def __init__(self, settings: S3Settings, bucket: str) -> None:
        self._settings = settings
        self.bucket = bucket
        secret = settings.secret_key
        self._client: S3Client = boto3.client(
            "s3",
            endpoint_url=settings.endpoint,
            region_name=settings.region,
            aws_access_key_id=settings.access_key,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            config=Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
                # Self-hosted servers rarely have a host name for each bucket.
                s3={"addressing_style": "path" if settings.endpoint else "auto"},
            ),
        )

    @classmethod
    def configured(cls, settings: S3Settings) -> "S3Copies | None":
        """Return the configured bucket, or None if there is none. Does not connect."""
        return None if settings.bucket is None else cls(settings, settings.bucket)

    def put(
        self, manifest: BackupManifest, path: Path, sent: Callable[[int], None] = lambda _: None
    ) -> OffsiteCopy:
        """Copy a file in parts and compare the checksums.

        First deletes the parts that an interrupted upload of the same file left, because they are
        invisible and use space. Only one process may copy a file at a time.

        Args:
            manifest: Manifest of the file.
            path: Path of the file.
            sent: Called with the number of bytes sent so far; may raise to abort the upload.

        Raises:
            OffsiteStorageUnavailable: The storage rejected the request, does not respond, or
                stored different content; no part of the copy remains.
            BackupDamaged: The file does not match its manifest.
        """
        key = self._key(manifest.name)
        with _failures(f"{manifest.name} could not be copied to the bucket {self.bucket}"):
            self._abort_uploads(key)
            upload = self._client.create_multipart_upload(
                Bucket=self.bucket,
                Key=key,
                ChecksumAlgorithm="SHA256",
                Metadata={"sha256": manifest.sha256},
                **self._lock(),
            )["UploadId"]
            try:
                hashes, version = self._send(key, upload, path, manifest, sent)
            except BaseException:
                # The parts of an incomplete upload are invisible and use space.
                with contextlib.suppress(BotoCoreError, ClientError):
                    self._client.abort_multipart_upload(
                        Bucket=self.bucket, Key=key, UploadId=upload
                    )
                raise
            return self._checked(manifest, key, hashes, version)

    def put_manifest(self, manifest: BackupManifest) -> None:
        """Write the manifest of a copy; from then on the copy is listed.

        Raises:
            OffsiteStorageUnavailable: The storage rejected the request or does not respond.
        """
        body = manifest.to_json().encode()
        with _failures(f"the manifest of {manifest.name} could not be copied"):
            self._client.put_object(
                Bucket=self.bucket,
                Key=self._key(manifest.name) + MANIFEST_SUFFIX,
                Body=body,
                ContentType="application/json",
                ChecksumSHA256=as_base64(hashlib.sha256(body).digest()),
            )

    def manifests(self) -> list[BackupManifest]:
        """Return the manifests of all complete copies.

        Raises:
            OffsiteStorageUnavailable: The storage rejected the request or does not respond.
        """
        found = []
        with _failures(f"the bucket {self.bucket} could not be listed"):
            sizes = dict(self._listed())
            for key in sizes:
                if key.endswith(MANIFEST_SUFFIX):
                    manifest = self._read_manifest(key)
                    if manifest and sizes.get(self._key(manifest.name)) == manifest.size_bytes:
                        found.append(manifest)
        return found

    def read(self, name: str, *, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a copy.

        Args:
            name: Name of the backup.
            first, last: First and last byte to read, both inclusive; to the end by default.

        Raises:
            OffsiteStorageUnavailable: The storage rejected the request or does not respond.
        """
        with _failures(f"{name} could not be read from the bucket {self.bucket}"):
            answer = self._client.get_object(
                Bucket=self.bucket,
                Key=self._key(check_name(name)),
                Range=f"bytes={first}-{'' if last is None else last}",
            )
            with contextlib.closing(answer["Body"]) as body:
                yield from body.iter_chunks(_CHUNK)

    def fetch(
        self, manifest: BackupManifest, target: IO[bytes], received: Callable[[int], None]
    ) -> None:
        """Download a copy to a file and compare the hash.

        Args:
            manifest: Manifest of the backup.
            target: An empty file.
            received: Called with the number of bytes received so far; may raise to abort the
                download.

        Raises:
            OffsiteStorageUnavailable: The storage rejected the request or does not respond.
            BackupDamaged: The copy does not match the manifest.
        """
        digest = hashlib.sha256()
        for chunk in self.read(manifest.name):
            target.write(chunk)
            digest.update(chunk)
            received(target.tell())
        if digest.hexdigest() != manifest.sha256:
            raise BackupDamaged(
                f"The off-site copy of {manifest.name} in the bucket {self.bucket} is damaged: its"
                " SHA-256 differs from the manifest."
            )

    def remove(self, name: str) -> None:
        """Delete a copy with all its versions; does nothing if there is none.

        Raises:
            BackupLocked: S3 Object Lock protects the copy; nothing was deleted.
            OffsiteStorageUnavailable: The storage rejected the request or does not respond.
        """
        key = self._key(check_name(name))
        with _failures(f"{name} could not be deleted from the bucket {self.bucket}"):
            self._refuse_locked(name, key)
            # The manifest first, so that every listed copy is complete.
            with contextlib.suppress(BackupLocked):
                # The bucket's default retention may lock later versions for longer than the file.
                self._remove_versions(key + MANIFEST_SUFFIX)
            self._remove_versions(key)
            self._abort_uploads(key)

    def _key(self, name: str) -> str:
        return self._settings.prefix + name

    def _abort_uploads(self, key: str) -> None:
        # An account may lack the permission; then a lifecycle rule must expire the uploads.
        with contextlib.suppress(ClientError):
            listed = self._client.list_multipart_uploads(Bucket=self.bucket, Prefix=key)
            for one in listed.get("Uploads", []):
                if one["Key"] == key:
                    self._client.abort_multipart_upload(
                        Bucket=self.bucket, Key=key, UploadId=one["UploadId"]
                    )

    def _lock(self) -> dict[str, Any]:
        if not self._settings.lock_days:
            return {}
        until = datetime.now(UTC) + timedelta(days=self._settings.lock_days)
        return {
            "ObjectLockMode": self._settings.lock_mode.value,
            "ObjectLockRetainUntilDate": until,
        }

    def _send(
        self,
        key: str,
        upload: str,
        path: Path,
        manifest: BackupManifest,
        sent: Callable[[int], None],
    ) -> tuple[Sent, str | None]:
        hashes, parts = Sent(), []
        step = max(_PART_BYTES, -(-manifest.size_bytes // _MAX_PARTS))
        with path.open("rb") as file:
            for number, first in enumerate(range(0, max(1, manifest.size_bytes), step), start=1):
                part = Part(file, first, min(step, manifest.size_bytes - first))
                part.hash_into(hashes)
                checksum = as_base64(hashes.sha256s[-1])
                etag = self._client.upload_part(
                    Bucket=self.bucket,
                    Key=key,
                    UploadId=upload,
                    PartNumber=number,
                    Body=cast("IO[bytes]", part),
                    ContentLength=part.length,
                    ChecksumSHA256=checksum,
                )["ETag"]
                parts.append({"PartNumber": number, "ETag": etag, "ChecksumSHA256": checksum})
                sent(first + part.length)
        if hashes.whole.hexdigest() != manifest.sha256:
            raise BackupDamaged(
                "The backup file is damaged: its SHA-256 differs from the manifest."
            )
        done: dict[str, Any] = dict(
            self._client.complete_multipart_upload(
                Bucket=self.bucket,
                Key=key,
                UploadId=upload,
                MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item] # plain dicts
            )
        )
        return hashes, done.get("VersionId")

    def _checked(
        self, manifest: BackupManifest, key: str, hashes: Sent, version: str | None
    ) -> OffsiteCopy:
        head: dict[str, Any] = dict(
            self._client.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
        )
        etag, checksum = head["ETag"].strip('"'), head.get("ChecksumSHA256")
        # The ETag of encrypting storage is not an MD5; storage without checksums has only the ETag.
        equal = checksum == hashes.checksum if checksum else etag == hashes.etag
        if head["ContentLength"] != manifest.size_bytes or not equal:
            with contextlib.suppress(BotoCoreError, ClientError):
                self._client.delete_object(Bucket=self.bucket, Key=key, VersionId=version or "null")
            raise OffsiteStorageUnavailable(
                f"The bucket {self.bucket} stored different content than was sent:"
                f" {head['ContentLength']} bytes, checksum {checksum or etag}."
            )
        return OffsiteCopy(
            bucket=self.bucket,
            key=key,
            checksum=checksum or etag,
            copied_at=datetime.now(UTC),
            locked_until=head.get("ObjectLockRetainUntilDate"),
        )

    def _listed(self) -> Iterator[tuple[str, int]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self._settings.prefix
        )
        for page in pages:
            for item in page.get("Contents", []):
                yield item["Key"], item["Size"]

    def _read_manifest(self, key: str) -> BackupManifest | None:
        text = self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        try:
            manifest = BackupManifest.model_validate_json(text)
        except ValidationError:
            log.warning("manifest_unreadable", bucket=self.bucket, key=key)
            return None
        return manifest if key == self._key(manifest.name) + MANIFEST_SUFFIX else None

    def _remove_versions(self, key: str) -> None:
        self._client.delete_object(Bucket=self.bucket, Key=key)
        for version in self._versions(key):
            try:
                self._client.delete_object(Bucket=self.bucket, Key=key, VersionId=version)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "AccessDenied":
                    raise
                raise BackupLocked(
                    f"The storage rejected the deletion of {key}: {error}"
                ) from error

    def _refuse_locked(self, name: str, key: str) -> None:
        try:
            head: dict[str, Any] = dict(self._client.head_object(Bucket=self.bucket, Key=key))
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return
            raise
        until = head.get("ObjectLockRetainUntilDate")
        if until is not None and until > datetime.now(UTC):
            raise locked(name, self.bucket, until)
        if head.get("ObjectLockLegalHoldStatus") == "ON":
            raise BackupLocked(
                f"A legal hold protects {name} in the bucket {self.bucket}, so nothing was deleted."
            )

    def _versions(self, key: str) -> list[str]:
        try:
            answer: dict[str, Any] = dict(
                self._client.list_object_versions(Bucket=self.bucket, Prefix=key)
            )
        except ClientError:
            # Storage without versioning may not support this request.
            return []
        found = [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]
        return [one["VersionId"] for one in found if one["Key"] == key and one.get("VersionId")]


def locked(name: str, bucket: str, until: datetime) -> BackupLocked:
    """Return the error for a copy that S3 Object Lock protects."""
    return BackupLocked(
        f"S3 Object Lock protects {name} in the bucket {bucket} until {until:%Y-%m-%d %H:%M} UTC,"
        " so nothing was deleted.",
        locked_until=until.isoformat(),
    )


@contextlib.contextmanager
def _failures(what: str) -> Iterator[None]:
    """Add what failed to the library's message, which contains no credentials."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise OffsiteStorageUnavailable(f"{what[0].upper()}{what[1:]}: {error}") from error
