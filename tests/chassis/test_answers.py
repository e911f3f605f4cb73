"""A head waits for the body that follows at once, and for nothing else."""

import asyncio
from collections.abc import Callable

import pytest

from chassis.http.protocol import Answers


class Wire(asyncio.Transport):
    """Keeps each system call's bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """One call."""
        self.calls.append(bytes(data))

    def writelines(self, parts: object) -> None:
        """One call."""
        self.calls.append(b"".join(parts))  # type: ignore[arg-type]

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return self.closed

    def close(self) -> None:
        """Nothing more can be sent."""
        self.closed = True


def head_and_body(answers: Answers) -> None:
    answers.write(b"head ")
    answers.write(b"body ")
    answers.end()


def two_answers(answers: Answers) -> None:
    head_and_body(answers)
    head_and_body(answers)


def a_stream(answers: Answers) -> None:
    for part in (b"head ", b"first ", b"second "):
        answers.write(part)


def a_head_alone(answers: Answers) -> None:
    answers.write(b"head ")


def a_head_and_the_end(answers: Answers) -> None:
    answers.write(b"head ")
    answers.end()
    answers.write(b"next ")
    answers.write(b"body ")


def a_head_and_a_close(answers: Answers) -> None:
    answers.write(b"head ")
    answers.close()


@pytest.mark.parametrize(
    ("act", "calls"),
    [
        (head_and_body, [b"head body "]),
        (two_answers, [b"head body ", b"head body "]),
        (a_stream, [b"head first ", b"second "]),
        (a_head_alone, [b"head "]),
        (a_head_and_the_end, [b"head ", b"next body "]),
        (a_head_and_a_close, [b"head "]),
    ],
)
async def test_what_is_sent_together(act: Callable[[Answers], None], calls: list[bytes]):
    wire = Wire()
    act(Answers(wire, asyncio.get_running_loop()))
    await asyncio.sleep(0)
    assert wire.calls == calls


async def test_a_head_is_not_sent_to_a_caller_who_has_left():
    wire = Wire()
    Answers(wire, asyncio.get_running_loop()).write(b"head ")
    wire.close()
    await asyncio.sleep(0)
    assert wire.calls == []
