"""Reads an act from its file; every mistake is one line with the file and the line it stands on."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import yaml
from msgspec import Struct

from scenarios.error_messages import explain
from scenarios.model import Act
from scenarios.validation import problems_of

FOLDER = Path(__file__).resolve().parent
SUFFIX = ".yaml"
# A long act has ten kilobytes. YAML's own traps (aliases, tags) are refused below.
_LARGEST_BYTES = 64 * 1024
_TEXTS = "tag:yaml.org,2002:str"


class BadAct(Exception):
    """A file that cannot be played: where, and why."""

    def __init__(self, file: str, line: int, why: str) -> None:
        # A value of the file may hold a line break or a terminal's colour code.
        why = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in why)
        super().__init__(f"{file}:{line}: {why}" if line else f"{file}: {why}")
        self.file, self.line, self.why = file, line, why


class Scenario(Struct, frozen=True):
    """An act with the name it is called by, and where each of its actions stands in the file."""

    name: str
    file: str
    act: Act
    lines: dict[str, int]

    @property
    def actor(self) -> str:
        """Who lets its gremlins loose, in the audit log."""
        return f"act {self.name}"

    def line(self, step: int, place: int | None = None) -> int:
        """The line of a step, or of one of the things it does; 0 if that is not known."""
        path = f"$.steps[{step}]" + ("" if place is None else f".do[{place}]")
        return self.lines.get(path, 0)


def names(folder: Path = FOLDER) -> list[str]:
    """The acts there are, by name."""
    return sorted(path.stem for path in folder.glob(f"*{SUFFIX}"))


def find(wanted: str, folder: Path = FOLDER) -> Path:
    """The file of an act, by its name or by its path; raises `BadAct` if there is none."""
    path = Path(wanted)
    if path.suffix in (SUFFIX, ".yml"):
        return path
    if wanted in (known := names(folder)):
        return folder / f"{wanted}{SUFFIX}"
    raise BadAct(wanted, 0, f"there is no such act; there are: {', '.join(known) or 'none'}")


def read(path: Path) -> Scenario:
    """The act in this file; raises `BadAct`."""
    file = _shown(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadAct(file, 0, f"cannot be read: {error.strerror}") from None
    if len(raw) > _LARGEST_BYTES:
        raise BadAct(file, 0, f"is larger than {_LARGEST_BYTES // 1024} KiB: that is not an act")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise BadAct(file, raw[: error.start].count(b"\n") + 1, "this is not UTF-8") from None
    return parse(text, path.stem, file)


def parse(text: str, name: str, file: str) -> Scenario:
    """The act in this text; raises `BadAct`."""
    node = _compose(text, file)
    lines: dict[str, int] = {}
    _walk(node, "$", lines, set(), file)
    try:
        data = _data(node)
        act = msgspec.convert(data, Act)
    except msgspec.ValidationError as error:
        path, why = explain(str(error), data)
        raise BadAct(file, _line_of(path, lines), why) from None
    except yaml.MarkedYAMLError as error:
        raise BadAct(file, _marked(error), str(error.problem)) from None
    for problem in problems_of(act):
        raise BadAct(file, _line_of(problem.path, lines), problem.why)
    return Scenario(name, file, act, lines)


def _compose(text: str, file: str) -> yaml.Node:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise BadAct(file, _marked(error), f"this is not YAML: {error.problem}") from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise BadAct(file, line, "there is a character that text cannot contain") from None
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1 if node is not None else 1
        raise BadAct(file, line, "an act begins with `title: …`; this is something else")
    return node


def _walk(node: yaml.Node, path: str, lines: dict[str, int], seen: set[int], file: str) -> None:
    """Note on which line every path stands; refuse what YAML would silently merge or repeat."""
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if id(node) in seen:
        raise BadAct(file, line, "an act is read from top to bottom: no anchors and aliases")
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode) and not _is_text(node.value):
        raise BadAct(file, line, "there is a character that text cannot contain")
    if isinstance(node, yaml.SequenceNode):
        for at, child in enumerate(node.value):
            _walk(child, f"{path}[{at}]", lines, seen, file)
    elif isinstance(node, yaml.MappingNode):
        written: set[str] = set()
        for key, child in node.value:
            at = key.start_mark.line + 1
            # YAML reads `on`, `no` and 1 as something else than text; nobody means that in a key.
            if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXTS:
                raise BadAct(file, at, f"a word is expected here, not {_source(key)!r}")
            if not _is_text(key.value):
                raise BadAct(file, at, "there is a character that text cannot contain")
            if key.value in written:
                raise BadAct(file, at, f"`{key.value}` is written twice")
            written.add(key.value)
            lines[f"{path}.{key.value}"] = at
            _walk(child, f"{path}.{key.value}", lines, seen, file)


def _is_text(value: str) -> bool:
    """Whether it can be encoded: an escape can write half of a surrogate pair, which cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _data(node: yaml.Node) -> object:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _source(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else "a list or a mapping"


def _marked(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark is not None else 1


def _line_of(path: str, lines: dict[str, int]) -> int:
    """The line of the path, or of the nearest thing around it."""
    while path not in lines and path != "$":
        path = path[: max(path.rfind("."), path.rfind("["))]
    return lines.get(path, 1)


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(FOLDER.parent))
    except ValueError:
        return str(path)


def read_all(folder: Path = FOLDER) -> Sequence[Scenario | BadAct]:
    """Every act of the folder; one that cannot be read is there as its mistake."""
    found: list[Scenario | BadAct] = []
    for name in names(folder):
        try:
            found.append(read(folder / f"{name}{SUFFIX}"))
        except BadAct as bad:
            found.append(bad)
    # Those that cannot be read come last.
    return sorted(found, key=lambda each: 100 if isinstance(each, BadAct) else each.act.place)
