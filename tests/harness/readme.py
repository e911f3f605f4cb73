"""The README as a newcomer follows it: a section's lines for curl, and its program."""

import re
import shlex
from collections.abc import Mapping

import httpx

from fleet.run_dir import ROOT


def _section(title: str) -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def lines(title: str, *ports: int) -> list[str]:
    """The lines of a section for curl that ask a process at one of these ports."""
    asked = "|".join(map(str, ports))
    return re.findall(rf"^curl .*?localhost:(?:{asked})/.+$", _section(title), re.MULTILINE)


def program(title: str) -> str:
    """The Python program of a section."""
    return _section(title).split("```python\n", 1)[1].split("```", 1)[0]


async def typed(doors: Mapping[int, httpx.AsyncClient], line: str) -> httpx.Response:
    """As curl sends it: a form's content type, and POST where there is a body. `doors` has who
    serves at each port."""
    arguments = shlex.split(line, comments=True)[1:]
    [url] = [each for each in arguments if each.startswith("localhost:")]
    port, _, path = url.removeprefix("localhost:").partition("/")
    options = [each for each in arguments if each != url]
    given = list(zip(options[::2], options[1::2], strict=True))
    headers = dict(value.split(": ", 1) for flag, value in given if flag == "-H")
    body = next((value for flag, value in given if flag == "-d"), None)
    method = next((value for flag, value in given if flag == "-X"), "POST" if body else "GET")
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return await doors[int(port)].request(method, f"/{path}", headers=headers, content=body)
