"""One HTTP request to a given address and nowhere else: by no proxy, after no redirect.

The standard library's client, so that a command, and a thread that sends, start at once."""

import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit

# What is asked for here is a state or a receipt; of anything longer the beginning is enough.
_LONGEST = 1 << 20


def ask(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    *,
    body: bytes | None = None,
    timeout_s: float,
) -> tuple[int, bytes]:
    """Status and body of the response, whatever the status, at most 1 MiB of it; an OSError when
    nobody answers.

    HTTPS where the address says so; certificates are checked."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read(_LONGEST)
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer: {error!r}") from None
    finally:
        connection.close()
