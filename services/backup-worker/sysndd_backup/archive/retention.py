"""Deletes the backups that the retention policy no longer keeps, with an audit entry for each."""

import asyncio
from datetime import UTC, datetime

from sysndd_backup.archive.off_site import OffsiteStorage
from sysndd_core.audit import AuditEntry, insert_audit_entry
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.backups.retention import RetentionDecision, plan_retention
from sysndd_core.db.database import Database
from sysndd_core.errors import BackupNotFound, OffsiteStorageUnavailable, SysnddError
from sysndd_core.logging import get_logger
from sysndd_core.settings.retention import RetentionPolicy

log = get_logger(__name__)

_ACTION = "expire_backup"
_PINNED = "pinned"


class Retention:
    """Applies the retention policy in both locations.

    Args:
        database: For the audit log.
        store: The backup directory.
        offsite: Off-site storage, or None if none is configured.
        policy: How many backups to keep.
    """

    def __init__(
        self,
        database: Database,
        store: BackupDirectory,
        offsite: OffsiteStorage | None,
        policy: RetentionPolicy,
    ) -> None:
        self._database = database
        self._audit = f"{database.ops}.audit_log"
        self._store = store
        self._offsite = offsite
        self._policy = policy

    async def apply(self, site_id: str | None, job_id: str) -> list[str]:
        """Delete expired backups.

        Called by the job that created and verified a backup, so that no restore reads an expired
        one. A backup whose off-site copy cannot be deleted (S3 Object Lock, or storage that does
        not respond) stays in both locations until the next backup. Without the audit log, nothing
        is deleted.

        Args:
            site_id: ID of this site.
            job_id: ID of the job, for the audit log.

        Returns:
            The names of the deleted backups.
        """
        manifests = await asyncio.to_thread(self._store.manifests)
        plan = plan_retention(manifests, self._policy, site_id=site_id, now=datetime.now(UTC))
        if plan.suspended is not None:
            log.info(
                "retention_suspended",
                rule=plan.suspended.rule.value,
                reason=plan.suspended.text,
            )
        deleted = []
        try:
            for decision in plan.expiring:
                if await self._expire(decision, job_id):
                    deleted.append(decision.name)
        except SysnddError as error:
            log.error("retention_failed", code=error.code, reason=error.detail)
        if deleted:
            log.info("backups_expired", names=deleted)
        return deleted

    async def _expire(self, decision: RetentionDecision, job_id: str) -> bool:
        """Delete a backup between two audit entries; return whether it was deleted.

        The first entry is committed before the deletion, so a deletion never lacks its rule. The
        second one has the outcome; without it, the worker was killed in between.
        """
        try:
            # It may have been pinned or deleted since the plan.
            manifest = await asyncio.to_thread(self._store.manifest, decision.name)
        except BackupNotFound:
            return False
        if manifest.pinned:
            return False
        await self._record(_ACTION, "ok", decision, manifest, job_id)
        try:
            deleted = await asyncio.to_thread(self._remove_unless_pinned, manifest)
            outcome = "ok" if deleted else _PINNED
        except SysnddError as error:
            log.info("expired_backup_retained", name=decision.name, reason=error.detail)
            deleted, outcome = False, error.code
        await self._record(f"{_ACTION}_ended", outcome, decision, manifest, job_id)
        return deleted

    async def _record(
        self,
        action: str,
        outcome: str,
        decision: RetentionDecision,
        manifest: BackupManifest,
        job_id: str,
    ) -> None:
        entry = AuditEntry(
            action=action,
            outcome=outcome,
            object_name=decision.name,
            detail={
                "rule": decision.reason.rule.value,
                "reason": decision.reason.text,
                "sha256": manifest.sha256,
                "job_id": job_id,
            },
        )
        async with self._database.transaction() as tx:
            await insert_audit_entry(tx, self._audit, entry)

    def _remove_unless_pinned(self, manifest: BackupManifest) -> bool:
        name = manifest.name
        if manifest.offsite is not None:
            if self._offsite is None:
                raise OffsiteStorageUnavailable(
                    f"The off-site copy of {name} cannot be deleted, because BACKUP_S3_BUCKET is"
                    f" not set. Configure the bucket {manifest.offsite.bucket} again."
                )
            self._offsite.copies.remove(name)
        return self._store.remove_unless_pinned(name)
