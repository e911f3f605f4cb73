"""`python -m infra.kubernetes` writes the base and the components; --check only compares."""

from pathlib import Path

import click

from infra.kubernetes import components, shop
from infra.kubernetes.objects import written

HOME = Path(__file__).parent


def files() -> dict[Path, str]:
    """Every rendered file, with its text."""
    found = {HOME / "base" / name: objects for name, objects in shop.files().items()}
    for component, its_files in components.files().items():
        folder = HOME / "components" / component
        found |= {folder / name: objects for name, objects in its_files.items()}
    found[HOME / "complete/kustomization.yaml"] = [components.complete()]
    return {path: written(objects) for path, objects in found.items()}


def stale() -> list[Path]:
    """What is missing, differs, or is rendered no more."""
    current = files()
    there = set(HOME.rglob("*.yaml"))
    differing = {
        path
        for path, text in current.items()
        if path not in there or path.read_text(encoding="utf-8") != text
    }
    return sorted(differing | (there - set(current)))


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file is not current.")
def main(*, check: bool) -> None:
    """Render the shop's Kubernetes objects from the topology."""
    changed, current = stale(), files()
    names = ", ".join(str(path.relative_to(HOME)) for path in changed)
    if check and changed:
        raise click.ClickException(f"not current: {names}; run python -m infra.kubernetes")
    for path in changed:
        if path in current:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(current[path], encoding="utf-8")
        else:
            path.unlink()
    if changed:
        click.echo(f"wrote {names}")


if __name__ == "__main__":
    main()
