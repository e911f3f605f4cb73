"""Which events may be on their way at once; values alone."""

from collections.abc import Collection, Sequence

from services.events.relay.store import OutboxRow


def next_wave(
    waiting: Sequence[OutboxRow], *, held_back: Collection[tuple[str, str]], keeps_order: bool
) -> list[OutboxRow]:
    """Of `waiting`, in order of position, those to publish now. A transport that confirms each
    message alone gets one event of an aggregate at a time: an earlier one that is not confirmed
    holds its aggregate back, and no other."""
    if keeps_order:
        return list(waiting)
    busy = set(held_back)
    wave = []
    for row in waiting:
        if row.key not in busy:
            busy.add(row.key)
            wave.append(row)
    return wave
