"""Whether the system is ready, asked as a browser would: through the proxy."""

import http.client
import json

from sysndd_local.ports import LOOPBACK

READY_PATH = "/api/health/ready"


def not_ready_because(port: int, *, timeout: float = 5) -> str | None:
    """Return why the system is not ready; None when it is.

    Arguments:
        port: the proxy's.
        timeout: seconds for the whole question.
    """
    # http.client, because urllib would go through the proxy that HTTP_PROXY names.
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)
    try:
        connection.request("GET", READY_PATH, headers={"Accept": "application/json"})
        response = connection.getresponse()
        body = response.read(65536)
    except (OSError, http.client.HTTPException) as error:
        return f"no answer from the proxy on port {port}: {error or type(error).__name__}"
    finally:
        connection.close()
    if response.status == 200:
        return None
    try:
        document = json.loads(body)
        reason = document.get("reason") or document.get("detail") or document.get("title")
    except (ValueError, AttributeError):
        reason = body.decode("utf-8", "replace").strip()[:200]
    return f"{READY_PATH} answers {response.status}: {reason}"
