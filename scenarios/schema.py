"""Writes scenarios/act.schema.json, which an editor checks an act with while it is written."""

import json
from typing import Any

import msgspec

from scenarios.loader import FOLDER
from scenarios.model import Act

FILE = FOLDER / "act.schema.json"


def schema() -> str:
    """The schema of the structs that read an act, and the one rule they cannot say."""
    made: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An act of Valerix",
        **msgspec.json.schema(Act),
    }
    # Whatever the words are, an action is one of them.
    made["$defs"]["Action"] |= {"minProperties": 1, "maxProperties": 1}
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(schema(), encoding="utf-8")
