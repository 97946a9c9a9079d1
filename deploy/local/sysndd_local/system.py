"""``system.json``: what runs where, for people and for tests; mode 0600."""

import json

from sysndd_local.plan import ADMINISTRATOR, Plan
from sysndd_local.run_folder import Json, RunFolder, write_private
from sysndd_local.supervision import ProcessState


def describe(plan: Plan, folder: RunFolder, processes: list[ProcessState]) -> Json:
    """Return the document; its fields are named in the project's design."""
    access = plan.access
    return {
        "base_url": plan.base_url,
        "mail_url": plan.mail_url,
        "admin": {"login": ADMINISTRATOR, "password": folder.password("administrator")},
        "database": {
            "socket": str(access.socket) if access.socket else None,
            "host": access.host,
            "port": access.port,
            "user": access.operator.user,
            "password": access.operator.password,
            "name": access.schema,
            "ops_name": access.ops_schema,
        },
        "redis_url": plan.redis_url,
        "backup_dir": str(plan.backups),
        "processes": [
            {"name": process.name, "pid": process.pid, "log": str(process.log)}
            for process in processes
        ],
    }


def write(folder: RunFolder, document: Json) -> None:
    """Replace the file as one step."""
    write_private(folder.system_file, json.dumps(document, indent=2) + "\n")
