"""The OpenAPI document as a plain page: no script, nothing fetched from elsewhere."""

import base64
import hashlib
from html import escape
from typing import Any

from litestar import Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

from chassis.http.openapi import with_problems

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#16211f;background:#fbfcfb}
h1{font-size:1.5rem}section{padding:.5rem 0;border-top:1px solid #d5dddb}
code{font:14px ui-monospace,monospace}b{display:inline-block;min-width:4.5rem}
small{color:#4a5a57}
@media (prefers-color-scheme:dark){body{color:#e6eeec;background:#10181a}
section{border-color:#2b3739}small{color:#a8b8b5}a{color:#7fd6c2}}
"""


_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# The page is text with one known style: nothing else may run, load or frame it.
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


class PlainPage(OpenAPIRenderPlugin):
    """Every operation with its summary and answers; the JSON is one link away."""

    def __init__(self) -> None:
        super().__init__(path="/", favicon="", style="")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The page."""
        openapi_schema = with_problems(openapi_schema)
        title = escape(openapi_schema["info"]["title"])
        rows = "".join(
            _operation(path, method, operation)
            for path, item in openapi_schema.get("paths", {}).items()
            for method, operation in item.items()
            if isinstance(operation, dict)
        )
        return (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
            "<meta name=viewport content='width=device-width'>"
            f"<style>{_STYLE}</style><h1>{title}</h1>"
            f"<p>For machines: <a href='/schema/openapi.json'>openapi.json</a></p>{rows}"
        ).encode()


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    answers = ", ".join(escape(status) for status in operation.get("responses", {}))
    summary = escape(operation.get("summary") or "")
    return (
        f"<section><b>{escape(method.upper())}</b> <code>{escape(path)}</code><br>{summary}<br>"
        f"<small>answers {answers}</small></section>"
    )
