"""HEAD and OPTIONS answer wherever something is, and what is not a method is refused in one way."""

import asyncio
import base64
import hashlib
import re

import pytest

from tests.chassis.bare import Bare
from tests.harness import wire
from tests.harness.problems import assert_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERYWHERE = ["/now", "/things/7", "/metrics", "/health", "/health/live", "/health/ready",
              "/gremlins", "/gremlins/audit", "/schema", "/schema/openapi.json"]  # fmt: skip


@pytest.mark.parametrize("path", [*EVERYWHERE, "/nope", "/bug", "/things"])
async def test_head_has_the_status_and_headers_of_get_and_no_body(bare: Bare, path: str):
    get = await bare.door.get(path)
    request = f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    raw = await _all_of(bare.url, request)
    head, _, body = raw.partition(b"\r\n\r\n")
    assert body == b""
    status, *lines = head.decode().split("\r\n")
    assert int(status.split()[1]) == get.status_code
    headers = dict(line.split(": ", 1) for line in lines)
    its_own = {"x-trace-id", "connection", "content-length"}
    assert {k: v for k, v in headers.items() if k not in its_own} == {
        k: v for k, v in get.headers.items() if k not in its_own
    }
    assert "content-length" in headers


async def test_head_has_the_length_of_the_body_that_get_sends(bare: Bare):
    get = await bare.door.get("/things/12345")
    head = await bare.door.head("/things/12345")
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


async def test_head_does_not_do_what_post_does(bare: Bare):
    assert_405 = await bare.door.head("/things")
    assert assert_405.status_code == 405
    assert bare.made == []


async def test_a_gremlin_bites_head_as_it_bites_get(bare: Bare):
    await bare.let_loose("error", "GET /now")
    assert (await bare.door.head("/now")).status_code == 503


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/now", {"GET", "HEAD", "OPTIONS"}),
        ("/things", {"POST", "OPTIONS"}),
        ("/gremlins", {"GET", "HEAD", "DELETE", "OPTIONS"}),
        ("/metrics", {"GET", "HEAD", "OPTIONS"}),
    ],
)
async def test_options_and_a_refused_method_list_what_is_there(
    bare: Bare, path: str, methods: set[str]
):
    answer = await bare.door.options(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert {each.strip() for each in answer.headers["allow"].split(",")} == methods
    refused = await bare.door.patch(path)
    assert_problem(refused, 405, "method-not-allowed")
    assert {each.strip() for each in refused.headers["allow"].split(",")} == methods


async def test_every_answer_forbids_a_browser_to_guess_what_it_is(bare: Bare):
    for method, path in (("GET", "/now"), ("GET", "/nope"), ("POST", "/things"), ("GET", "/bug"),
                         ("GET", "/schema"), ("OPTIONS", "/now"), ("PUT", "/now")):  # fmt: skip
        answer = await bare.door.request(method, path)
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"], (method, path)


async def test_the_page_of_the_api_may_run_and_load_nothing_but_its_own_style(bare: Bare):
    page = await bare.door.get("/schema")
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(
        each.split(" ", 1) for each in page.headers["content-security-policy"].split("; ")
    )
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }


async def _all_of(base_url: str, request: str) -> bytes:
    """Everything that comes until the server closes the connection."""
    host, port = base_url.removeprefix("http://").split(":")
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request.encode())
        raw = await reader.read()
        await wire.hang_up(writer)
        return raw
