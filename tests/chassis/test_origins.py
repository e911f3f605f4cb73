"""What a page of another site may ask, and under which names the shop answers at all."""

import pytest

from chassis.addresses import is_loopback
from tests.chassis.bare import Bare
from tests.harness import wire
from tests.harness.problems import assert_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

BARE = {"allowed_hosts": "shop.example, *.lan"}
OURS = "localhost:5001"
# To the last two of its own addresses a browser sends no Sec-Fetch-Site, and an Origin always.
STRANGERS = [
    "null",
    "http://evil.example",
    "http://localhost",
    "http://localhost:8080",
    "http://localhost:5001.evil.example",
    "http://127.0.0.1:5001",
    "http://0.0.0.0:5001",
    "http://[::ffff:127.0.0.1]:5001",
    "http://localhost:5001, http://evil.example",
    "",
]


@pytest.mark.parametrize("origin", STRANGERS)
async def test_a_page_of_another_origin_changes_nothing(bare: Bare, origin: str):
    for method, path in (("POST", "/things"), ("PUT", "/gremlins/x"), ("DELETE", "/gremlins")):
        answer = await bare.door.request(
            method, path, headers={"Host": OURS, "Origin": origin}, json={"name": "x"}
        )
        assert_problem(answer, 403, "cross-site")
    assert bare.made == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("site", ["cross-site", "same-site", "none, cross-site"])
async def test_a_browser_that_names_another_site_changes_nothing(
    bare: Bare, method: str, site: str
):
    for path in ("/things", "/gremlins", "/gremlins/x", "/nope"):
        answer = await bare.door.request(
            method, path, json={"name": "x"}, headers={"Sec-Fetch-Site": site}
        )
        assert_problem(answer, 403, "cross-site")
    assert bare.made == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": f"http://{OURS}"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": f"https://{OURS}"},
        {"Origin": "http://[::1]:5001", "Host": "[::1]:5001"},
        {"Origin": "http://0.0.0.0:5001", "Host": "0.0.0.0:5001"},
    ],
)
async def test_our_own_pages_and_clients_that_are_no_browser_may_post(
    bare: Bare, headers: dict[str, str]
):
    answer = await bare.door.post("/things", json={"name": "x"}, headers={"Host": OURS} | headers)
    assert answer.status_code == 201


async def test_another_sites_link_may_be_followed(bare: Bare):
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}
    assert (await bare.door.get("/now", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "EVIL.example:5001",
        "127.evil.example",
        "127.0.0.1.example",
        "localhost.evil.example",
        "evil.example.",
        "shop.example.evil.example",
        "host.docker.internal",
        "name.local:8080",
        "localhost@evil.example",
        "xn--e1afmkfd.xn--p1ai",
        "evil.0x7g",
    ],
)
async def test_a_name_that_dns_can_make_lead_here_is_not_answered(bare: Bare, host: str):
    for method in ("GET", "HEAD", "OPTIONS", "PUT"):
        for path in ("/now", "/metrics", "/health", "/gremlins/x", "/schema", "/nope"):
            answer = await bare.door.request(method, path, headers={"Host": host})
            assert answer.status_code == 403, (method, path)
    assert_problem(await bare.door.get("/now", headers={"Host": host}), 403, "foreign-host")


async def test_two_hosts_are_none(bare: Bare):
    request = f"GET /now HTTP/1.1\r\nHost: {OURS}\r\nHost: evil.example\r\n\r\n"
    assert_problem(await wire.exchange(bare.url, request.encode()), 403, "foreign-host")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.:5001",
        "shop.localhost:5001",
        "127.0.0.1:5001",
        "127.1",
        "10.0.0.7",
        "0.0.0.0:5001",
        "[::1]:80",
        "[::ffff:127.0.0.1]",
        "order-service:5001",
        "order_service",
        "shop.example",
        "Shop.Example:8443",
        "mill.lan",
    ],
)
async def test_a_name_of_this_machine_of_a_container_or_of_the_setting_is_ours(
    bare: Bare, host: str
):
    assert (await bare.door.get("/metrics", headers={"Host": host})).status_code == 200
    answer = await bare.door.request("PUT", "/gremlins/x", headers={"Host": host}, json={})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1", "localhost", "a.localhost"],
)
async def test_only_this_machine_reaches_loopback(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "::ffff:0.0.0.0", "::ffff:10.0.0.7", "10.0.0.7",  # noqa: S104
     "127.evil.example", "127", "localhost.evil.example", "notlocalhost", ""],
)  # fmt: skip
async def test_others_reach_what_only_looks_like_loopback(host: str):
    assert not is_loopback(host)
