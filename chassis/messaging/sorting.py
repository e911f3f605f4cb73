"""Which events of a batch take effect now, and in what order; values alone."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal
from uuid import UUID

from msgspec import Struct

from chassis.messaging.envelope import CloudEvent
from chassis.messaging.transport import Incoming


class Arrived(Struct, frozen=True):
    """A delivery whose body could be read."""

    delivery: Incoming
    event: CloudEvent


class Parked(Struct, frozen=True):
    """An event that is put aside: it 'failed', or it is 'waiting' for an earlier one."""

    arrived: Arrived
    kind: Literal["failed", "waiting"]
    reason: str


class Sorted(Struct, frozen=True):
    """What to do with a batch; what is in neither list came before."""

    fresh: list[Arrived]
    parked: list[Parked]


def sort_out(
    batch: Sequence[Arrived],
    *,
    seen: Collection[UUID],
    last: Mapping[tuple[str, str], int] | None,
) -> Sorted:
    """`seen` are ids that took effect already. `last` is the sequence that each aggregate of the
    batch has come to (0: none), or None where a consumer does not care for order."""
    known, at = set(seen), dict(last or {})
    fresh: list[Arrived] = []
    parked: list[Parked] = []
    # Within an aggregate, positions rise with the sequence.
    in_order = (
        sorted(batch, key=lambda each: int(each.event.position)) if last is not None else batch
    )
    for arrived in in_order:
        event = arrived.event
        if event.id in known:
            continue
        known.add(event.id)
        expected = at.get(event.key, 0) + 1
        if last is None or event.seq == expected:
            at[event.key] = event.seq
            fresh.append(arrived)
        elif event.seq > expected:
            parked.append(Parked(arrived, "waiting", f"number {expected} has not taken effect"))
        else:
            reason = f"number {event.seq} of {event.subject} was another event"
            parked.append(Parked(arrived, "failed", reason))
    return Sorted(fresh, parked)
