"""What the commands that run files in scratch schemas share."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sysndd_migrator.errors import NotClean
from sysndd_migrator.files.outside import other_schemas, reaches_outside
from sysndd_migrator.files.script import Script
from sysndd_migrator.files.sources import Source
from sysndd_migrator.server.session import Session


def with_scripts(source: Source, scripts: Sequence[Script]) -> Source:
    """Return a source with only some of its files."""
    return replace(source, scripts=tuple(scripts))


def server_version(session: Session) -> str:
    """Return the server's version, such as ``10.11.19-MariaDB``."""
    # MariaDB prefixes an old version, for replicas that read only the start.
    return str(session.connection.get_server_info()).removeprefix("5.5.5-")


async def refuse_outside(session: Session, scripts: Iterable[Script]) -> None:
    """Refuse files that would change more than the scratch schema.

    Args:
        session: Lists the schemas of the server.
        scripts: The files.

    Raises:
        NotClean: Names the first such statement; nothing was run.
        AmbiguousFile: A file is ambiguous.
    """
    schemas = await other_schemas(session)
    for script in scripts:
        for statement in script.statements:
            if reason := reaches_outside(statement, schemas):
                raise NotClean(
                    f"{script.path}:{statement.line}: this statement {reason}, so it cannot be "
                    "run in a scratch schema. Write names without a schema, and put statements "
                    "about the server into deploy/accounts. Nothing was run.",
                    file=script.filename,
                    line=statement.line,
                )
