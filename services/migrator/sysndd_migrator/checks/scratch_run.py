"""What trying files out in a scratch schema has in common, whatever it is for."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sysndd_migrator.errors import NotClean
from sysndd_migrator.files.outside import other_schemas, reaches_outside
from sysndd_migrator.files.script import Script
from sysndd_migrator.files.sources import Source
from sysndd_migrator.server.session import Session


def with_scripts(source: Source, scripts: Sequence[Script]) -> Source:
    """Return a source with some of its files only."""
    return replace(source, scripts=tuple(scripts))


def server_version(session: Session) -> str:
    """Return the server's version as a person knows it."""
    # MariaDB puts an old version in front, for replicas that read no further.
    return str(session.connection.get_server_info()).removeprefix("5.5.5-")


async def refuse_outside(session: Session, scripts: Iterable[Script]) -> None:
    """Refuse to try out files that would change more than the scratch schema.

    Args:
        session: knows which schemas there are.
        scripts: the files.

    Raises:
        NotClean: names the first such statement. Nothing was run.
        AmbiguousFile: a file is ambiguous.
    """
    schemas = await other_schemas(session)
    for script in scripts:
        for statement in script.statements:
            if reason := reaches_outside(statement, schemas):
                raise NotClean(
                    f"{script.path}:{statement.line}: this statement {reason}, so it can't be "
                    "tried out in a scratch schema. Write names without a schema, and keep what "
                    "belongs to the server in deploy/accounts. Nothing was run.",
                    file=script.filename,
                    line=statement.line,
                )
