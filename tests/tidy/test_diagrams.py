"""The pictures in README and ARCHITECTURE are the code's own."""

from tests.tidy.diagrams import DIAGRAMS, DOCUMENTS, ROOMS, imports_of_rooms, renewed, shown
from tests.tidy.files import complain, read


def test_every_diagram_is_as_the_code_has_it():
    complain(
        [name for name in DOCUMENTS if renewed(read(name)) != read(name)],
        "a diagram is out of date: run `make diagrams`",
    )


def test_every_diagram_is_shown():
    seen = set().union(*(shown(read(name)) for name in DOCUMENTS))
    complain(sorted(DIAGRAMS.keys() - seen), "show it: <!-- diagram: NAME --> and a mermaid block")


def test_arrows_between_rooms_go_down():
    complain(
        [
            f"{room} -> {other}"
            for room, other in sorted(imports_of_rooms())
            if ROOMS.index(room) >= ROOMS.index(other) and (room, other) != ("scenarios", "fleet")
        ],
        "a room imports only what stands below it in tests/tidy/diagrams.py",
    )
