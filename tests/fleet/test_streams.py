"""Commands whose input or output is full, closed or gone: at most one line, and the right code."""

import os
import subprocess
import sys

import pytest

from fleet.run_dir import ROOT

SETTINGS = ("settings",)
FULL, CLOSED, GONE = "it is full", "it is closed", "nobody reads it"
LOST = {
    FULL: "Error: the output cannot be written: No space left on device\n",
    CLOSED: "Error: the output cannot be written: it is closed\n",
    # As after `| head` in other tools.
    GONE: "",
}


def run(
    *arguments: str, output: str = "", close: str = "", module: str = "cli"
) -> subprocess.CompletedProcess[str]:
    """One command; `output` is what is wrong with its output, `close` are numbers that it finds
    closed, as a shell's `<&-` leaves them."""
    command = [sys.executable, "-m", module, *arguments]
    if output == FULL:
        command = ["sh", "-c", 'exec "$@" >/dev/full', "sh", *command]
    if output == CLOSED:
        command = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    for number in close:
        redirection = {"0": "<&-", "1": ">&-", "2": "2>&-"}[number]
        command = ["sh", "-c", f'exec "$@" {redirection}', "sh", *command]
    reader, writer = os.pipe()
    if output == GONE:
        os.close(reader)
    try:
        return subprocess.run(
            command,
            cwd=ROOT,
            stdout=writer if output == GONE else subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
        if output != GONE:
            os.close(reader)


@pytest.mark.parametrize(
    "output", [FULL, *(pytest.param(each, marks=[pytest.mark.long]) for each in (CLOSED, GONE))]
)
def test_a_load_whose_output_is_lost_says_so_to_whom_can_read_it(output: str):
    done = run("run", "--help", output=output, module="loadtests")
    assert (done.returncode, done.stderr) == (2, LOST[output])


@pytest.mark.parametrize(
    "command",
    [
        SETTINGS,
        *(
            pytest.param(each, marks=pytest.mark.long)
            for each in (("act", "list"), ("--help",), ("act", "--help"))
        ),
    ],
)
@pytest.mark.parametrize("output", LOST)
def test_an_output_that_is_lost_is_a_2_and_a_line_unless_nobody_reads_on(
    command: tuple[str, ...], output: str
):
    done = run(*command, output=output)
    assert (done.returncode, done.stderr) == (2, LOST[output])


@pytest.mark.parametrize("closed", ["0", "2", "02"])
def test_without_input_or_error_output_a_command_does_its_work(closed: str):
    done = run(*SETTINGS, close=closed)
    assert (done.returncode, done.stderr) == (0, "")
    assert "VALERIX_PORT" in done.stdout


@pytest.mark.parametrize(
    "closed", ["1", *(pytest.param(each, marks=pytest.mark.long) for each in ("12", "012"))]
)
def test_with_nothing_to_write_to_the_code_alone_says_so(closed: str):
    assert run(*SETTINGS, close=closed).returncode == 2


@pytest.mark.parametrize(
    "closed", ["02", *(pytest.param(each, marks=pytest.mark.long) for each in ("0", "2"))]
)
def test_a_mistake_keeps_its_code_whatever_is_closed(closed: str):
    done = run("act", "show", "no such act", close=closed)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_terminal_that_cannot_show_a_character_gets_its_number():
    done = subprocess.run(
        [sys.executable, "-m", "cli", "migrate", "force", "--help"],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"0001, 0002, \\u2026, or base" in done.stdout
