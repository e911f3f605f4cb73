"""A twin for whoever cannot import this room: `python -m twins.serve NAME`, and lines of JSON.

The first line that it reads is `{"beside": URL}`, the database of the shop it is compared with;
when its input ends, so does the twin. It writes where its processes are, once they are ready
(`TwinReady`); then again and again what came of both shops since (`SideBySide`); or, instead,
why it cannot run (`TwinRefused`)."""

import asyncio
import contextlib
import sys
import time

import click
import msgspec

from fleet.errors import CannotRun
from twins.counting import Counts, counts
from twins.small_shop import start

_EVERY_S = 0.5
# A shop of years takes long to count, and serves meanwhile.
_REST = 4.0
# What is still open at the end is settled within ten seconds, or it is stuck.
_LAST_LOOKS = 20


class TwinReady(msgspec.Struct, frozen=True):
    """Where its processes are, by key."""

    urls: dict[str, str]


class TwinRefused(msgspec.Struct, frozen=True):
    """Why it does not run."""

    why: str


class SideBySide(msgspec.Struct, frozen=True):
    """What came of either shop since the twin began."""

    ours: Counts
    theirs: Counts


class _Beside(msgspec.Struct, frozen=True):
    beside: str


def since(now: Counts, before: Counts) -> Counts:
    """What came of a shop since `before`; what was wrong then and is not now counts as nothing."""
    return Counts(
        **{
            name: max(0, getattr(now, name) - getattr(before, name))
            for name in Counts.__struct_fields__
        }
    )


class _Moments(msgspec.Struct):
    """What has happened so far: it is ready, and its input has ended."""

    ready: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    ended: asyncio.Event = msgspec.field(default_factory=asyncio.Event)


async def serve(name: str, beside: str, moments: _Moments) -> None:
    """Run the twin until the input has ended; then count for the last time, once ours has come to
    rest."""
    before = await counts(beside)
    async with start(name) as shop:

        async def count() -> bool:
            """Say what came of both; whether ours is at rest."""
            # A database that is away for a moment comes back; the figures wait for it.
            with contextlib.suppress(CannotRun):
                ours, theirs = await asyncio.gather(counts(beside), counts(shop.database_url))
                _say(SideBySide(since(ours, before), theirs))
                return ours.stuck <= before.stuck
            return False

        _say(TwinReady(shop.urls))
        moments.ready.set()
        while not moments.ended.is_set():
            began = time.monotonic()
            await count()
            rest_s = max(_EVERY_S, _REST * (time.monotonic() - began))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest_s):
                    await moments.ended.wait()
        for _ in range(_LAST_LOOKS):
            if await count():
                break
            await asyncio.sleep(_EVERY_S)


def _say(line: msgspec.Struct) -> None:
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


async def _until_input_ends(name: str) -> None:
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    asked = msgspec.json.decode(await reader.readline(), type=_Beside)
    moments = _Moments()
    serving = asyncio.create_task(serve(name, asked.beside, moments))
    ending = asyncio.create_task(reader.read())
    await asyncio.wait([serving, ending], return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    moments.ended.set()
    if not moments.ready.is_set():
        serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


@click.command()
@click.argument("name")
def main(name: str) -> None:
    """Serve until the input ends."""
    try:
        asyncio.run(_until_input_ends(name))
    except click.ClickException as error:
        _say(TwinRefused(error.message))
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)


if __name__ == "__main__":
    main()
