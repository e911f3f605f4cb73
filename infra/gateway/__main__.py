"""`python -m infra.gateway` writes envoy.yaml beside it; --check only compares.

It is what the gateway's agent writes in a container (fleet/gateway/configuration.py), where
processes are found by their names. On a laptop it is the same with this machine's addresses."""

from pathlib import Path

import click

from fleet.gateway.configuration import written
from fleet.gateway.settings import GatewaySettings
from fleet.settings import load_as
from topology import PROCESSES

FILE = Path(__file__).parent / "envoy.yaml"
_HEAD = "# rendered by `python -m infra.gateway` from topology/: make changes there\n"
# What docker-compose.yml tells every process.
_COLLECTOR = "http://otel-collector:4318"
_ADMIN = "/tmp/valerix-gateway/admin"  # noqa: S108 - in a folder that the agent makes


def render() -> str:
    """The text of the file."""
    return _HEAD + written(_settings(), _ADMIN)


def _settings() -> GatewaySettings:
    addresses = {each.url_variable: f"http://{each.name}:{each.port}" for each in PROCESSES}
    environ = {
        **addresses,
        "VALERIX_HOST": "0.0.0.0",  # noqa: S104 - of a container
        "VALERIX_PUBLISHED_ON": "127.0.0.1",
        "VALERIX_ENVIRONMENT": "stack",
        "VALERIX_OTLP_ENDPOINT": _COLLECTOR,
    }
    return load_as(GatewaySettings, "gateway", environ)


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if the file is not current.")
def main(*, check: bool) -> None:
    """Render the gateway's configuration from the topology."""
    current = render()
    if FILE.exists() and FILE.read_text(encoding="utf-8") == current:
        return
    if check:
        raise click.ClickException(f"{FILE.name} is not current; run python -m infra.gateway")
    FILE.write_text(current, encoding="utf-8")
    click.echo(f"wrote {FILE.name}")


if __name__ == "__main__":
    main()
