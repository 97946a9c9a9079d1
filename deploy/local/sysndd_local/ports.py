"""TCP ports on the loopback address."""

import secrets
import socket

from sysndd_local.errors import LocalRunError, PortTaken

LOOPBACK = "127.0.0.1"
# A database installed on this machine listens here; the private one never does.
MYSQL_DEFAULT_PORT = 3306
# Below the ports that Linux uses for outgoing connections (32768 and up, see ip_local_port_range),
# so that a port is still free when its server restarts, and above the registered ports in common
# use.
_FIRST, _END = 15000, 32768
_ATTEMPTS = 50


def free_port() -> int:
    """Return a port that no process listens on.

    It is chosen at random, so that two systems that start at the same time get different ports,
    from a range that is not used for outgoing connections, so that it stays free until it is used.
    """
    for _ in range(_ATTEMPTS):
        candidate = _FIRST + secrets.randbelow(_END - _FIRST)
        if is_free(candidate):
            return candidate
    # Nearly all ports of the range are in use: let the kernel choose.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def is_free(port: int) -> bool:
    """Return whether a server can listen on ``port`` of the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do, so that connections of a predecessor in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def claim(port: int, *, setting: str, purpose: str) -> int:
    """Check a requested port; 0 requests any free one.

    Args:
        port: the requested port.
        setting: name of the setting, for the message.
        purpose: what the port is for, for the message.

    Returns:
        The port to use.

    Raises:
        PortTaken: another process listens on it.
        LocalRunError: the number is not a port.
    """
    if port == 0:
        return free_port()
    if not 1 <= port <= 65535:
        raise LocalRunError(f"{setting}={port}: must be a number from 1 to 65535")
    if not is_free(port):
        raise PortTaken(port, setting, purpose)
    return port


def accepts(port: int, *, timeout: float = 0.5) -> bool:
    """Return whether a process accepts connections on ``port`` of the loopback address.

    Args:
        port: TCP port.
        timeout: seconds to wait for the handshake.
    """
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout):
            return True
    except OSError:
        return False
