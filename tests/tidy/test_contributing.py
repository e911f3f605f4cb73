"""CONTRIBUTING.md names files that exist, of every kind of thing that it says how to add."""

import re

from fleet.run_dir import ROOT
from tests.tidy.files import complain, read

TEXT = read("CONTRIBUTING.md")
# An example of each thing whose place it names: `frontend/<page>/panels.py` of this page.
EXAMPLES = {
    "<key>": "inventory",
    "<page>": "overview",
    "<panel>": "lights",
    "<theme>": "stock",
    "<name>": "slow-inventory",
}


def test_every_path_it_names_exists():
    named = set(re.findall(r"(?:`|\]\()([\w<>./-]*/[\w<>./-]*|\w+\.md)(?:`|[)#])", TEXT))
    for part, example in EXAMPLES.items():
        named = {path.replace(part, example) for path in named}
    assert len(named) > 20
    complain(sorted(path for path in named if not (ROOT / path).exists()), "is not there")


def test_it_says_how_to_add_each_of_five_things():
    heads = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    things = ["A process", "A panel", "A fault kind", "An invariant", "An act"]
    assert [head for head in heads if head in things] == things
