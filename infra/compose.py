"""`python -m infra.compose` writes the shop's containers into docker-compose.yml.

Everything between the two marks is rendered from the topology: the addresses that the processes
call, and one container per process. The rest of the file is written by hand."""

from collections.abc import Iterator
from pathlib import Path

import click

from topology import PROCESSES, Process, find

FILE = Path(__file__).parent.parent / "docker-compose.yml"
_BEGIN = "# rendered by `python -m infra.compose` from topology/: make changes there"
_END = "# end of the rendered part"
# Where a port is published: those of processes that customers and visitors come to may leave this
# machine, all others stay, whatever STACK_HOST says.
_PUBLIC, _PRIVATE = "${STACK_HOST:-127.0.0.1}", "127.0.0.1"
# A process of the shop needs about 60 MiB; three times that would be a leak. One that watches the
# shop also keeps pages and their clients; one that customers come to elsewhere has Envoy beside it.
_SERVICE_MIB, _WATCHER_MIB = 192, 256
# A watcher reads the stack's stores. Its own work is not part of the shop's traces.
_WATCHER = """\
VALERIX_OTLP_ENDPOINT: ""
VALERIX_PROMETHEUS_URL: http://prometheus:9090
VALERIX_JAEGER_URL: http://jaeger:16686
VALERIX_LOKI_URL: http://loki:3100
VALERIX_GRAFANA_LINK: http://localhost:3030
VALERIX_JAEGER_LINK: http://localhost:16686
VALERIX_PROOF_HEAD: /var/lib/valerix/chain.head
VALERIX_TELEMETRY_DIR: /var/lib/valerix/telemetry"""


def render(text: str) -> str:
    """The compose file with both of its rendered parts current."""
    text = _replace(text, "addresses", _addresses())
    return _replace(text, "processes", (line for each in PROCESSES for line in _container(each)))


def _replace(text: str, part: str, lines: Iterator[str]) -> str:
    begin, end = f"  {_BEGIN} ({part})\n", f"  {_END} ({part})\n"
    before, _, rest = text.partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise click.ClickException(f"{FILE.name} has no marks for its {part}")
    return before + begin + "".join(f"{line}\n" if line else "\n" for line in lines) + end + after


def _addresses() -> Iterator[str]:
    for process in PROCESSES:
        yield f"  {process.url_variable}: http://{process.name}:{process.port}"


def _entrance() -> str:
    gateway = next(each for each in PROCESSES if each.listens)
    return f"VALERIX_TRAFFIC_ENTRANCE: http://{gateway.name}:{dict(gateway.listens)['http']}"


def _container(process: Process) -> Iterator[str]:
    is_service = process.schema is not None
    yield f"  {process.name}:"
    yield "    <<: *shop"
    yield f"    command: [run, {process.key}]"
    yield "    environment:"
    yield "      <<: *environment"
    yield f'      VALERIX_PORT: "{process.port}"'
    if not is_service:
        yield from (f"      {line}" for line in (*_WATCHER.splitlines(), _entrance()))
    host = _PUBLIC if process.is_public else _PRIVATE
    grpc = [process.grpc_port] if process.speaks_grpc else []
    published = [(host, port) for port in (process.port, *grpc)]
    if process.listens:
        # Customers come to its doors; its own port is for the shop.
        published = [(host, port) for _, port in process.listens] + [(_PRIVATE, process.port)]
    ports = ", ".join(f'"{where}:{port}:{port}"' for where, port in published)
    yield f"    ports: [{ports}]"
    if not is_service:
        # What must outlive it: the head of the proof's chain, and what the timeline measured.
        yield f'    volumes: ["{process.key}:/var/lib/valerix"]'
    is_small = is_service and not process.listens
    yield f"    mem_limit: {_SERVICE_MIB if is_small else _WATCHER_MIB}m"
    yield "    depends_on:"
    yield "      migrate: {condition: service_completed_successfully}"
    if process.is_background:
        yield "      rabbitmq: {condition: service_healthy}"
    # What stands for the world outside may be away, and the shop is open; so is the gateway, which
    # says of whoever is away that it is.
    for each in map(find, () if process.listens else process.calls):
        state = "started" if each.is_outside else "healthy"
        yield f"      {each.name}: {{condition: service_{state}}}"
    yield ""


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if the file is not current.")
def main(*, check: bool) -> None:
    """Render the shop's containers from the topology."""
    text = FILE.read_text(encoding="utf-8")
    current = render(text)
    if text == current:
        return
    if check:
        raise click.ClickException(f"{FILE.name} is not current; run python -m infra.compose")
    FILE.write_text(current, encoding="utf-8")
    click.echo(f"wrote {FILE.name}")


if __name__ == "__main__":
    main()
