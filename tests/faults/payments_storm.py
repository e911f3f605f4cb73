"""What goes wrong around merchants' payments: accounts, webhooks, killed processes."""

import json
import random
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from tests.harness.running import RunningFleet

ACCOUNTS = ("alfa", "bravo", "charlie")
_MODES = ("500", "timeout", "declined", "random", "latency")
_WEBHOOKS = {"duplicate": 0.4, "reorder": 0.4, "delay_s": 0.1}
# Of a command to the acquirer, which answers a full house with 503.
_TRIES, _PAUSE_S = 50, 0.2


class PaymentsStorm:
    """Breaks things turn by turn, and counts what it did and what the processes say they saw.

    `victims` are the processes that may be killed, each with the fleet it belongs to."""

    def __init__(
        self, acquirer: str, victims: Mapping[str, tuple[RunningFleet, str]], seed: int
    ) -> None:
        self._acquirer, self._victims = acquirer, victims
        self._fate = random.Random(seed)
        self.kills: Counter[str] = Counter()
        # By how the services answered them.
        self.webhooks: Counter[str] = Counter()
        # Errors that no handler expected.
        self.unexpected: list[str] = []

    def begin(self) -> None:
        """Webhooks come twice, late and out of order from now on."""
        self._put("/webhook-faults", _WEBHOOKS)

    def blow(self, turn: int) -> None:
        """One account misbehaves, in the next way; three turns of four a process is killed, and
        started again."""
        account = self._fate.choice(ACCOUNTS)
        for name in ACCOUNTS:
            mode = _MODES[turn % len(_MODES)] if name == account else "happy"
            self._put(f"/accounts/{name}/mode", {"mode": mode})
        names = [*self._victims, ""]
        if victim := names[turn % len(names)]:
            self._look_back(victim)
            fleet, key = self._victims[victim]
            fleet.kill(key)
            fleet.start(key)
            self.kills[victim] += 1

    def calm(self) -> None:
        """All is well from now on."""
        for name in ACCOUNTS:
            self._put(f"/accounts/{name}/mode", {"mode": "happy"})
        self._put("/webhook-faults", {})

    def end(self) -> None:
        """Look at what the processes have counted and written since their last start."""
        for victim in self._victims:
            self._look_back(victim)

    def _look_back(self, victim: str) -> None:
        fleet, key = self._victims[victim]
        self.unexpected += [
            f"{victim}: {line[:2000]}"
            for line in fleet.log(key).splitlines()
            if '"a handler failed"' in line or "Exception in ASGI application" in line
        ]
        if key != "payment":
            return
        with urllib.request.urlopen(f"{fleet.url(key)}/metrics", timeout=10) as page:  # noqa: S310
            families = list(text_string_to_metric_families(page.read().decode()))
        for family in families:
            for sample in family.samples if family.name == "valerix_webhooks" else ():
                if sample.name.endswith("_total"):
                    self.webhooks[sample.labels["result"]] += int(sample.value)

    def _put(self, path: str, body: object) -> None:
        """Until it is taken: a busy acquirer may refuse it for now."""
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            self._acquirer + path,
            method="PUT",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        for left in reversed(range(_TRIES)):
            try:
                urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
                return
            except OSError:
                if not left:
                    raise
                time.sleep(_PAUSE_S)
