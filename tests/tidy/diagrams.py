"""The Mermaid diagrams of README and ARCHITECTURE, made from topology, imports and state machines.

`python -m tests.tidy.diagrams` writes them between their marks; a test compares."""

import ast
import re
from collections.abc import Callable, Iterable

from fleet.run_dir import ROOT
from services.order.domain import TERMINAL, TRANSITIONS
from services.payment.domain import PAYMENT_TRANSITIONS
from tests.tidy.files import ours, read
from topology import PROCESSES

# From the command line down to what everything stands on; the order is the picture's.
ROOMS = (
    "cli",
    "loadtests",
    "fleet",
    "frontend",
    "scenarios",
    "observatory",
    "proof",
    "services",
    "chassis",
    "topology",
)
# Every room but `topology` stands on `chassis`, and every room but `chassis` reads `topology`:
# their arrows would hide the others.
GROUND = ("chassis", "topology")


def imports_of_rooms() -> set[tuple[str, str]]:
    """Which room imports which, as the code has it."""
    found = set()
    for name in ours(".py"):
        room = name.split("/")[0]
        if room not in ROOMS:
            continue
        for node in ast.walk(ast.parse(read(name))):
            if isinstance(node, ast.ImportFrom) and node.module:
                modules = [node.module]
            elif isinstance(node, ast.Import):
                modules = [each.name for each in node.names]
            else:
                continue
            heads = {module.split(".")[0] for module in modules}
            found |= {(room, head) for head in heads if head in ROOMS and head != room}
    return found


def rooms() -> str:
    """The rooms and their arrows; what stands on the ground is said in words."""
    arrows = sorted(
        (edge for edge in imports_of_rooms() if edge[1] not in GROUND),
        key=lambda edge: (ROOMS.index(edge[0]), ROOMS.index(edge[1])),
    )
    lines = ["flowchart TD"]
    lines += [f"    {room}" for room in ROOMS if room not in GROUND]
    lines += [f"    {room} --> {other}" for room, other in arrows]
    lines += ["    services ==> chassis", "    topology"]
    return "\n".join(lines)


def processes() -> str:
    """Who calls whom, and what each owns in the database."""
    lines = ["flowchart LR", "    customer([curl, Locust, a browser])"]
    lines += [f'    {each.key}["{each.name} :{each.port}"]' for each in PROCESSES]
    lines += ['    postgres[("PostgreSQL")]']
    called = {key for each in PROCESSES for key in each.calls if each.schema}
    lines += [f"    customer --> {each.key}" for each in PROCESSES if each.key not in called]
    lines += [f"    {each.key} --> {key}" for each in PROCESSES for key in each.calls]
    lines += [
        f"    {each.key} -->|{each.schema}| postgres"
        if each.schema
        else f"    {each.key} -.->|reads| postgres"
        for each in PROCESSES
    ]
    return "\n".join(lines)


def machine(transitions: Iterable[tuple[str, str]], first: str, last: Iterable[str]) -> str:
    """A state machine; a state that repeats itself (a retry) has no arrow to itself."""
    pairs = sorted((src, dst) for src, dst in transitions if src != dst)
    lines = ["stateDiagram-v2", f"    [*] --> {first}"]
    lines += [f"    {src} --> {dst}" for src, dst in pairs]
    lines += [f"    {each} --> [*]" for each in sorted(last)]
    return "\n".join(lines)


def orders() -> str:
    return machine(TRANSITIONS, "PENDING", TERMINAL)


def payments() -> str:
    sources = {src for src, _ in PAYMENT_TRANSITIONS}
    ends = {dst for _, dst in PAYMENT_TRANSITIONS} - sources
    return machine(PAYMENT_TRANSITIONS, "PROCESSING", ends)


DIAGRAMS: dict[str, Callable[[], str]] = {
    "rooms": rooms,
    "processes": processes,
    "orders": orders,
    "payments": payments,
}
DOCUMENTS = ("README.md", "ARCHITECTURE.md")
_BLOCK = r"(<!-- diagram: (\w+) -->\n```mermaid\n)(.*?)(\n```\n)"


def renewed(text: str) -> str:
    """The document with every marked diagram as it is now."""
    return re.sub(
        _BLOCK, lambda found: found[1] + DIAGRAMS[found[2]]() + found[4], text, flags=re.DOTALL
    )


def shown(text: str) -> set[str]:
    """The names of the diagrams that a document shows."""
    return {name for _, name, _, _ in re.findall(_BLOCK, text, flags=re.DOTALL)}


def main() -> None:
    for name in DOCUMENTS:
        (ROOT / name).write_text(renewed(read(name)), encoding="utf-8")


if __name__ == "__main__":
    main()
