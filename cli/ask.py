"""Asks one process over HTTP, wherever it is: the running shop's, or a given address."""

import json
import os
from collections.abc import Mapping
from typing import Any

from chassis.http import ask as http
from chassis.http.operator_auth import operator_headers
from chassis.settings import BadSetting
from fleet.errors import CannotRun, Failed
from fleet.run_dir import find_run_directory
from fleet.settings import load
from topology import Process, find

# A what-if over five hundred payments takes seconds on a busy machine.
_TIMEOUT_S = 20.0


def url_of(process: Process) -> str:
    """Where the process is: as a setting says, else where the shop that runs has it."""
    if given := os.environ.get(process.url_variable):
        return given
    running = find_run_directory().running()
    if running is not None:
        return running.urls[process.key]
    settings = load(process.key)
    return f"http://{settings.host}:{settings.port}"


def headers_of(process: Process) -> dict[str, str]:
    """Who asks, with the operator token where one is set."""
    try:
        return {"X-Valerix-Actor": "cli", **operator_headers(load(process.key))}
    except BadSetting as error:
        raise CannotRun(str(error)) from None


def asked(
    key: str,
    method: str,
    path: str,
    body: object = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> Any:
    """The document that the process answers; raises `Failed` for a refusal, with its reason."""
    status, answer = answered(key, method, path, body, headers=headers, timeout_s=timeout_s)
    if status >= 400:
        detail = answer.get("detail", "") if isinstance(answer, dict) else ""
        raise Failed(f"{find(key).name} answers {status} {detail}".rstrip())
    return answer


def answered(
    key: str,
    method: str,
    path: str,
    body: object = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> tuple[int, Any]:
    """Status and document; raises `CannotRun` when nobody answers."""
    process = find(key)
    url = url_of(process)
    whole = {**headers_of(process), "Content-Type": "application/json", **(headers or {})}
    sent = None if body is None else json.dumps(body).encode()
    try:
        status, raw = http.ask(method, url + path, whole, body=sent, timeout_s=timeout_s)
    except OSError as error:
        why = error.strerror or error
        raise CannotRun(f"{process.name} does not answer at {url} ({why})") from None
    try:
        return status, json.loads(raw)
    except ValueError:
        return status, None
