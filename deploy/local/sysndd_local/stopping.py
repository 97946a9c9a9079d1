"""``down`` and ``reset``."""

import shutil
import sys

from sysndd_local.errors import LocalRunError
from sysndd_local.reporting import find_supervisor
from sysndd_local.run_folder import RunFolder
from sysndd_local.supervision import Supervisor

# Everything that this package writes; a file of somebody else in the folder stays.
OURS = (
    *("mariadb", "redis", "mail", "proxy", "backups", "logs", "programs", "sockets", "supervisor"),
    *("state.json", "secrets.json", "system.json", "lock"),
)


def down(folder: RunFolder) -> None:
    """Stop everything, the proxy first and the database last; data and passwords stay."""
    if not folder.root.is_dir():
        print(f"Nothing runs in {folder.root}.")
        return
    with folder.locked():
        _down(folder)


def reset(folder: RunFolder, *, confirmed: bool) -> None:
    """Stop everything and delete what the run folder holds.

    Raises:
        LocalRunError: nobody is there to ask, or the answer was no.
    """
    if not folder.root.is_dir():
        print(f"There is nothing in {folder.root}.")
        return
    if not confirmed:
        _ask(folder)
    with folder.locked():
        _down(folder)
        for name in OURS:
            path = folder.root / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        if not any(folder.root.iterdir()):
            folder.root.rmdir()
    print(f"Deleted the data of {folder.root}.")


def _down(folder: RunFolder) -> None:
    state = folder.read_state()
    supervisor = find_supervisor(folder, state)
    if supervisor is None:
        ended = Supervisor(folder, folder.root / "sockets").end_leftovers()
        for name in ended:
            print(f"  {name} was left over from a run whose supervisor is gone; ended it")
        if not ended:
            print(f"Nothing runs in {folder.root}.")
    else:
        print(f"Stopping SysNDD in {folder.root}", flush=True)
        for process in reversed(supervisor.processes()):
            if process.pid or process.state in {"STARTING", "BACKOFF"}:
                supervisor.stop(process.name)
                print(f"  {process.name:<16}stopped", flush=True)
        supervisor.shut_down()
        print("Stopped. Data, backups and passwords are kept; `make up` goes on with them.")
    folder.release_sockets(state)
    folder.write_state(state)
    folder.system_file.unlink(missing_ok=True)


def _ask(folder: RunFolder) -> None:
    if not sys.stdin.isatty():
        raise LocalRunError("nobody is here to ask; a script says `make reset CONFIRM=yes`")
    print(
        f"This stops SysNDD and deletes its databases, backups, mails and passwords in\n"
        f"    {folder.root}"
    )
    if input("Type yes to go on: ").strip() != "yes":
        raise LocalRunError("nothing was deleted")
