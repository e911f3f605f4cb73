"""A service is added by its folder, one line in the topology and a migration, and nothing else.

The test adds one (tests/fleet/echo) to a copy of the project, starts the copy, and looks for the
service wherever the shop shows its processes."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from importlib.util import cache_from_source
from pathlib import Path

import httpx
import pytest
import yaml

from fleet import migrate
from fleet.ports import free_port
from fleet.run_dir import ROOT
from tests.fleet.shop import UpShop, alive
from tests.harness.running import Databases
from tests.tidy.files import project_files

pytestmark = pytest.mark.long

ECHO = ROOT / "tests/fleet/echo"
LINE = (
    'Process("echo", "echo-service", "Echo", "services.echo", 5099, "echo", (),'
    ' ("#3a3a8c", "#a9a9f0")),'
)
VERSION = '''"""Runs sql/{name}.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "{revision}"
down_revision = "{before}"
upgrade, downgrade = sql_of("{name}")
'''
_SEEN_LIMIT_S = 20


class EchoShop(UpShop):
    """The shop of a copy of the project with the echo service in it."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.database_url, echo_port = database_url, free_port()
        super().__init__(
            folder / "home",
            root=folder / "project",
            VALERIX_DATABASE_URL=database_url,
            VALERIX_ECHO_PORT=str(echo_port),
        )
        self.ports["echo"] = echo_port
        self.client = httpx.Client(timeout=20)

    def copy(self) -> None:
        for name in project_files():
            if not name.startswith(("tests/", "docs/")):
                target = self.root / name
                target.parent.mkdir(parents=True, exist_ok=True)
                # With its time: what was compiled from it is then taken, not compiled six times.
                shutil.copy2(ROOT / name, target)
                compiled = cache_from_source(name)
                if (ROOT / compiled).exists():
                    (self.root / compiled).parent.mkdir(exist_ok=True)
                    shutil.copy2(ROOT / compiled, self.root / compiled)

    def add_echo(self) -> None:
        """The folder, the line, the migration."""
        shutil.copytree(ECHO / "service", self.root / "services/echo")
        topology = self.root / "topology/__init__.py"
        head, begin, rest = topology.read_text().partition("SERVICES = (\n")
        topology.write_text(f"{head}{begin}    {LINE}\n{rest}")
        before = migrate.newest()
        revision = f"{int(before) + 1:04}"
        name, migrations = f"{revision}_echo", self.root / "infra/migrations"
        for way in ("up", "down"):
            shutil.copy(ECHO / f"echo.{way}.sql", migrations / f"sql/{name}.{way}.sql")
        version = VERSION.format(name=name, revision=revision, before=before)
        (migrations / f"versions/{name}.py").write_text(version)

    def get(self, key: str, path: str) -> httpx.Response:
        return self.client.get(self.url(key, path))


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EchoShop]:
    """Open, on a given database in which nothing was ever migrated."""
    url = databases.create(template="template1")
    shop = EchoShop(tmp_path_factory.mktemp("echo"), url)
    shop.copy()
    shop.add_echo()
    for module in (
        "infra.compose",
        "infra.kubernetes",
        "prometheus",
        "scenarios.schema",
        "frontend.service_colours",
    ):
        shop.run(module).check_returncode()
    try:
        shop.open()
        yield shop
    finally:
        shop.client.close()
        shop.close()
        databases.drop(url)


def is_seen(look: Callable[[], bool]) -> bool:
    """Whether it is true within the time that any panel needs."""
    end = time.monotonic() + _SEEN_LIMIT_S
    while not (seen := look()) and time.monotonic() < end:
        time.sleep(0.2)
    return seen


@pytest.mark.long
def test_a_given_database_is_used_and_nothing_embedded_is_started(shop: EchoShop):
    running = shop.home.running()
    assert running is not None
    assert running.database_url == shop.database_url
    assert not shop.home.data.exists()
    assert not any("-D" in process.cmdline() for process in shop.family())
    assert int(migrate.current(shop.database_url)) == int(migrate.newest()) + 1


def test_a_service_is_added_by_its_folder_one_line_and_a_migration(shop: EchoShop):
    container = yaml.safe_load((shop.root / "docker-compose.yml").read_text())["services"]
    targets = json.loads((shop.root / "prometheus/targets/compose/shop.json").read_text())
    missing = [what for what, is_there in checks(shop, container, targets) if not is_seen(is_there)]
    assert not missing, "not shown for a new service: " + "; ".join(missing)


def checks(
    shop: EchoShop, containers: dict, targets: list
) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Each place where a service must appear, and whether it does."""

    def panel(name: str, pattern: str) -> Callable[[], bool]:
        def is_shown() -> bool:
            # A panel that fails shows a reason, never another status.
            page = shop.get("dashboard", f"/panels/{name}").text
            return re.search(pattern, page, re.DOTALL) is not None

        return is_shown

    yield "a container", lambda: containers["echo-service"]["command"] == ["run", "echo"]
    rendered = shop.root / "infra/kubernetes/base/echo-service.yaml"
    yield "a Deployment", lambda: "kind: Deployment" in rendered.read_text()
    yield "a target of Prometheus", lambda: any("echo-service" in str(each) for each in targets)
    yield "ready", lambda: shop.get("echo", "/health/ready").status_code == 200
    responses = [shop.get("echo", "/echo/hello") for _ in range(5)]
    assert [each.status_code for each in responses] == [200] * 5, responses[0].text
    trace_id = responses[0].headers["X-Trace-Id"]
    yield (
        "a span in its trace",
        lambda: '<li id="span-' in shop.get("dashboard", f"/traces/{trace_id}").text,
    )
    yield (
        "its trace in the list",
        lambda: trace_id in shop.get("dashboard", "/traces?service=echo").text,
    )
    yield "a colour", lambda: ".of-echo" in shop.get("dashboard", "/static/services.css").text
    acts = json.loads((shop.root / "scenarios/act.schema.json").read_text())
    yield "a service of acts", lambda: "'echo'" in str(acts)
    yield "a health dot", panel("health", r'title="Echo: ')

    def light() -> bool:
        shop.get("echo", "/echo/again")
        return panel("lights", r'id="light-echo"(?:(?!</article>).)*class="big"')()

    yield "a light with its traffic", light
    gremlin = {"kind": "latency", "delay_ms": 50, "ttl_s": 60}
    put = shop.client.put(shop.url("echo", "/gremlins/slow"), json=gremlin)
    assert put.status_code == 200, put.text
    yield "its gremlin on the board", panel("board", r'value="off:echo:latency"')

    def bitten() -> bool:
        trace = shop.get("echo", "/echo/slow").headers["X-Trace-Id"]
        time.sleep(0.5)
        return "slow" in shop.get("dashboard", f"/traces/{trace}").text

    yield "the gremlin in its trace", bitten


def test_a_dead_child_stops_the_shop_with_its_reason(shop: EchoShop):
    """The last: nothing runs after it."""
    family = shop.family()
    shop.named("payment").kill()
    assert shop.wait() == 1
    assert "payment-service died (killed by SIGKILL)" in shop.printed()
    assert str(shop.home.log("payment")) in shop.printed()
    assert alive(family) == []
