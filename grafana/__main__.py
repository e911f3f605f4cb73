"""`python -m grafana` writes the dashboards; with --check it only reports stale files."""

import json
from pathlib import Path

import click
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import events, live_demo, load, orders, payments, service, slo
from grafana.board import Board, build

BOARDS: tuple[Board, ...] = (
    live_demo.BOARD,
    service.BOARD,
    slo.BOARD,
    orders.BOARD,
    payments.BOARD,
    events.BOARD,
    load.BOARD,
)
FOLDER = Path(__file__).parent / "dashboards"


def files() -> dict[Path, str]:
    """The file of every dashboard, with its text."""
    return {
        FOLDER / f"{board.name}.json": json.dumps(
            build(board), cls=JSONEncoder, indent=2, ensure_ascii=False
        )
        + "\n"
        for board in BOARDS
    }


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file is not current.")
def main(*, check: bool) -> None:
    """Render Grafana's dashboards from their definitions."""
    stale = {
        path: text
        for path, text in files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    if check and stale:
        names = ", ".join(path.name for path in stale)
        raise click.ClickException(f"not current: {names}; run python -m grafana")
    for path, text in stale.items():
        path.write_text(text, encoding="utf-8")
        click.echo(f"wrote {path.name}")


if __name__ == "__main__":
    main()
