"""``down`` and ``reset``."""

import shutil
import sys

from sysndd_local.errors import LocalRunError
from sysndd_local.reporting import find_supervisor
from sysndd_local.run_folder import RunFolder
from sysndd_local.supervision import Supervisor

# Everything that this package writes; other files in the folder are kept.
OWN_FILES = (
    *("mariadb", "redis", "mail", "backups", "logs", "programs", "sockets", "supervisor"),
    *("state.json", "secrets.json", "system.json", "lock"),
)


def down(folder: RunFolder) -> None:
    """Stop every process, the proxy first and the database last; data and passwords are kept."""
    if not folder.root.is_dir():
        print(f"SysNDD is not running in {folder.root}.")
        return
    with folder.locked():
        _stop_everything(folder)


def reset(folder: RunFolder, *, confirmed: bool) -> None:
    """Stop every process and delete the contents of the run folder.

    Args:
        folder: the run folder.
        confirmed: do not ask for confirmation.

    Raises:
        LocalRunError: there is no terminal to ask on, or the answer was no.
    """
    if not folder.root.is_dir():
        print(f"{folder.root} does not exist; nothing to delete.")
        return
    if not confirmed:
        _confirm(folder)
    with folder.locked():
        _stop_everything(folder)
        for name in OWN_FILES:
            path = folder.root / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        if not any(folder.root.iterdir()):
            folder.root.rmdir()
    print(f"Deleted the data in {folder.root}.")


def _stop_everything(folder: RunFolder) -> None:
    state = folder.read_state()
    supervisor = find_supervisor(folder, state)
    if supervisor is None:
        ended = Supervisor(folder, folder.root / "sockets").end_orphans()
        for name in ended:
            print(f"  {name} was still running without its supervisor; stopped it")
        if not ended:
            print(f"SysNDD is not running in {folder.root}.")
    else:
        print(f"Stopping SysNDD in {folder.root}", flush=True)
        for process in reversed(supervisor.processes()):
            if process.pid or process.state in {"STARTING", "BACKOFF"}:
                supervisor.stop(process.name)
                print(f"  {process.name:<16}stopped", flush=True)
        supervisor.shut_down()
        print("Stopped. Data, backups and passwords are kept; `make up` continues with them.")
    folder.release_sockets(state)
    folder.write_state(state)
    folder.system_file.unlink(missing_ok=True)


def _confirm(folder: RunFolder) -> None:
    if not sys.stdin.isatty():
        raise LocalRunError(
            "reset needs a confirmation, and there is no terminal to ask on.\n"
            "    To delete the data without being asked, run `make reset CONFIRM=yes`."
        )
    print(
        f"This stops SysNDD and deletes its databases, backups, emails and passwords in\n"
        f"    {folder.root}"
    )
    if input("Type yes to continue: ").strip() != "yes":
        raise LocalRunError("cancelled; nothing was deleted")
