"""What is typed into the search of logs, as terms that a line must all match."""

import re

from msgspec import Struct

from observatory.store.model import StoredLine

# A field's name as lines show it; its value may be quoted. Otherwise a word, or a quoted phrase.
_TERM = re.compile(r'([A-Za-z_][\w.]*)=(?:"([^"]*)"?|(\S+))|"([^"]*)"?|(\S+)')
# A longer search is somebody's mistake; each term is one more pass over the lines.
_MOST = 10
# What a line shows besides its attributes.
_OWN = ("level", "service", "trace_id", "span_id", "message")
# What the dashboard writes where it shortened a value.
CUT = "\u2026"


class Term(Struct, frozen=True):
    """Something a line must have: `text` anywhere in it, or as the value of `field`."""

    text: str
    field: str = ""

    @property
    def literal(self) -> str:
        """As the line would show it."""
        return f"{self.field}={self.text}" if self.field else self.text


def terms(text: str) -> tuple[Term, ...]:
    """`status=503 "no answer" order` as three terms; nothing that is typed is an error."""
    found = []
    for field, quoted, value, phrase, word in _TERM.findall(text)[:_MOST]:
        term = Term(quoted or value, field) if field else Term(phrase or word)
        if term.text:
            found.append(term)
    return tuple(found)


def as_term(field: str, value: str) -> str:
    """What to type to find this value of this field."""
    quoted = not value or re.search(r'[\s"]', value)
    return f'{field}="{value.replace(chr(34), "")}"' if quoted else f"{field}={value}"


def has_field(line: StoredLine, term: Term) -> bool:
    """Whether the line's `field` has that value, whatever the case; the attributes unpacked."""
    wanted = term.text.casefold()
    values = [value for key, value in line.attributes if key == term.field]
    if term.field in _OWN:
        values.append(getattr(line, term.field))
    if wanted.endswith(CUT):
        return any(value.casefold().startswith(wanted[:-1]) for value in values)
    return any(value.casefold() == wanted for value in values)
