"""TCP ports on the loopback address."""

import secrets
import socket

from sysndd_local.errors import LocalRunError, PortTaken

LOOPBACK = "127.0.0.1"
# Where a database of the machine's own listens; the private one keeps away from it in any case.
MYSQL_DEFAULT_PORT = 3306
# Below the ports that Linux gives to outgoing connections (32768 and up unless somebody changed
# ip_local_port_range): a server that is restarted must find its port as it left it. Above those
# that services are known by.
_FIRST, _END = 15000, 32768
_ATTEMPTS = 50


def free_port() -> int:
    """Return a port that nothing listens on at the moment.

    It is drawn at random, so that two who start at once do not get the same one, from a range that
    no outgoing connection is given a port of, so that it stays free until it is used.
    """
    for _ in range(_ATTEMPTS):
        drawn = _FIRST + secrets.randbelow(_END - _FIRST)
        if is_free(drawn):
            return drawn
    # The machine is full of servers; the kernel still knows a free one.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def is_free(port: int) -> bool:
    """Tell whether a server could listen on ``port`` of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of a predecessor in TIME_WAIT do not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def claim(port: int, *, setting: str, purpose: str) -> int:
    """Check a port that somebody chose; 0 stands for any free one.

    Raises:
        PortTaken: another process listens there.
        LocalRunError: no such port, or one that this user may not open.
    """
    if port == 0:
        return free_port()
    if not 1 <= port <= 65535:
        raise LocalRunError(f"{setting}={port}: a port is a number from 1 to 65535")
    if not is_free(port):
        raise PortTaken(port, setting, purpose)
    return port


def accepts(port: int, *, timeout: float = 0.5) -> bool:
    """Tell whether something accepts connections on ``port`` of the loopback address.

    Arguments:
        port: TCP port.
        timeout: seconds to wait for the handshake.
    """
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout):
            return True
    except OSError:
        return False
