"""What `ps` and `pkill` see of a process that was forked: the command it is, not its parent's."""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

# In /proc/PID/stat, counted after the name in parentheses: where arguments and environment lie.
_ARGUMENTS_BEGIN, _ARGUMENTS_END, _ENVIRONMENT_BEGIN, _ENVIRONMENT_END = range(45, 49)


def show_as(argv: Sequence[str]) -> None:
    """Write `argv` over our arguments (Linux), and on over what we were given as environment where
    that is longer: call it once `os.environ` was emptied and filled, and nothing points there.

    The kernel shows the arguments up to their end while the last byte is zero, and otherwise one
    string up to the next zero, for programs that do this (proc(5)).
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[_ARGUMENTS_BEGIN]), int(fields[_ARGUMENTS_END])
    room = end - begin
    title = b"\0".join(map(os.fsencode, argv)) + b"\0"
    if len(title) > room and int(fields[_ENVIRONMENT_BEGIN]) == end:
        room = int(fields[_ENVIRONMENT_END]) - begin
        title = title[:-1].replace(b"\0", b" ")
    title = title[: room - 1]
    ctypes.memset(begin, 0, room)
    ctypes.memmove(begin, title, len(title))
