"""Nothing unfinished and nothing of one person's machine is committed."""

import re

from tests.tidy.files import complain, project_files, read

# Written in pieces, so that these lines do not find themselves.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|HA" r"CK)\b")
MACHINE = re.compile(r"/(work|root|ho" r"me/\w+|Use" r"rs/\w+|tmp/v)/\w")
REGISTRY = re.compile(
    r"pypi\." r"org|pythonhosted\." r"org|--(extra-)?index" r"-url|registry\.npm" r"js", re.I
)
# The licence is not our text, and a lock file's hashes spell anything.
NOT_OURS = ("LICENSE", ".lock", "static/vendor/")
BINARY = (".png", ".jpg", ".woff2", ".ico", ".gif", ".webp")


def lines() -> list[tuple[str, str]]:
    """Every line of text we wrote, with where it stands."""
    return [
        (f"{name}:{number}", line)
        for name in project_files()
        if not name.endswith(BINARY) and not any(part in name for part in NOT_OURS)
        for number, line in enumerate(read(name).splitlines(), 1)
    ]


def found(pattern: re.Pattern[str]) -> list[str]:
    return [f"{where}: {line.strip()[:80]}" for where, line in lines() if pattern.search(line)]


def test_nothing_is_left_to_do():
    complain(found(UNFINISHED), "do it now, or leave it out and say so in the change's description")


def test_no_path_of_somebodys_machine():
    complain(found(MACHINE), "say it relative to the checkout, or as a placeholder")


def test_no_address_of_a_package_registry():
    complain(found(REGISTRY), "leave the registry to the reader's own pip and uv configuration")


def test_lock_files_name_no_registry():
    broken = [
        name for name in project_files() if name.endswith(".lock") and REGISTRY.search(read(name))
    ]
    complain(broken, "compile again with `make lock`: it writes no index lines")


def test_lock_files_pin_every_package_with_a_hash():
    broken = [
        f"{name}: {block.splitlines()[0]}"
        for name in ("requirements.lock", "requirements-dev.lock")
        for block in re.split(r"\n(?=\S)", read(name))
        if not re.match(r"#|\S+==[^\n]*\\\n\s+--hash=sha256:", block)
    ]
    complain(broken, "compile again with `make lock`")
