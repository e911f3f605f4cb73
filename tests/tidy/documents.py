"""What documents repeat of the code: diagrams from topology, imports and state machines, and the
tables of settings, kinds of gremlins, invariants and a policy's variables.

`python -m tests.tidy.documents` writes them between their marks; a test compares."""

import ast
import re
from collections.abc import Callable, Iterable, Mapping

from chassis.faults.kinds import KINDS
from fleet.run_dir import ROOT
from fleet.settings import table
from proof import Limits, invariants
from services.order.domain import TERMINAL, TRANSITIONS
from services.payment.domain import PAYMENT_TRANSITIONS
from services.payment.policy import VARIABLES
from tests.tidy.files import ours, read
from topology import PROCESSES

# From the command line down to what everything stands on; the order is the picture's.
ROOMS = (
    "cli",
    "loadtests",
    "twins",
    "fleet",
    "frontend",
    "scenarios",
    "observatory",
    "proof",
    "services",
    "gateways",
    "providers",
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
    lines += ["    services ==> chassis", "    providers ==> chassis", "    topology"]
    return "\n".join(lines)


def processes() -> str:
    """Who calls whom, and what each owns in the database."""
    lines = ["flowchart LR", "    customer([curl, Locust, a browser])"]
    lines += [f'    {each.key}["{each.name} :{each.port}"]' for each in PROCESSES]
    lines += ['    postgres[("PostgreSQL")]']
    lines += [f"    customer --> {each.key}" for each in PROCESSES if each.is_public]
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


def settings() -> str:
    return table().strip()


def kinds() -> str:
    rows = [f"| `{each.kind}` | {each.label} | {each.hint} |" for each in KINDS]
    return "\n".join(["| kind | switch | what happens |", "|---|---|---|", *rows])


def promises() -> str:
    """The invariants, with when each must hold; it may depend on what the gateway can do."""
    held = {"A": "always", "Q": "once quiet"}
    lines = ["| id | name | promise | must hold |", "|---|---|---|---|"]
    for usual, unfenced in zip(invariants(), invariants(Limits(gateway_fences=False)), strict=True):
        when = held[usual.kind]
        if usual.kind != unfenced.kind:
            when += f" ({held[unfenced.kind]} if the gateway cannot fence)"
        lines.append(f"| {usual.id} | {usual.title} | {usual.promise} | {when} |")
    return "\n".join(lines)


def variables() -> str:
    """What a policy's conditions can ask about."""
    lines = ["| variable | type | unit | from | if absent |", "|---|---|---|---|---|"]
    for each in VARIABLES:
        sources = {"request": "the request", "metadata": "metadata", "merchant": "the merchant"}
        found = ", else ".join(sources[source] for source in each.sources)
        absent = "never" if each.default is None else f"`{each.default!r}`"
        form = f"{each.unit}; {each.form}" if each.form else each.unit
        lines.append(f"| `{each.name}` | {each.type} | {form} | {found} | {absent} |")
    return "\n".join(lines)


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "kinds": kinds,
    "invariants": promises,
    "variables": variables,
}
DOCUMENTS = (
    "README.md",
    "ARCHITECTURE.md",
    "docs/protocol.md",
    "docs/settings.md",
    "docs/policies.md",
)
_DIAGRAM = r"(<!-- diagram: (\w+) -->\n```mermaid\n)(.*?)(\n```\n)"
_TABLE = r"(<!-- table: (\w+) -->\n\n)(.*?)(\n\n<!-- end of the table -->\n)"
_PARTS = ((_DIAGRAM, DIAGRAMS), (_TABLE, TABLES))


def renewed(text: str) -> str:
    """The document with every marked part as it is now."""
    for pattern, made in _PARTS:
        text = _with_current(pattern, made, text)
    return text


def _with_current(pattern: str, made: Mapping[str, Callable[[], str]], text: str) -> str:
    return re.sub(
        pattern, lambda found: found[1] + made[found[2]]() + found[4], text, flags=re.DOTALL
    )


def shown(text: str) -> set[str]:
    """The names of the parts that a document shows."""
    return {
        found[1] for pattern, _ in _PARTS for found in re.findall(pattern, text, flags=re.DOTALL)
    }


def main() -> None:
    for name in DOCUMENTS:
        (ROOT / name).write_text(renewed(read(name)), encoding="utf-8")


if __name__ == "__main__":
    main()
