"""What is found in a schema before the platform is attached to it."""

from pydantic import BaseModel

from sysndd_core.settings.database import SchemaMode


class FoundTable(BaseModel):
    """A table or view; ``rows`` is the server's estimate."""

    name: str
    engine: str | None
    rows: int | None
    is_view: bool


class FoundSchema(BaseModel):
    """The contents of the application schema.

    Attributes:
        server: Vendor and version of the server.
        exists: Whether the schema exists and this account may see it.
        objects: Number of triggers, routines and events by kind.
        has_ledger: Whether the migrator's ledger is there.
        foreign_names: Tables with a name of ours that are not ours.
        grants: The privileges of this account, as the server shows them.
    """

    name: str
    server: str
    exists: bool
    tables: list[FoundTable]
    objects: dict[str, int]
    has_ledger: bool
    foreign_names: list[str]
    grants: list[str]


class Attachment(BaseModel):
    """What ``sysndd-admin attach`` reports.

    Attributes:
        mode: ``SCHEMA_MODE`` as it is set now.
        remarks: What to know about this schema before it is backed up or migrated.
        statements: For each mode, the statements that give each service its privileges.
        next_steps: For each mode, what to do now.
    """

    found: FoundSchema
    mode: SchemaMode | None
    remarks: list[str]
    statements: dict[SchemaMode, list[str]]
    next_steps: dict[SchemaMode, list[str]]


class Rebinding(BaseModel):
    """What ``sysndd-admin rebind-site`` changed."""

    site_id: str
    app_schema: str
    previous_site_id: str
    previous_app_schema: str
