"""Child processes that must not outlive their parent."""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def end_with_parent() -> None:
    """Make the kernel end a child process when its parent is killed (prctl(2)).

    For ``preexec_fn``. Otherwise the child would continue while crash recovery reverts its work.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
