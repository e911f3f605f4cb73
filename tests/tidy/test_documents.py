"""The diagrams and tables in documents are the code's own."""

import re

from fleet.run_dir import ROOT
from tests.tidy.documents import (
    DIAGRAMS,
    DOCUMENTS,
    ROOMS,
    TABLES,
    imports_of_rooms,
    renewed,
    shown,
)
from tests.tidy.files import complain, read


def test_every_marked_part_is_as_the_code_has_it():
    complain(
        [name for name in DOCUMENTS if renewed(read(name)) != read(name)],
        "a part is out of date: run `make render`",
    )


def test_every_part_is_shown():
    seen = set().union(*(shown(read(name)) for name in DOCUMENTS))
    complain(
        sorted((DIAGRAMS.keys() | TABLES.keys()) - seen),
        "show it: <!-- diagram: NAME --> or <!-- table: NAME -->",
    )


def test_every_act_stands_in_its_document():
    acts = {path.stem for path in (ROOT / "scenarios").glob("*.yaml")}
    rows = set(re.findall(r"^\| `([a-z-]+)` \| ", read("docs/acts.md"), re.MULTILINE))
    complain(sorted(acts - rows), "docs/acts.md has no row for these acts")


# Through fleet/client.py, which imports nothing of the fleet.
ASKS_THE_FLEET = (("scenarios", "fleet"), ("frontend", "fleet"))


def test_arrows_between_rooms_go_down():
    complain(
        [
            f"{room} -> {other}"
            for room, other in sorted(imports_of_rooms())
            if ROOMS.index(room) >= ROOMS.index(other) and (room, other) not in ASKS_THE_FLEET
        ],
        "a room imports only what stands below it in tests/tidy/documents.py",
    )
