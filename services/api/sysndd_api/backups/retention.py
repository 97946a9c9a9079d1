"""Shows what the retention policy decides, and accepts the size of a much smaller backup."""

import asyncio
from datetime import UTC, datetime

from sysndd_api.audit.service import Audit
from sysndd_api.backups.models import (
    RetentionEntry,
    RetentionPreview,
    RetentionView,
    size_drop_text,
)
from sysndd_api.security.access import Actor
from sysndd_api.web.site_features import SiteFeatures
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.backups.retention import RetentionDecision, RetentionPlan, preview_retention
from sysndd_core.db.database import Database
from sysndd_core.errors import BackupNotFound
from sysndd_core.settings.backup import VerifyPolicy
from sysndd_core.settings.retention import RetentionPolicy


class Retention:
    """Previews the retention policy; the backup worker applies it.

    Args:
        database: The connection pool.
        directory: The backup directory.
        features: For the ID of the site.
        audit: The audit log.
        policy: How many backups to keep.
        verify: When new backups are verified; the policy runs after a verification.
    """

    def __init__(
        self,
        *,
        database: Database,
        directory: BackupDirectory,
        features: SiteFeatures,
        audit: Audit,
        policy: RetentionPolicy,
        verify: VerifyPolicy,
    ) -> None:
        self._database = database
        self._directory = directory
        self._features = features
        self._audit = audit
        self._policy = policy
        self._verify = verify

    async def plan(self, manifests: list[BackupManifest] | None = None) -> RetentionPlan:
        """Return the decisions of the next run.

        Args:
            manifests: All manifests, if the caller has already read them.
        """
        if manifests is None:
            manifests = await asyncio.to_thread(self._directory.manifests)
        return preview_retention(
            manifests,
            self._policy,
            site_id=await self._features.site_id(),
            now=datetime.now(UTC),
            verifies=self._verify is not VerifyPolicy.NEVER,
        )

    async def decide(self, manifest: BackupManifest) -> RetentionDecision:
        """Return the decision on one backup.

        Raises:
            BackupNotFound: The backup was deleted since its manifest was read.
        """
        decision = (await self.plan()).by_name().get(manifest.name)
        if decision is None:
            raise BackupNotFound()
        return decision

    async def preview(self) -> RetentionPreview:
        """Return the decisions of the next run as a response."""
        manifests = await asyncio.to_thread(self._directory.manifests)
        found = await self.plan(manifests)
        drops = {one.name: size_drop_text(one) for one in manifests}
        return RetentionPreview(
            data=[
                RetentionEntry(
                    name=one.name,
                    size_drop=drops[one.name],
                    **RetentionView.of(one).model_dump(),
                )
                for one in found.decisions
            ],
            suspended=found.suspended.rule if found.suspended is not None else None,
            warning=found.suspended.text if found.suspended is not None else None,
        )

    async def accept_size(self, actor: Actor, name: str) -> BackupManifest:
        """Accept that a backup is much smaller than the previous one; idempotent.

        Later backups are compared with this one, and backups expire again.

        Returns:
            The changed manifest.

        Raises:
            InvalidBackupName: The name cannot be that of a backup.
            BackupNotFound: No backup has this name.
        """
        manifest = await asyncio.to_thread(self._directory.manifest, name)
        if not manifest.is_size_drop:
            return manifest
        name = manifest.name
        detail = {"sha256": manifest.sha256, "size_drop": str(manifest.size_drop)}
        async with self._database.transaction() as tx:
            await self._audit.write(
                tx, actor, "accept_backup_size", object_name=name, detail=detail
            )
            return await asyncio.to_thread(self._directory.amend, name, {"size_accepted": True})
