"""Asking a process over HTTP: is it ready, and call your gremlins off."""

import json
from typing import Any

from chassis.http import ask as http

_TIMEOUT_S = 2.0


def ask(
    method: str, url: str, headers: dict[str, str] | None = None, timeout_s: float = _TIMEOUT_S
) -> tuple[int, Any]:
    """Status and decoded body of one request (None for a body that is not JSON); an OSError when
    nobody answers."""
    status, raw = http.ask(method, url, headers, timeout_s=timeout_s)
    try:
        return status, json.loads(raw)
    except ValueError:
        return status, None


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
