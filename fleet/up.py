"""`valerix up`: the whole shop in the foreground, and nothing left of it afterwards."""

import contextlib
import json
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType

import click
import msgspec

from chassis.settings import BadSetting, RpcSettings, Settings
from fleet import children, health, ports
from fleet.children import FleetProcess
from fleet.control_server import ControlServer
from fleet.disk import DiskWatch
from fleet.errors import CannotRun, Failed, Stopped
from fleet.forks import ForkServer, forking
from fleet.gateway import program
from fleet.load_run import LoadRun
from fleet.postgres import FAST_SETTINGS, PostgresServer, serving
from fleet.run_dir import RunDirectory, find_run_directory
from fleet.settings import load, load_as, unknown
from fleet.stack import Stack
from services.identity.settings import DEMO_USERS, IdentitySettings, demo_password
from topology import KEYS, SERVICES, Process, find

_READY_LIMIT_S = 120  # three seconds usually; a machine busy with other work takes far longer
_PROGRESS_S = 2.0
_POLL_S = 0.1
# A request to restart is noticed within this time, and a death; more looks are felt by nobody, and
# are the most that a supervisor costs.
_WATCH_EVERY_S = 0.25
# Logs and the disk: every ten seconds.
_TIDY_EVERY_TICKS = 40


class StopFlag:
    """Whether someone asked us to stop. A flag, because a handler that raises could cut any line
    in two, the one that records a new child included."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)
        # Ignored, it stays so: nohup means that the shop goes on without its terminal.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._ask)

    def go_on(self) -> None:
        """Raise `Stopped` once someone has asked."""
        if self.asked:
            raise Stopped

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


def say(line: str) -> None:
    """A line for the person at the terminal, who may have closed it meanwhile."""
    with contextlib.suppress(OSError):
        click.echo(line)


class Layout(msgspec.Struct, frozen=True):
    """Which processes a shop has, the command that starts each, and whether its data is kept."""

    keys: tuple[str, ...] = KEYS
    command: Callable[[str], list[str]] = children.run_command
    keeps_data: bool = True


WHOLE = Layout()


def run_shop(layout: Layout = WHOLE, *, with_stack: bool = False) -> None:
    """Start everything, wait for Ctrl-C or the first death, stop everything.

    `with_stack` starts the telemetry programs that are installed as well. Raises `CannotRun` when
    it cannot start, `Failed` when a process died."""
    begun, home, stop = time.monotonic(), find_run_directory(), StopFlag()
    settings = read_settings(layout)
    _say_what_is_missing(settings)
    for name in unknown(os.environ):
        say(f"{name} is not a setting; all of them: valerix settings")
    listening = list(ports.listening_ports(settings))
    ports.demand_different(listening)
    with home.locked(by_shop=True):
        for each in listening:
            other = f"set {each.variable} to another port"
            ports.demand_free(each.name, each.host, each.port, other)
        stack = Stack(home, settings, say) if with_stack else None
        if stack:
            stack.demand_ports()
        # The fork server first: it imports while PostgreSQL starts, and nothing is open here yet
        # that a fork leaves behind.
        with (
            forking(home.log(children.FORK_LOG)) as fork_server,
            database(home, layout, stop.go_on) as (server, database_url),
        ):
            # Imports of half a second, not needed to refuse a port.
            from fleet import migrate
            from fleet.process_audit import DatabaseAudit

            if revision := migrate.upgrade(database_url, stop.go_on):
                say(f"database moved to migration {revision}")
            more = stack.environment() if stack else {}
            services = plan(home, settings, database_url, more, layout, fork_server)
            load, audit = LoadRun(home, say), DatabaseAudit(database_url)
            control = ControlServer(home.control, services, server, say, load, audit)
            try:
                if stack:
                    stack.start()
                _start(services, stop)
                if stack:
                    stack.wait(lambda: stop.asked)
                _watch(services, server, home, database_url, stop, begun, stack, control)
            finally:
                home.retract()
                control.close()
                _stop(services, settings)
                if stack:
                    stack.stop()
    kept = server is not None and layout.keeps_data
    say("stopped; the data stays in " + str(home.data) if kept else "stopped")


def _stop(services: list[FleetProcess], settings: Mapping[str, Settings]) -> None:
    # The service's own bound comes first.
    grace_s = max(each.stop_grace_s for each in settings.values()) + 2
    for killed in children.stop(services, grace_s):
        say(
            f"{killed.name} did not stop in {grace_s:.0f} s and was killed; its log "
            f"ends with what it was doing: {killed.log}"
        )


def _say_what_is_missing(settings: Mapping[str, Settings]) -> None:
    """Where there is no Envoy the gateway answers nothing but this: the shop's own ports are open
    on this machine, and all else works."""
    for key, own in settings.items():
        if find(key).listens and not _has_envoy(own):
            say(f"the gateway lets nobody in: {program.missing()}")


def _has_envoy(gateway: Settings) -> bool:
    return program.find_envoy(getattr(gateway, "envoy", "")) is not None


def _entrance(settings: Mapping[str, Settings]) -> dict[str, str]:
    """Where customers come in over HTTP, for those that the dashboard sends."""
    for key, own in settings.items():
        if (url := _doors(find(key), own).get("http")) and _has_envoy(own):
            return {"VALERIX_TRAFFIC_ENTRANCE": url}
    return {}


def read_settings(layout: Layout = WHOLE) -> dict[str, Settings]:
    """The settings of every process, or one line about the one that cannot be used."""
    try:
        return {key: load(key) for key in layout.keys}
    except BadSetting as error:
        raise CannotRun(str(error)) from None


@contextlib.contextmanager
def database(
    home: RunDirectory, layout: Layout, go_on: Callable[[], None]
) -> Iterator[tuple[PostgresServer | None, str]]:
    """The database to work on: VALERIX_DATABASE_URL, or the embedded one for the duration;
    `go_on` is called while it starts, and raises where it is no longer wanted."""
    if given := os.environ.get("VALERIX_DATABASE_URL"):
        yield None, given
        return
    # What is thrown away need not be on the disk.
    how = {} if layout.keeps_data else FAST_SETTINGS
    server = PostgresServer(home.data, home.log("postgres"), say=say, settings=how, go_on=go_on)
    with contextlib.ExitStack() as after:
        if not layout.keeps_data:
            _forget(home, server)
            after.callback(_forget, home, server)
        yield server, after.enter_context(serving(server))


def _forget(home: RunDirectory, server: PostgresServer) -> None:
    """Throw away what an earlier start has left."""
    server.wait_for_last()
    home.forget()


def plan(
    home: RunDirectory,
    settings: Mapping[str, Settings],
    database_url: str,
    defaults: Mapping[str, str] | None = None,
    layout: Layout = WHOLE,
    fork_server: ForkServer | None = None,
) -> list[FleetProcess]:
    """One child per process of the layout, with an environment in which each finds the others;
    `defaults` are further variables, where our own environment does not set them."""
    urls = {key: _url(each) for key, each in settings.items()}
    environ = children.python_environment({**(defaults or {}), **os.environ})
    environ |= {"VALERIX_DATABASE_URL": database_url}
    # The services know each other by it. It lives as long as this run and is written nowhere.
    environ.setdefault("VALERIX_SERVICE_TOKEN", secrets.token_hex(32))
    for key, url in urls.items():
        environ.setdefault(find(key).url_variable, url)
    for key, each in settings.items():
        if isinstance(each, RpcSettings):
            environ.setdefault(find(key).grpc_url_variable, _url(each, each.grpc_port))
    # The dashboard keeps traces and logs itself, unless a collector is named. It does not send to
    # itself: the requests it makes to show the shop are not the shop's own work.
    receiver = {"VALERIX_OTLP_RECEIVER": urls["dashboard"]} if "dashboard" in urls else {}
    sending = {**environ, **receiver}
    watching = {
        "VALERIX_PROOF_HEAD": str(home.chain_head),
        "VALERIX_TELEMETRY_DIR": str(home.telemetry),
        "VALERIX_LOAD_REPORTS": str(home.reports),
        **_entrance(settings),
        **environ,
        "VALERIX_CONTROL": str(home.control),
    }
    return [
        FleetProcess(
            process := find(key),
            urls[key],
            home,
            sending if process in SERVICES else watching,
            layout.command(key),
            _doors(process, settings[key]),
            fork_server,
        )
        for key in layout.keys
    ]


def _doors(process: Process, settings: Settings) -> dict[str, str]:
    """Where customers come to it, by protocol; empty for a process that they meet at its port."""
    ports = settings.further_ports()
    return {
        name: f"{_url(settings).rpartition(':')[0]}:{port}"
        for name, _ in process.listens
        if (port := ports.get(f"{process.key}_{name}_port".upper()))
    }


def _url(settings: Settings, port: int = 0) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(  # noqa: S104 - not bound
        settings.host, settings.host
    )
    return f"http://{host}:{port or settings.port}"


def _start(services: list[FleetProcess], stop: StopFlag) -> None:
    """Start all, and return once all are ready or someone asked to stop."""
    if stop.asked:
        return
    for service in services:
        service.start()
    begun = reported = time.monotonic()
    waiting = {service.process.name: service for service in services}
    while waiting and not stop.asked:
        _demand_alive(services)
        obstacles = {name: health.obstacle(each.url) for name, each in waiting.items()}
        waiting = {name: each for name, each in waiting.items() if obstacles[name]}
        now = time.monotonic()
        if waiting and now - begun > _READY_LIMIT_S:
            name, why = next((name, obstacles[name]) for name in waiting)
            raise Failed(
                f"{name} is not ready after {_READY_LIMIT_S} s: {why}; see {waiting[name].log}"
            )
        if waiting and now - reported > _PROGRESS_S:
            say(f"  {now - begun:3.0f} s: waiting for " + ", ".join(waiting))
            reported = now
        time.sleep(_POLL_S)


def _watch(
    services: list[FleetProcess],
    server: PostgresServer | None,
    home: RunDirectory,
    database_url: str,
    stop: StopFlag,
    begun: float,
    stack: Stack | None,
    control: ControlServer,
) -> None:
    """Print where everything is, then supervise it until someone asks to stop or one dies."""
    if not stop.asked:
        control.open()
        home.announce(database_url, {each.process.key: each.url for each in services})
        _greet(services, home, time.monotonic() - begun, stack.greeting() if stack else [])
    ticks, disk = 0, DiskWatch(home.path, say)
    while not stop.asked:
        control.tick()
        _demand_alive([service for service in services if not control.has_taken_down(service)])
        if server and server.child and (code := server.child.poll()) is not None:
            raise Failed(
                f"PostgreSQL died ({children.describe_exit(code)}), so the shop stops; "
                f"see {server.log}"
            )
        ticks += 1
        if ticks % _TIDY_EVERY_TICKS == 0:
            disk.check()
            for service in services:
                service.trim_log()
            if stack:
                stack.report_deaths()
        time.sleep(_WATCH_EVERY_S)
    say("\nstopping")


def _greet(
    services: list[FleetProcess], home: RunDirectory, seconds: float, more: list[str]
) -> None:
    urls = {service.process.key: service.url for service in services}
    say("")
    say(f"  the shop is open: {urls.get('dashboard', '')}   (started in {seconds:.1f} s)")
    say("")
    for service in services:
        say(f"  {service.process.name:18} {service.url}")
        for name, url in service.doors.items():
            say(f"  {'':18} {url}   for customers, {name}")
    for line in more:
        say(line)
    say("")
    for label, command in first_commands(urls, load_as(IdentitySettings, "identity")):
        say(f"  {label:18} {command}")
    say(f"  logs:              {home.logs}")
    say("  stop:              Ctrl-C")


def first_commands(
    urls: Mapping[str, str], settings: IdentitySettings
) -> Iterator[tuple[str, str]]:
    """What to do first, each with its label; where tokens are needed, with one."""
    shown = ""
    if "identity" in urls and (password := demo_password(settings)):
        user = json.dumps({"user": next(iter(DEMO_USERS)), "password": password})
        yield "sign in:", f"curl {urls['identity']}/login -d '{user}'"
        yield "", f"the same password is for: {', '.join(DEMO_USERS)}"
    elif "identity" in urls and settings.is_exposed:
        user = '{"user":"operator","password":"\'"$VALERIX_OPERATOR_TOKEN"\'"}'
        login = f"curl -s {urls['identity']}/login -d '{user}'"
        yield "sign in:", f"TOKEN=$({login} | {_CUT_OUT})"
        shown = ' -H "Authorization: Bearer $TOKEN"'
    if "order" in urls:
        order = '{"product_id":"PROD-001","quantity":1}'
        yield "place an order:", f"curl -X POST {urls['order']}/orders{shown} -d '{order}'"


# As the README has it: there may be no jq.
_CUT_OUT = r"""sed 's/.*"access_token":"\([^"]*\).*/\1/'"""


def _demand_alive(services: list[FleetProcess]) -> None:
    for service in services:
        if (code := service.ended()) is not None:
            raise Failed(
                f"{service.process.name} died ({children.describe_exit(code)}), so the shop stops. "
                f"Its last lines, from {service.log}:\n{service.log_tail()}"
            )
