"""Serves the static files from memory, under addresses that change with their content."""

import mimetypes
from functools import lru_cache
from pathlib import Path

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from chassis.http.problems import Problem
from frontend.web.responses import HEADERS, leave_untraced
from frontend.web.templating import STATIC

# The address holds the content's hash, so what was fetched once stays right for ever.
_FOREVER = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
_SUFFIXES = frozenset({".css", ".js", ".svg"})


@lru_cache(maxsize=1)
def _files() -> dict[str, bytes]:
    """Every file by its name: what a visitor writes is looked up and never becomes a path."""
    return {
        path.relative_to(STATIC).as_posix(): path.read_bytes()
        for path in STATIC.rglob("*")
        if path.suffix in _SUFFIXES
    }


@get(
    "/static/{name:path}",
    summary="A static file",
    include_in_schema=False,
    before_request=leave_untraced,
)
async def show_file(name: FromPath[Path]) -> Response[bytes]:
    """One file of frontend/web/static, or 404."""
    relative = str(name).lstrip("/")
    content = _files().get(relative)
    if content is None:
        raise Problem(404, "not-found", "There is no such file")
    kind = mimetypes.guess_type(relative)[0] or "application/octet-stream"
    return Response(content, media_type=f"{kind}; charset=utf-8", headers=_FOREVER)


FILES: list[HTTPRouteHandler] = [show_file]
