"""`python -m prometheus` writes the rules; with --check it only says whether they are current."""

from pathlib import Path

import click

from prometheus import alerts, burn, lights
from prometheus.rule import render

RULES = Path(__file__).parent / "rules"


def files() -> dict[Path, str]:
    """Every rules file and what belongs in it."""
    return {
        RULES / "lights.yml": render(lights.GROUPS, "The SLA light: what each service averages."),
        RULES / "slo_stage.yml": render(
            (burn.LIVE_DEMO,), "The objectives, and the burn rates that answer within a scene."
        ),
        RULES / "slo_production.yml": render(
            (burn.PRODUCTION,), "The burn rates of days and what is left; reads slo_stage.yml."
        ),
        RULES / "alerts.yml": render(alerts.GROUPS, "What is worth a call besides the budgets."),
    }


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file is not current.")
def main(*, check: bool) -> None:
    """Render the rules of Prometheus from their definitions."""
    stale = [
        path
        for path, text in files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if check and stale:
        names = ", ".join(path.name for path in stale)
        raise click.ClickException(f"not current: {names}; run python -m prometheus")
    for path in stale:
        path.write_text(files()[path], encoding="utf-8")
        click.echo(f"wrote {path.name}")


if __name__ == "__main__":
    main()
