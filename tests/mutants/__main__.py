"""A seeded sample of small faults put into the code one at a time, to see which test notices each.

    sample  chooses them: only in functions, only where a test covers the line
    place   finds them again in a tree whose modules were moved or renamed
    run     applies each in a copy of the tree, runs its tests, notes which one fails

A mutant is found by file, function and the source of its statement, not by a line number. That
source is compared as `ast.unparse` writes it, so neither layout nor comments matter, and a person
may edit the JSON file by hand.
"""

import argparse
import ast
import contextlib
import copy
import difflib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

# Where mutants are sampled, and which part of them.
SHARES = {"services": 0.40, "chassis": 0.35, "proof": 0.25}
# So many tests are tried at first, the fastest; then the others, as far as the time allows.
FIRST = 40
# What one run of pytest costs before its first test.
_START_S = 15.0
# A test that takes longer hangs, unless the unmutated tree needed as long.
_HANGS_S = 60
# How long a run of pytest may take to end once it has been told to, or has printed all.
_ENDS_S = 30
# How long the first tests of all mutants may take together in the unmutated tree.
_VERIFIED_S = 3600
_OUR_VARIABLES = "VALERIX_"
_NOT_COPIED = shutil.ignore_patterns(
    ".venv", "__pycache__", ".coverage*", ".hypothesis", ".*_cache"
)

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_SUMS: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add}
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_NESTED = (
    *_NAMED, ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.withitem,
    ast.Try, ast.TryStar, ast.ExceptHandler, ast.Match, ast.match_case,
)  # fmt: skip
_ASSIGNED = {"target", "name", "optional_vars", "pattern", "type"}


@dataclass(frozen=True)
class Result:
    """What became of a mutant: `killed`, `timed out` (which is killed, too), `survived`, or
    `undecided`, when no test could say it."""

    outcome: str
    by: str = ""
    ran: int = 0
    seconds: float = 0.0
    detail: str = ""


@dataclass(frozen=True)
class Mutant:
    """One fault. `nth` counts the same source in one function, from 0; `line` is for people."""

    id: str
    file: str
    function: str
    line: int
    kind: str
    before: str
    after: str
    nth: int = 0
    tests: list[str] = field(default_factory=list)
    result: Result | None = None
    # What became of it before the tests were changed: no mutant killed then may survive now.
    earlier: str = ""


@dataclass(frozen=True)
class Place:
    """A simple statement, or the condition or iterable of a compound one, inside a function."""

    function: str
    node: ast.stmt | ast.expr
    is_condition: bool = False

    @property
    def source(self) -> str:
        return ast.unparse(self.node)


# --- where a mutant can be ---


def places(node: ast.AST, function: str = "", inside: bool = False) -> Iterator[Place]:
    """Every place under `node`, in the order of the source."""
    fields: Iterable[str] = node._fields
    if isinstance(node, _NAMED):
        function = f"{function}.{node.name}".removeprefix(".")
        inside, fields = inside or not isinstance(node, ast.ClassDef), ("body",)
    for name in fields:
        value = getattr(node, name)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, _NESTED):
                yield from places(child, function, inside)
            elif isinstance(child, ast.stmt | ast.expr) and inside and name not in _ASSIGNED:
                is_condition = name == "test" and isinstance(node, ast.If | ast.While)
                yield Place(function, child, is_condition)


def find(tree: ast.AST, function: str, before: str, nth: int) -> Place | None:
    """The place with this source, however it was laid out."""
    wanted = _usual(before)
    same = [each for each in places(tree) if each.function == function and each.source == wanted]
    return same[nth] if nth < len(same) else None


def _usual(source: str) -> str:
    """As `ast.unparse` writes it; a statement that stands only in a function, too."""
    with contextlib.suppress(SyntaxError):
        return ast.unparse(ast.parse(source)).strip()
    return source


def mutated(source: str, place: Place, after: str) -> str:
    """The text of the module with `after` at this place."""
    node, raw = place.node, source.encode()
    starts = [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    begin = starts[node.lineno - 1] + node.col_offset
    end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
    changed = (raw[:begin] + after.encode() + raw[end:]).decode()
    if ast.dump(ast.parse(changed)) == ast.dump(ast.parse(source)):
        raise ValueError(f"no change: {after}")
    return changed


# --- what a mutant can be ---


def faults(place: Place) -> Iterator[tuple[str, str]]:
    """The kind and the new source of every fault at this place."""
    if place.is_condition and isinstance(place.node, ast.Name | ast.Attribute | ast.Call):
        yield "not added", ast.unparse(ast.UnaryOp(ast.Not(), place.node))
    for node in ast.walk(place.node):
        for kind, other in _others(node):
            # Whatever the copy would put in the place of `node` is there already.
            yield kind, ast.unparse(copy.deepcopy(place.node, {id(node): other}))


def _others(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Return(ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "return None", ast.Return(ast.Constant(None))
        case ast.Expr(ast.Call() | ast.Await(ast.Call())):
            yield "call left out", ast.Pass()
        case ast.Raise():
            yield "raise left out", ast.Pass()
        case ast.Break():
            yield "break/continue", ast.Continue()
        case ast.Continue():
            yield "break/continue", ast.Break()
        case ast.AugAssign(target, op, value) if type(op) in _SUMS and not _is_text(value):
            yield "+/-", ast.AugAssign(target, _SUMS[type(op)](), value)
        case ast.expr():
            yield from _other_values(node)


def _other_values(node: ast.expr) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Compare():
            yield from _compared(node)
        case ast.BoolOp(op, values):
            yield "and/or", ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield "not removed", operand
        case ast.IfExp(ast.Name() | ast.Attribute() | ast.Call() as test, body, other):
            yield "not added", ast.IfExp(ast.UnaryOp(ast.Not(), test), body, other)
        case ast.Constant(bool() as value):
            yield "True/False", ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield "number + 1", ast.Constant(value + 1)
        case ast.BinOp(left, op, right) if type(op) in _SUMS:
            if not _is_text(left) and not _is_text(right):
                yield "+/-", ast.BinOp(left, _SUMS[type(op)](), right)


def _compared(node: ast.Compare) -> Iterator[tuple[str, ast.AST]]:
    for place, op in enumerate(node.ops):
        for other in _COMPARED[type(op)]:
            ops = [*node.ops[:place], other(), *node.ops[place + 1 :]]
            yield "comparison", ast.Compare(node.left, ops, node.comparators)
    for side in (node.left, *node.comparators):
        for text in side.elts if isinstance(side, ast.Tuple | ast.Set | ast.List) else [side]:
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                wrong = ast.Constant(f"{text.value}?")
                yield "other text", copy.deepcopy(node, {id(text): wrong})


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


# --- which tests cover it ---


class Covered:
    """Which tests run a line, by the contexts of a `--cov-context=test` run, the fastest first.

    `log` is what that run printed with `--durations=0`; tests that failed in it are left out."""

    def __init__(self, data: Path, log: Path, tree: Path) -> None:
        from coverage import CoverageData  # `run` needs none

        self._data, self._tree = CoverageData(str(data)), tree.resolve()
        self._data.read()
        self.seconds, self.failed = measured(log.read_text(errors="replace"))

    def lines(self, file: str) -> dict[int, set[str]]:
        """The tests of every line; a line that only imports run has none."""
        known = self._data.contexts_by_lineno(str(self._tree / file))
        names = {line: {each.rpartition("|")[0] for each in all_} for line, all_ in known.items()}
        return {line: all_ - {""} - self.failed for line, all_ in names.items()}

    def tests(self, lines: Mapping[int, set[str]], node: ast.stmt | ast.expr) -> list[str]:
        span = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        found = set().union(*(lines.get(line, set()) for line in span))
        return sorted(found, key=lambda test: (self.seconds.get(test, 0.0), test))


def measured(log: str) -> tuple[dict[str, float], set[str]]:
    """Seconds of each test with its fixtures, and the tests that failed."""
    seconds: dict[str, float] = {}
    for spent, test in re.findall(r"^ *([\d.]+)s (?:setup|call|teardown) +(\S.*?) *$", log, re.M):
        seconds[test] = seconds.get(test, 0.0) + float(spent)
    return seconds, set(failures(log, seconds))


def failures(detail: str, known: Iterable[str]) -> list[str]:
    """The tests that failed, in their order, as the summary at the end of a run names them."""
    summary = detail.rpartition("short test summary info")[2]
    return [_named(each, known) for each in re.findall(r"^(?:FAILED|ERROR) (.+)$", summary, re.M)]


def _named(detail: str, known: Iterable[str]) -> str:
    """Which test a line of pytest's summary names; its name may itself hold a dash."""
    fits = [test for test in known if detail == test or detail.startswith(f"{test} - ")]
    return max(fits, key=len, default=detail.split(" - ")[0])


# --- sample ---


def sample(tree: Path, covered: Covered, seed: int, count: int) -> list[Mutant]:
    """A sample of each part, no two in one function; the same seed always draws the same."""
    sampled: list[Mutant] = []
    for part, share in SHARES.items():
        candidates = [
            each for file in sorted((tree / part).rglob("*.py"))
            for each in _candidates(tree, file.relative_to(tree).as_posix(), covered)
        ]  # fmt: skip
        random.Random(f"{seed} {part}").shuffle(candidates)
        chosen: dict[tuple[str, str], Mutant] = {}
        for each in candidates:
            if len(chosen) < round(count * share):
                chosen.setdefault((each.file, each.function), each)
        _say(f"{part}: {len(chosen)} of {len(candidates)} candidates")
        sampled += sorted(chosen.values(), key=lambda each: (each.file, each.line))
    return [replace(each, id=f"m{number:02}") for number, each in enumerate(sampled, 1)]


def _candidates(tree: Path, file: str, covered: Covered) -> Iterator[Mutant]:
    lines, seen = covered.lines(file), dict[tuple[str, str], int]()
    for place in places(ast.parse((tree / file).read_text())):
        before = place.source
        nth = seen.get((place.function, before), 0)
        seen[place.function, before] = nth + 1
        tests, line = covered.tests(lines, place.node), place.node.lineno
        for kind, after in faults(place) if tests else ():
            yield Mutant("", file, place.function, line, kind, before, after, nth, tests)


# --- place ---


def moved(mutant: Mutant, maps: Sequence[str]) -> Mutant:
    """With the file and function that `old=new` gives; old is a beginning of `file::function`."""
    whole = f"{mutant.file}::{mutant.function}"
    for old, _, new in sorted((each.partition("=") for each in maps), key=lambda m: -len(m[0])):
        if whole.startswith(old):
            file, _, function = (new + whole.removeprefix(old)).partition("::")
            return replace(mutant, file=file, function=function)
    return mutant


def place_all(
    mutants: Iterable[Mutant], tree: Path, covered: Covered | None
) -> tuple[list[Mutant], int]:
    """Each where it is now: as it says, or at the one other place with the same source; and how
    many are nowhere. Those stay as they are, to be edited by hand."""
    everywhere = [(file, each) for file in _modules(tree) for each in _parsed(tree, file)]
    now, missing = [], 0
    for mutant in mutants:
        found = _placed(mutant, everywhere, covered)
        missing += found is None
        now.append(replace(found or mutant, result=None))
    return now, missing


def _placed(
    mutant: Mutant, everywhere: list[tuple[str, Place]], covered: Covered | None
) -> Mutant | None:
    wanted, where = _usual(mutant.before), f"{mutant.file}::{mutant.function}"
    same = [(file, each) for file, each in everywhere if each.source == wanted]
    here = [each for each in same if each[0] == mutant.file and each[1].function == mutant.function]
    by_name = [each for each in same if each[1].function.split(".")[-1] == where.split(".")[-1]]
    one = here[mutant.nth : mutant.nth + 1] or next((f for f in (by_name, same) if len(f) == 1), [])
    if not one:
        room = mutant.file.rpartition("/")[0]  # everywhere it would take minutes for each
        texts = {
            each.source: f"{file}::{each.function}"
            for file, each in everywhere
            if file.startswith(room)
        }
        near = difflib.get_close_matches(wanted, texts, n=2, cutoff=0.5)
        _say(f"{mutant.id} MISSING from {where}: {wanted}")
        _say("".join(f"    like: {text}  in {texts[text]}\n" for text in near).rstrip())
        return None
    [(file, place)] = one
    now = f"{file}::{place.function}"
    _say(f"{mutant.id} {'still ' if now == where else f'from {where} to '}{now}")
    found = replace(mutant, file=file, function=place.function, line=place.node.lineno)
    if not here:
        found = replace(found, nth=0)
    if covered is not None:
        found = replace(found, tests=covered.tests(covered.lines(file), place.node))
    return found


def _modules(tree: Path) -> list[str]:
    """All of the product's own; no test and no hidden folder."""
    files = (each.relative_to(tree) for each in sorted(tree.rglob("*.py")))
    return [f.as_posix() for f in files if not f.parts[0].startswith((".", "tests", "bench"))]


def _parsed(tree: Path, file: str) -> Iterator[Place]:
    return places(ast.parse((tree / file).read_text()))


# --- run ---


@dataclass(frozen=True)
class Verdict:
    """`passed`, `failed` or `timed out`; which tests failed, and the first reason."""

    outcome: str
    failed: tuple[str, ...]
    reason: str


class Trial:
    """A copy of the tree in which one module at a time is mutated."""

    def __init__(self, tree: Path, python: Path, seconds: Mapping[str, float]) -> None:
        self.tree, self._python, self._seconds = tree, python, seconds
        self._environ = {
            name: value for name, value in os.environ.items()
            if not name.startswith((_OUR_VARIABLES, "PYTHON", "COV_", "PYTEST"))
        } | {"PYTHONPATH": str(tree)}  # fmt: skip

    def check(self) -> None:
        """Modules must come from the copy, whatever the environment has installed."""
        script = "import chassis, sys; sys.stdout.write(chassis.__file__)"
        found = subprocess.check_output(
            [self._python, "-c", script], cwd="/", env=self._environ, text=True
        )
        if not found.startswith(f"{self.tree}/"):
            raise SystemExit(f"not the copy's modules: {found}")

    def pytest(self, tests: Sequence[str], limit_s: float, *, to_the_end: bool = False) -> Verdict:
        """What pytest says of these tests, in this order and within the limit."""
        shutil.rmtree(self.tree / ".hypothesis", ignore_errors=True)
        longest = max((self._seconds.get(test, 0.0) for test in tests), default=0.0)
        with tempfile.NamedTemporaryFile("w+", suffix=".txt") as names:
            names.write("\n".join(tests))
            names.flush()
            command = [
                "nice", "-n", "10", str(self._python), "-m", "pytest", "-q", "--tb=line",
                "--show-capture=no", "-p", "no:cacheprovider", "--timeout-method=signal",
                f"--timeout={max(_HANGS_S, 3 * longest):.0f}", f"@{names.name}",
                *([] if to_the_end else ["-x"]),
            ]  # fmt: skip
            code, detail = self._ended(command, limit_s)
        failed = tuple(failures(detail, tests))
        if code == 0 or failed:
            # Perhaps the time was up only because the process did not end after that failure.
            reason = re.search(r"^(?:E  |/\S+:\d+: )(.*)$", detail, re.M)
            why = reason[1][:200] if reason and code != 0 else ""
            return Verdict("failed" if failed else "passed", failed, why)
        if code is None:
            return Verdict("timed out", (), detail[-300:])
        if code in {1, 2} or code < 0:
            return Verdict("failed", (), f"pytest itself ended ({code}): {detail[-300:]}")
        raise SystemExit(f"pytest ended with {code}:\n{detail[-2000:]}")

    def _ended(self, command: list[str], limit_s: float) -> tuple[int | None, str]:
        """Exit code, None if the time was up, and what was printed; interrupted before killed, so
        that the tests can put away what they started."""
        with tempfile.NamedTemporaryFile("w+", errors="replace") as detail:
            child = subprocess.Popen(
                command, cwd=self.tree, env=self._environ, stdout=detail, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            end, summed_up = time.monotonic() + limit_s, False
            try:
                while child.poll() is None and time.monotonic() < end:
                    time.sleep(0.2)
                    printed = Path(detail.name).read_bytes()
                    if not summed_up and b"short test summary info" in printed:
                        # A fault may keep the process from ending; all is printed by now.
                        summed_up, end = True, min(end, time.monotonic() + _ENDS_S)
                code = child.poll()
                if code is None:
                    child.send_signal(signal.SIGINT)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        child.wait(_ENDS_S)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            detail.seek(0)
            return code, detail.read()

    @contextlib.contextmanager
    def fault(self, mutant: Mutant) -> Iterator[None]:
        """While it lasts the mutant is in the copy. No byte code is written meanwhile; the old one
        counts for the old file only, whose time comes back with it."""
        file = self.tree / mutant.file
        source, times = file.read_text(), file.stat()
        place = find(ast.parse(source), mutant.function, mutant.before, mutant.nth)
        if place is None:
            raise SystemExit(f"{mutant.id} is not in {mutant.file}::{mutant.function}: see `place`")
        self._environ["PYTHONDONTWRITEBYTECODE"] = "1"
        try:
            file.write_text(mutated(source, place, mutant.after))
            os.utime(file, (times.st_atime, times.st_mtime + 7))
            yield
        finally:
            file.write_text(source)
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
            del self._environ["PYTHONDONTWRITEBYTECODE"]


def judge(trial: Trial, mutant: Mutant, seconds: Mapping[str, float], limit_s: float) -> Result:
    """The fastest tests first, then as many others as the limit allows. A test counts if it fails
    twice with the mutant, the second time with its file only, and not without it."""
    begun, tests, ran, pace = time.monotonic(), list(mutant.tests), 0, 1.0
    doubts: list[str] = []
    while tests:
        left = limit_s - _since(begun)
        batch = _batch(tests, seconds, left / pace, first=ran == 0)
        if not batch:
            break
        started = time.monotonic()
        with trial.fault(mutant):
            verdict = trial.pytest(batch, left)
        if verdict.outcome == "passed":
            pace = max(pace, _since(started) / _expected(batch, seconds))
            tests, ran = [each for each in tests if each not in batch], ran + len(batch)
            continue
        again = _up_to(verdict.failed[0], batch) if verdict.failed else batch
        if _is_sure(trial, mutant, verdict, again, left):
            word = "killed" if verdict.outcome == "failed" else "timed out"
            ran += 1 + (batch.index(again[-1]) if again[-1] in batch else 0)
            return Result(word, "".join(verdict.failed[:1]), ran, _since(begun), verdict.reason)
        doubts.append(f"{verdict.outcome} once, or without the mutant, too: {again[-1]}")
        tests = [each for each in tests if each not in (verdict.failed or batch)]
    if tests:
        doubts.append(f"{len(tests)} tests had no time")
    return Result("survived" if ran else "undecided", "", ran, _since(begun), "; ".join(doubts))


def _up_to(failed: str, batch: list[str]) -> list[str]:
    """The tests of its file that were run until then: one may fail for what another left behind."""
    file = failed.partition("::")[0]
    before = batch[: batch.index(failed)] if failed in batch else []
    return [*(each for each in before if each.partition("::")[0] == file), failed]


def _is_sure(
    trial: Trial, mutant: Mutant, verdict: Verdict, again: Sequence[str], limit_s: float
) -> bool:
    if verdict.outcome == "failed":
        with trial.fault(mutant):
            if trial.pytest(again, limit_s).outcome == "passed":
                return False
    return trial.pytest(again, limit_s).outcome == "passed"


def _batch(
    tests: list[str], seconds: Mapping[str, float], left: float, *, first: bool
) -> list[str]:
    """As many as fit, all of one file together: its tests share what a module arranges."""
    chosen: list[str] = []
    for test in tests[:FIRST] if first else tests:
        if _expected([*chosen, test], seconds) < left:
            chosen.append(test)
    files = list(dict.fromkeys(each.partition("::")[0] for each in chosen))
    return sorted(chosen, key=lambda each: files.index(each.partition("::")[0]))


def _expected(tests: Iterable[str], seconds: Mapping[str, float]) -> float:
    return _START_S + sum(seconds.get(test, 0.0) for test in tests)


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 1)


def with_tests(mutants: Iterable[Mutant], given: Sequence[str]) -> list[Mutant]:
    """`m07=tests/chassis` is for one mutant, a path alone for all that have none of their own."""
    own = [each.partition("=")[::2] for each in given if re.match(r"m\d+=", each)]
    rest = [each for each in given if not re.match(r"m\d+=", each)]
    return [
        replace(each, tests=[path for id_, path in own if id_ == each.id] or rest or each.tests)
        for each in mutants
    ]


def run_all(mutants: list[Mutant], options: argparse.Namespace) -> None:
    """Judge each in turn and write what is known after each; what was judged before stays."""
    # Whoever starts this in the background may have told it to ignore that; pytest must not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seconds = measured(options.log.read_text(errors="replace"))[0] if options.log else {}
    done = {each.id: each for each in load(options.out)} if options.out.exists() else {}
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=options.work) as folder:
        tree = Path(folder).resolve() / "tree"
        shutil.copytree(options.tree, tree, ignore=_NOT_COPIED, symlinks=True)
        trial = Trial(tree, options.python.absolute(), seconds)
        trial.check()
        if not options.unverified:
            mutants = _verified(trial, mutants, seconds)
        mutants = [_as_judged(each, done.get(each.id)) for each in mutants]
        for at, mutant in enumerate(mutants):
            if mutant.result:
                continue
            result = judge(trial, mutant, seconds, options.limit)
            mutants[at] = replace(mutant, result=result)
            spent = f"{result.ran} tests, {result.seconds} s"
            _say(f"{mutant.id} {result.outcome} {result.by} ({spent})")
            save(options.out, mutants)
    options.out.with_suffix(".md").write_text(table(mutants))


def _as_judged(mutant: Mutant, before: Mutant | None) -> Mutant:
    return before if before and replace(before, result=None) == mutant else mutant


def _verified(trial: Trial, mutants: list[Mutant], seconds: Mapping[str, float]) -> list[Mutant]:
    """Without the tests that fail in the unmutated tree, of those that come first."""
    first = {
        test: None for each in mutants for test in _batch(each.tests, seconds, 1e9, first=True)
    }
    files = sorted(first, key=lambda test: test.partition("::")[0])
    verdict = trial.pytest(files, _VERIFIED_S, to_the_end=True)
    _say(f"unmutated: {len(files)} tests, {verdict.outcome}", *verdict.failed)
    if verdict.outcome != "passed" and not verdict.failed:
        raise SystemExit(verdict.reason)
    broken = set(verdict.failed)
    return [replace(e, tests=[test for test in e.tests if test not in broken]) for e in mutants]


# --- files ---


def load(file: Path) -> list[Mutant]:
    rows = json.loads(file.read_text())
    return [Mutant(**(row | {"result": row["result"] and Result(**row["result"])})) for row in rows]


def save(file: Path, mutants: Iterable[Mutant]) -> None:
    rows = [asdict(each) for each in mutants]
    file.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def table(mutants: Iterable[Mutant]) -> str:
    rows = [
        "| | Where | Kind | Change | Covered by | Outcome | Tests run |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in mutants:
        result = each.result or Result("not run")
        change = brief(_usual(each.before), _usual(each.after)).replace("|", "\\|")
        by = f"{result.outcome} {f'by `{result.by}`' if result.by else ''} {result.detail}".strip()
        rows.append(
            f"| {each.id} | `{each.file}:{each.line}` `{each.function}` | {each.kind} | {change} |"
            f" {len(each.tests)} | {' '.join(by.split())} | {result.ran} |"
        )
    return "\n".join(rows) + "\n"


def brief(before: str, after: str, around: int = 30) -> str:
    """What differs, with a little of what stands around it."""
    start = _alike(before, after)
    end = _alike(before[start:][::-1], after[start:][::-1])
    parts = (
        " ".join(text[max(0, start - around) : len(text) - max(0, end - around)].split())
        for text in (before, after)
    )
    return " → ".join(f"`{part}`" for part in parts)


def _alike(one: str, other: str) -> int:
    """How many characters at the beginning are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("sample", "place", "run"):
        command = commands.add_parser(name)
        command.add_argument("--tree", type=Path, required=True)
        command.add_argument("--out", type=Path, required=True, help="JSON; `run` adds a .md")
        command.add_argument("--log", type=Path, help="what pytest --durations=0 printed")
        if name != "run":
            command.add_argument("--coverage", type=Path, help="data of --cov-context=test")
        if name != "sample":
            command.add_argument("--mutants", type=Path, required=True)
            command.add_argument("--map", nargs="+", default=[], metavar="OLD=NEW")
    commands.choices["sample"].add_argument("--seed", type=int, default=11)
    commands.choices["sample"].add_argument("--count", type=int, default=40)
    run = commands.choices["run"]
    run.add_argument("--python", type=Path, default=Path(sys.executable))
    run.add_argument("--work", type=Path, help="where the copy is made")
    run.add_argument("--limit", type=float, default=240.0, help="seconds for one mutant")
    run.add_argument("--tests", nargs="+", default=[], metavar="[ID=]PATH")
    run.add_argument("--only", nargs="+", metavar="ID")
    run.add_argument("--unverified", action="store_true", help="do not run all without a mutant")
    options = parser.parse_args(arguments)
    return act(options)


def act(options: argparse.Namespace) -> int:
    """Do what was asked; 1 if a mutant was not found."""
    covered = None
    if options.command != "run" and options.coverage:
        covered = Covered(options.coverage, options.log, options.tree)
    if options.command == "sample":
        if covered is None:
            raise SystemExit("sample needs --coverage and --log")
        save(options.out, sample(options.tree, covered, options.seed, options.count))
        return 0
    mutants = [moved(each, options.map) for each in load(options.mutants)]
    if options.command == "place":
        now, missing = place_all(mutants, options.tree, covered)
        save(options.out, now)
        _say(f"{missing} of {len(now)} are missing")
        return int(missing > 0)
    wanted = [
        replace(each, result=None)
        for each in mutants
        if not options.only or each.id in options.only
    ]
    run_all(with_tests(wanted, options.tests), options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
