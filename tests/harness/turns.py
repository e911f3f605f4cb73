"""Which file of tests a worker takes next: never more than two that keep a core busy, and beside
them those that mostly wait, for a light to turn or a story to be told."""

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

# The longest first, so that no worker is left with one at the end; and those that wait most of all
# beside those that are busiest. What is not named here waits and is short.
BUSY = (
    "tests/fleet/test_up.py",
    "tests/faults/",
    "tests/chaos/",
    "tests/fleet/",
    "tests/observatory/test_bounds.py",
    "tests/stack/test_rules.py",
    "tests/journeys/",
    "tests/proof/",
    "tests/contracts/",
    "tests/twins/",
    "tests/services/",
)
WAITING = (
    "tests/browser/test_journey.py",
    "tests/browser/",
    "tests/gateway/",
    "tests/proof/test_verify.py",
    "tests/journeys/test_lost_and_late.py",
    "tests/journeys/test_hostile_peers.py",
    "tests/services/payment/test_transports.py",
    "tests/services/payment/test_stripe_accounts.py",
    "tests/proof/test_scheduler.py",
    "tests/journeys/test_deadlines.py",
    "tests/journeys/test_slow_dependencies.py",
    "tests/loadtests/",
    "tests/scenarios/",
    "tests/stack/",
    "tests/frontend/",
    "tests/telemetry/",
)
_CORES = 2
# What is costly to arrange and only looked at: the files that share it go to one worker.
TOGETHER = (
    ("tests/stack/test_panels.py", "tests/stack/test_lights.py"),
    ("tests/scenarios/test_checked.py", "tests/scenarios/test_stopped.py"),
    # The broker.
    ("tests/faults/test_events.py", "tests/chassis/messaging/test_transports.py"),
    (
        "tests/fleet/test_up.py",
        "tests/fleet/test_another_terminal.py",
        "tests/fleet/test_control.py",
        "tests/fleet/test_fork_server.py",
        "tests/fleet/test_load_on_request.py",
        "tests/fleet/test_restart_by_page.py",
        "tests/fleet/test_stopping.py",
    ),
    (
        "tests/browser/test_journey.py",
        "tests/browser/test_charts.py",
        "tests/browser/test_gremlins.py",
        "tests/browser/test_page.py",
        "tests/browser/test_places.py",
        "tests/browser/test_readable.py",
        "tests/browser/test_traces.py",
    ),
    # A browser and a shop, again: one worker would take too long for them all.
    (
        "tests/browser/test_every_page.py",
        "tests/browser/test_acts.py",
        "tests/browser/test_hostile.py",
        "tests/browser/test_operator.py",
        "tests/browser/test_orders.py",
        "tests/browser/test_policies.py",
        "tests/browser/test_reports.py",
        "tests/browser/test_windows.py",
    ),
)


class Turns(LoadFileScheduling):
    """As `--dist loadfile`, one worker for one file; only which one is next is decided here."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return next((group[0] for group in TOGETHER if file.startswith(group)), file)

    def _reschedule(self, node: WorkerController) -> None:
        # A worker begins a test when it knows the one after it. To know more would be to decide
        # too early what it does next.
        if not self.workqueue or self._pending_of(self.assigned_work[node]) <= 1:
            super()._reschedule(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        busy = sum(
            any(_is_busy(file) and not all(tests.values()) for file, tests in files.items())
            for other, files in self.assigned_work.items()
            if other is not node
        )
        wanted = busy < _CORES
        best = min(self.workqueue, key=lambda file: (_is_busy(file) != wanted, _place(file)))
        self.workqueue.move_to_end(best, last=False)
        super()._assign_work_unit(node)


def _is_busy(file: str) -> bool:
    return file.startswith(BUSY) and not file.startswith(WAITING)


def _place(file: str) -> int:
    named = (*WAITING, *BUSY)
    return next((n for n, start in enumerate(named) if file.startswith(start)), len(named))
