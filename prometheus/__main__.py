"""`python -m prometheus` writes rules and targets; with --check it only reports stale files."""

from pathlib import Path

import click

from prometheus import alerts, burn, lights, targets
from prometheus.rule import render

HOME = Path(__file__).parent
RULES = HOME / "rules"


def rules_files() -> dict[Path, str]:
    """Every file of rules, with its text."""
    return {
        RULES / "lights.yml": render(lights.GROUPS, "The SLA light of each service."),
        RULES / "slo_live_demo.yml": render(
            (burn.LIVE_DEMO,),
            "The objectives, and burn rates for a live demo.",
        ),
        RULES / "slo_production.yml": render(
            (burn.PRODUCTION,),
            "Burn rates over hours and days; reads slo_live_demo.yml.",
        ),
        RULES / "alerts.yml": render(alerts.GROUPS, "Alerts besides those on error budgets."),
    }


def files() -> dict[Path, str]:
    """Every rendered file, with its text."""
    return rules_files() | {HOME / "targets/compose/shop.json": targets.render()}


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file is not current.")
def main(*, check: bool) -> None:
    """Render the rules and targets of Prometheus from their definitions."""
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
