"""Puts a trace's spans into the order of a waterfall, whatever is missing, repeated or circular."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from observatory.store.model import StoredSpan

ORPHAN = "its parent was not received"
CYCLE = "its parents form a circle"


class PlacedSpan(Struct):
    """A span in its place. `self_ns` is the time in which none of its children was working."""

    span: StoredSpan
    depth: int
    children: list["PlacedSpan"]
    mark: str = ""
    self_ns: int = 0
    critical: bool = False


def arrange(spans: Sequence[StoredSpan]) -> list[PlacedSpan]:
    """Every span exactly once, parents before children, by start within one parent.

    A span whose parent is missing is a root; a circle is opened at its earliest span."""
    nodes = [PlacedSpan(span, 0, []) for span in sorted(spans, key=lambda span: span.start_ns)]
    first: dict[str, PlacedSpan] = {}
    for node in nodes:
        first.setdefault(node.span.span_id, node)
    roots: list[PlacedSpan] = []
    for node in nodes:
        parent = first.get(node.span.parent_id)
        if parent is not None:
            parent.children.append(node)
        else:
            node.mark = ORPHAN if node.span.parent_id else ""
            roots.append(node)
    placed: list[PlacedSpan] = []
    seen: set[int] = set()
    for root in roots:
        _descend(root, placed, seen)
    for node in nodes:
        # Out of every root's reach: its parents lead into a circle.
        if id(node) not in seen:
            opened = _earliest_in_circle(node, first)
            opened.mark = CYCLE
            _descend(opened, placed, seen)
    for node in placed:
        node.self_ns = _self_ns(node)
    if placed:
        _mark_critical(placed[0])
    return placed


def _earliest_in_circle(node: PlacedSpan, first: dict[str, PlacedSpan]) -> PlacedSpan:
    passed: dict[int, PlacedSpan] = {}
    while id(node) not in passed:
        passed[id(node)] = node
        node = first[node.span.parent_id]
    met = list(passed)
    circle = [passed[known] for known in met[met.index(id(node)) :]]
    return min(circle, key=lambda member: member.span.start_ns)


def _descend(root: PlacedSpan, placed: list[PlacedSpan], seen: set[int]) -> None:
    # With a list, not by recursion: a trace may be a thousand spans deep.
    seen.add(id(root))
    stack = [root]
    while stack:
        node = stack.pop()
        placed.append(node)
        # In a circle the last one's child is the first, which has its place already.
        node.children = [child for child in node.children if id(child) not in seen]
        for child in node.children:
            seen.add(id(child))
            child.depth = node.depth + 1
        stack.extend(reversed(node.children))


def _self_ns(node: PlacedSpan) -> int:
    start_ns, end_ns = node.span.start_ns, node.span.end_ns
    busy_ns, reached_ns = 0, start_ns
    for child in node.children:
        begins = max(child.span.start_ns, reached_ns)
        ends = min(child.span.end_ns, end_ns)
        if ends > begins:
            busy_ns += ends - begins
            reached_ns = ends
    return end_ns - start_ns - busy_ns


def _mark_critical(root: PlacedSpan) -> None:
    """Mark the spans that the root's end waited for.

    Walks back from the end: what finished last before a moment is what that moment waited for
    (as Jaeger's critical path does, from Uber's CRISP, USENIX ATC 2022)."""
    stack = [(root, root.span.end_ns)]
    while stack:
        node, until_ns = stack.pop()
        node.critical = True
        for child in _last_to_end(node.children, until_ns):
            if child.span.start_ns < until_ns:
                stack.append((child, min(until_ns, child.span.end_ns)))
                until_ns = child.span.start_ns


def _last_to_end(children: Iterable[PlacedSpan], until_ns: int) -> list[PlacedSpan]:
    # One that outlived its parent was given up on: up to then the parent had waited for it.
    return sorted(
        children, key=lambda child: (-min(child.span.end_ns, until_ns), child.span.start_ns)
    )
