"""Reports what attaching a schema needs, and binds the platform schema to its site."""

import uuid

from sysndd_api.audit.service import Audit
from sysndd_api.security.access import Actor
from sysndd_api.site.models import Attachment, FoundSchema, FoundTable, Rebinding
from sysndd_api.site.store import SiteStore
from sysndd_core.db.database import Database
from sysndd_core.db.site import detect_features, has_ledger
from sysndd_core.errors import Conflict, Invalid
from sysndd_core.settings.database import SchemaMode
from sysndd_core.sql.identifiers import quote_name

_OUR_NAMES = ("user", "job", "schema_version")
_TRANSACTIONAL = {"InnoDB"}


class Sites:
    """The application schema before the platform is attached to it, and the platform's record."""

    def __init__(self, *, database: Database, store: SiteStore, audit: Audit) -> None:
        self._database = database
        self._store = store
        self._audit = audit

    async def attachment(self) -> Attachment:
        """Return what is in the application schema, and what each mode needs.

        Nothing is changed, and the platform schema need not exist.

        Raises:
            DatabaseUnavailable: The server cannot be reached.
        """
        settings = self._database.settings
        found = await self._found()
        statements = {mode: grants(mode, settings.name, settings.ops_name) for mode in SchemaMode}
        return Attachment(
            found=found,
            mode=settings.schema_mode,
            remarks=_remarks(found),
            statements=statements,
            next_steps={mode: _next_steps(mode, found) for mode in SchemaMode},
        )

    async def _found(self) -> FoundSchema:
        name = self._database.settings.name
        tables = await self._store.tables()
        ledger = await has_ledger(self._database, name)
        ours = await detect_features(self._database, name)
        own = {"schema_version"} if ledger else set()
        own |= {"user"} if ours.accounts else set()
        return FoundSchema(
            name=name,
            server=await self._store.server(),
            exists=await self._store.exists(),
            tables=tables,
            objects=await self._store.objects(),
            has_ledger=ledger,
            foreign_names=[
                table.name
                for table in tables
                if table.name.lower() in _OUR_NAMES and table.name.lower() not in own
            ],
            grants=await self._store.grants(),
        )

    async def rebind(self, actor: Actor, *, previous: str | None, site_id: str | None) -> Rebinding:
        """Bind the platform schema to the application schema and server of the settings.

        Args:
            actor: Who asks for it.
            previous: Name of the application schema that it is bound to now, as a confirmation;
                None if only the ID changes.
            site_id: ID of the site whose backups are this site's own; None to keep the ID.

        Raises:
            Conflict: The platform schema has no record, or is bound to another schema than
                ``previous``.
            Invalid: ``site_id`` is not a UUID.
        """
        settings = self._database.settings
        if site_id is not None:
            site_id = _uuid(site_id)
        server = await self._store.server_uuid()
        async with self._database.transaction() as tx:
            site = await self._store.lock_site(tx)
            if site is None:
                raise Conflict(
                    f"The platform schema {settings.ops_name} is not bound to a site yet. Run:"
                    " sysndd-migrator up"
                )
            expected = settings.name if previous is None else previous
            if site.app_schema != expected:
                raise Conflict(
                    f"The platform schema {settings.ops_name} belongs to the application schema"
                    f" {site.app_schema}, not to {expected}. To bind it to {settings.name}, run:"
                    f" sysndd-admin rebind-site --from {site.app_schema}"
                )
            changed = Rebinding(
                site_id=site_id or site.id,
                app_schema=settings.name,
                previous_site_id=site.id,
                previous_app_schema=site.app_schema,
            )
            await self._store.rebind(
                tx, site_id=changed.site_id, app_schema=changed.app_schema, server=server
            )
            await self._audit.write(
                tx,
                actor,
                "rebind_site",
                object_name=settings.name,
                detail=changed.model_dump(mode="json"),
            )
        return changed


def grants(mode: SchemaMode, schema: str, platform: str) -> list[str]:
    """Return the statements that give each service's account its privileges.

    Args:
        mode: What the platform may do with the application schema.
        schema, platform: Names of the two schemas, not quoted.

    Returns:
        Statements as in deploy/accounts/accounts.sql, with the account names from there.
    """
    app, ops = _pattern(schema), _pattern(platform)
    scratch, shadow = _pattern(schema, "_%"), _pattern(f"{schema}_shadow", "_%")
    reads_only = mode is SchemaMode.OBSERVE
    application = {
        "sysndd_api": "SELECT, SHOW VIEW"
        if reads_only
        else "SELECT, INSERT, UPDATE, DELETE, SHOW VIEW",
        "sysndd_migrator": "SELECT" if reads_only else "ALL PRIVILEGES",
        "sysndd_backup": "ALL PRIVILEGES",
        "sysndd_mailer": "SELECT",
    }
    statements = [f"CREATE DATABASE IF NOT EXISTS {quote_name(platform)} CHARACTER SET utf8mb4;"]
    statements += [_grant(what, app, account) for account, what in application.items()]
    statements += [
        _grant("ALL PRIVILEGES", scratch, "sysndd_backup"),
        _grant("ALL PRIVILEGES", shadow, "sysndd_load"),
        _grant("ALL PRIVILEGES", ops, "sysndd_migrator"),
    ]
    if not reads_only:
        statements.append(_grant("ALL PRIVILEGES", scratch, "sysndd_migrator"))
    statements += [
        _grant("SELECT, INSERT, UPDATE, DELETE", ops, account)
        for account in ("sysndd_api", "sysndd_backup", "sysndd_mailer")
    ]
    return [
        *statements,
        "GRANT PROCESS ON *.* TO 'sysndd_migrator'@'%';",
        "GRANT RELOAD, PROCESS ON *.* TO 'sysndd_backup'@'%';",
    ]


def _grant(what: str, on: str, account: str) -> str:
    return f"GRANT {what} ON {on}.* TO '{account}'@'%';"


def _pattern(name: str, suffix: str = "") -> str:
    """Quote a schema for GRANT, where ``_`` and ``%`` are wildcards."""
    return quote_name(name.replace("_", "\\_") + suffix.replace("_", "\\_"))


def _remarks(found: FoundSchema) -> list[str]:
    remarks = []
    if not found.exists:
        remarks.append(
            f"The schema {found.name} does not exist, or this account may not see it. Check DB_NAME"
            " and the privileges of DB_USER."
        )
    elif not found.tables:
        remarks.append(
            "The schema is empty, so it needs no SCHEMA_MODE: sysndd-migrator up creates its tables"
            " from MIGRATIONS_DIR."
        )
    if found.has_ledger:
        remarks.append("The schema has the migrator's ledger, so it is attached already.")
    for name in found.foreign_names:
        remarks.append(
            f"The table {name} has a name that this platform also uses, but other columns. It stays"
            " untouched."
        )
    others = [table for table in found.tables if _is_not_transactional(table)]
    if others:
        names = ", ".join(f"{table.name} ({table.engine})" for table in others[:10])
        remarks.append(
            f"Not transactional: {names}. Rows that are written to them during a backup may be in"
            " it or not, whatever the other tables contain."
        )
    return remarks


def _is_not_transactional(table: FoundTable) -> bool:
    return not table.is_view and table.engine is not None and table.engine not in _TRANSACTIONAL


def _next_steps(mode: SchemaMode, found: FoundSchema) -> list[str]:
    steps = [
        f"Set SCHEMA_MODE={mode} for every service.",
        "Run the statements as an administrator of the database server, with your account names.",
    ]
    if mode is SchemaMode.MANAGE and found.tables and not found.has_ledger:
        steps.append(
            "Record the files of MIGRATIONS_DIR that the schema is the result of, up to the last"
            " one: sysndd-migrator baseline NNN_name.sql. Skip this if none is."
        )
    return [
        *steps,
        "Run: sysndd-migrator up",
        "Create an operator: sysndd-admin operator create --user-name NAME --email ADDRESS",
        "Start the services, then create the first backup: sysndd-admin backup",
    ]


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise Invalid(f"{text} is not the ID of a site, which is a UUID.") from error
