"""A shop in a terminal that was made for other work: proxies, paths, locale, umask, nohup."""

import json
import os
import signal
import stat
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.run_dir import ROOT
from tests.fleet.conftest import needs_embedded
from tests.fleet.shop import UpShop, alive

pytestmark = [pytest.mark.long, needs_embedded, pytest.mark.timeout(300)]

DEAD = "http://127.0.0.1:1"
PROXIES = ("http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")
# Each of these would keep a client from the embedded server.
OTHER_SERVER = {
    "PGHOST": "db.example", "PGPORT": "1", "PGUSER": "x", "PGDATABASE": "x",
    "PGSSLMODE": "verify-full", "PGSSLNEGOTIATION": "direct", "PGGSSLIB": "x",
    "PGTARGETSESSIONATTRS": "standby",
}  # fmt: skip
TRAPS = ("queue.py", "services/__init__.py", "proof/__init__.py", "topology.py", "start.py")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose modules are called as ours are, and end whoever imports them."""
    folder = tmp_path_factory.mktemp("trap")
    for name in TRAPS:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"raise SystemExit('{name} was imported')\n")
    return folder


@pytest.fixture(scope="module")
def shop(trap: Path) -> Iterator[UpShop]:
    """One that was started there, with everything against it at once."""
    with tempfile.TemporaryDirectory(prefix="valerix-up-", ignore_cleanup_errors=True) as folder:
        shop = _started_in(trap, Path(folder) / "home")
        try:
            shop.open()
            yield shop
        finally:
            shop.close()


def _started_in(trap: Path, home: Path) -> UpShop:
    return UpShop(
        home,
        cwd=trap,
        umask=0,
        prefix=("nohup",),
        **{**dict.fromkeys(PROXIES, DEAD), **OTHER_SERVER, "NO_PROXY": "", "no_proxy": ""},
        PYTHONPATH=os.pathsep.join((str(trap), ".", str(ROOT))),
        PYTHONSTARTUP=str(trap / "start.py"),
        PYTHONIOENCODING="ascii",
        LC_ALL="C",
        VALERIX_PAYMENT_DECLINE_RATE="0",
    )


def ask(shop: UpShop, key: str, path: str, body: dict[str, Any] | None = None) -> str:
    """The body of one response of one of its processes."""
    sent = json.dumps(body).encode() if body else None
    url = f"http://127.0.0.1:{shop.ports[key]}{path}"
    headers = {"Content-Type": "application/json"}
    with DIRECT.open(urllib.request.Request(url, sent, headers), timeout=20) as response:
        return response.read().decode()


def test_an_order_and_its_telemetry_take_no_proxy(shop: UpShop):
    order = json.loads(ask(shop, "order", "/orders", {"product_id": "PROD-001", "quantity": 1}))
    while order["order_id"] not in ask(shop, "dashboard", "/logs"):
        time.sleep(0.2)
    dropped = [
        line
        for key in ("order", "inventory", "payment")
        for line in ask(shop, key, "/metrics").splitlines()
        if line.startswith("valerix_telemetry_dropped")
    ]
    assert len(dropped) >= 3
    assert all(line.endswith(" 0.0") for line in dropped), dropped


@pytest.mark.parametrize("command", [("calm",), ("verify", "--wait", "20"), ("act", "list")])
def test_a_command_in_the_same_terminal_finds_the_shop(shop: UpShop, command: tuple[str, ...]):
    done = shop.command(*command)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_what_it_writes_is_for_its_owner_to_change_and_its_address_to_read(shop: UpShop):
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    home = shop.home
    assert mode(home.run_file) == 0o600
    assert mode(home.control) == 0o700
    assert mode(home.data) & 0o077 == 0
    for path in (home.path, home.logs, home.path / "lock", *home.logs.iterdir()):
        assert mode(path) & 0o022 == 0, path


def test_under_nohup_it_survives_the_terminal_and_still_stops_in_order(shop: UpShop):
    family = shop.family()
    shop.signal(signal.SIGHUP)
    time.sleep(0.5)
    assert shop.poll() is None
    assert ask(shop, "dashboard", "/health/live")
    shop.signal(signal.SIGTERM)
    assert shop.wait() == 0
    assert alive(family) == []


@pytest.mark.long
def test_under_the_strictest_umask_it_opens_all_the_same(home: Path):
    shop = UpShop(home, umask=0o077)
    try:
        assert shop.open().urls
    finally:
        shop.close()
