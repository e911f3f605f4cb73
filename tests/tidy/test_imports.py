"""Who may import whom, where it holds for every service alike; pyproject.toml has the rest."""

import ast
from collections.abc import Iterator

from tests.tidy.files import complain, ours, tree
from topology import SERVICES

# What a service shows to others (`events`: what it publishes); bench measures stores, a twin
# replaces what is inside, and tests open everything.
OPEN = {"client", "contract", "events", "settings"}
INSIDERS = ("tests/", "bench/", "twins/")
PURE = {"litestar", "sqlalchemy", "asyncpg", "aiohttp", "grpc", "aio_pika", "chassis"}


def imports(name: str) -> Iterator[tuple[int, str]]:
    """Every module that a file imports, with its line; a name that is a module counts as one."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{each.name}") for each in node.names)


def test_services_meet_only_through_client_and_contract():
    # The gateway's agent is a part of the fleet, which starts it.
    packages = [each.package for each in SERVICES if not each.package.startswith("fleet.")]
    broken = [
        f"{name}:{line}: {module}"
        for name in ours(".py")
        if not name.startswith(INSIDERS)
        for line, module in imports(name)
        for package in packages
        if module.startswith(f"{package}.") and not name.startswith(package.replace(".", "/"))
        if module.removeprefix(f"{package}.").split(".")[0] not in OPEN
    ]
    complain(broken, "of another service, import its client or its contract")


def test_a_domain_is_pure():
    broken = [
        f"{name}:{line}: {module}"
        for name in ours("/domain.py")
        for line, module in imports(name)
        if module.split(".")[0] in PURE
    ]
    complain(broken, "a domain imports no framework, no database, no client")
