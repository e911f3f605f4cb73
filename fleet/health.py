"""Asking a process over HTTP: is it ready, and call your gremlins off."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT_S = 2.0


def ask(
    method: str, url: str, headers: dict[str, str] | None = None, timeout_s: float = _TIMEOUT_S
) -> tuple[int, Any]:
    """Status and decoded body of one request (None for a body that is not JSON); an OSError when
    nobody answers. The standard library's client, so that a command starts at once."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_s)
    try:
        connection.request(method, parts.path or "/", headers=headers or {})
        response = connection.getresponse()
        raw = response.read()
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer: {error!r}") from None
    finally:
        connection.close()
    try:
        return response.status, json.loads(raw)
    except ValueError:
        return response.status, None


def obstacle(url: str) -> str | None:
    """What keeps the process at `url` from its work, as it reports it; None when it is ready."""
    try:
        status, body = ask("GET", f"{url}/health/ready")
    except OSError as error:
        return f"no answer yet ({error.strerror or type(error).__name__})"
    if status == 200:
        return None
    checks = body.get("checks", {}) if isinstance(body, dict) else {}
    good = ("connected", "reachable", "current")
    return ", ".join(f"{name} {state}" for name, state in checks.items() if state not in good) or (
        f"answers {status}"
    )
