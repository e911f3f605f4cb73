"""After a run: let open orders settle, ask for the proof, compare the clients' log, and decide."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec

from chassis.database.errors import UNANSWERED
from fleet.health import ask
from loadtests.comparison import Comparison, compare
from loadtests.folders import CLIENT_LOG, MEASURES, PLAN, RAN
from loadtests.knee import Knee, Level, find_knee, levels_of
from loadtests.machine import MachineDescription, describe_machine
from loadtests.measures import Measures
from loadtests.plan import LoadPlan, Ran
from loadtests.target import Target
from loadtests.thresholds import ThresholdCheck, checks
from loadtests.verdict import Verdict, verdict
from observatory.timeline.fault_windows import AuditEntry, FaultWindow, fault_windows
from proof.evaluate import Report
from proof.verify import wait_until_settled
from scenarios.load_profiles import Thresholds
from topology import NAMES


class Demands(msgspec.Struct, frozen=True):
    """What is demanded of a run beside its profile: thresholds, how long open orders may take to
    settle, and whether nobody else was shopping, so that an unknown order is one made twice."""

    thresholds: Thresholds
    settle_s: float = 60.0
    alone: bool = False


class Judgement(msgspec.Struct, frozen=True):
    """Everything a report shows."""

    plan: LoadPlan
    ran: Ran
    measures: Measures
    checks: tuple[ThresholdCheck, ...]
    levels: tuple[Level, ...]
    knee: Knee | None
    proof: Report | None
    clients: Comparison
    windows: tuple[FaultWindow, ...]
    machine: MachineDescription
    verdict: Verdict
    delivery: str
    dashboard_url: str


def judge(folder: Path, target: Target, demands: Demands, delivery: str) -> Judgement:
    """The judgement on the run whose result is in `folder`."""
    plan = msgspec.json.decode((folder / PLAN).read_bytes(), type=LoadPlan)
    ran = msgspec.json.decode((folder / RAN).read_bytes(), type=Ran)
    measures = msgspec.json.decode((folder / MEASURES).read_bytes(), type=Measures)
    wanted = frozenset(slow.key for slow in measures.slowest if not slow.trace_id)
    proof, clients, postgres = asyncio.run(
        _ask_database(target, folder / CLIENT_LOG, ran, demands, wanted)
    )
    clients.beyond = ran.beyond_log
    found = checks(demands.thresholds, measures)
    levels = levels_of(plan.what, plan.scale, measures, ran.began_s, ran.ended_s)
    return Judgement(
        plan, ran, measures, found, tuple(levels), find_knee(levels), proof, clients,
        gremlin_windows(target, ran), describe_machine(ran, postgres),
        verdict(found, proof, clients, measures, plan, ran), delivery,
        target.urls["dashboard"],
    )  # fmt: skip


async def _ask_database(
    target: Target, log: Path, ran: Ran, demands: Demands, wanted: frozenset[str]
) -> tuple[Report | None, Comparison, str]:
    if target.database_url is None:
        why = "the database behind this shop is not known here (VALERIX_DATABASE_URL)"
        return None, Comparison(unjudged=why), ""
    settings = msgspec.structs.replace(target.settings, database_url=target.database_url)
    try:
        proof = await wait_until_settled(settings, demands.settle_s)
    except asyncio.CancelledError:
        # Ctrl-C while waiting: judge what there is, now.
        proof = await wait_until_settled(settings, 0.0)
    away = {finding.reason for finding in proof.findings}
    if proof.state == "unknown" and len(away) == 1:
        return None, Comparison(unjudged=str(away.pop())), ""
    try:
        connection = await asyncpg.connect(target.database_url, timeout=5.0)
    except UNANSWERED as error:
        return proof, Comparison(unjudged=f"no database: {error}"), ""
    try:
        found = await compare(
            connection, log, ran.began_s, alone=demands.alone, wanted_traces=wanted
        )
        postgres = str(await connection.fetchval("SHOW server_version"))
    except UNANSWERED as error:
        return proof, Comparison(unjudged=f"the database went away: {error}"), ""
    finally:
        connection.terminate()
    return proof, found, postgres


def gremlin_windows(target: Target, ran: Ran) -> tuple[FaultWindow, ...]:
    """Every gremlin that was loose during the run; the load itself lets none loose."""
    begin, end = (datetime.fromtimestamp(at, UTC) for at in (ran.began_s, ran.ended_s))
    events = [event for key in NAMES for event in _audit(target, key)]
    return tuple(
        window
        for window in fault_windows(events, datetime.now(UTC))
        if window.on < end and (window.off is None or window.off > begin)
    )


class _Event(msgspec.Struct):
    at: datetime
    action: str
    name: str
    kind: str
    actor: str
    detail: dict[str, object]


def _audit(target: Target, key: str) -> list[AuditEntry]:
    try:
        _, body = ask("GET", f"{target.urls[key]}/gremlins/audit", target.headers)
        events = msgspec.convert(body["events"], list[_Event])
    except (OSError, KeyError, TypeError, msgspec.ValidationError):
        return []  # not shown; the proof reads the gremlins from the database
    return [
        AuditEntry(
            key, event.at, event.action, event.name, event.kind,
            event.actor, event.detail,
        )
        for event in events
    ]  # fmt: skip
