"""One run of the shop with everything in it: silence, every outcome, load, a gremlin, silence."""

import itertools
import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
from msgspec import Struct

from prometheus.names import AVERAGE, ERRORS, FAILING_SHARE, PENDING, PENDING_SHARE, SLA_S
from tests.harness.running import RunningFleet
from tests.stack.prometheus_server import PrometheusServer
from tests.stack.promql import panels
from topology import LIT, NAMES

ORDERS_PER_S = 8
# Those that have a light.
_LIT = {process.key: process.name for process in LIT}
# While inventory answers nobody: nobody gets past it any more, so payments fall silent (0/0 after
# traffic), orders come in at the gateway alone, and wallets and logins, which need none of its
# goods, stay as they were.
BITTEN = {
    NAMES[key]: state
    for key, state in {
        "gateway": "failed",
        "order": "failed",
        "inventory": "failed",
        "payment": "none",
        "wallet": "good",
        "identity": "good",
    }.items()
}
_CALLERS = 64
_LABELS = {
    "Fast": "good",
    "Degraded": "degraded",
    "Too slow": "failed",
    "Failing": "failed",
    "No traffic": "none",
    "No signal": "none",
}
_LIGHT = re.compile(r'id="light-(\w+)"(.*?)data-word="([^"]+)"', re.DOTALL)
_FIGURE = re.compile(r'class="big">([\d.]+)<span class="unit">(m?s)<')


class LightReadings(Struct, frozen=True):
    """What each says of each service at one moment: good, degraded, failed or none; in seconds."""

    at: float
    page: dict[str, str]
    rule: dict[str, str]
    grafana: dict[str, str]
    alert: dict[str, str]
    page_s: dict[str, float]
    rule_s: dict[str, float]

    @property
    def agreed(self) -> dict[str, str] | None:
        """What they all say, if they do."""
        same = self.page == self.rule == self.grafana
        return self.page if same and self.alert == self._red_of(self.page) else None

    @staticmethod
    def _red_of(states: dict[str, str]) -> dict[str, str]:
        return {service: state for service, state in states.items() if state == "failed"}


class RecordedRun(Struct, frozen=True):
    """When it ran, every reading of the lights, and the readings at named moments."""

    began: float
    ended: float
    looks: list[LightReadings]
    moments: dict[str, LightReadings]
    bitten_at: float


class RunRecorder:
    """Runs it against a running shop that a running Prometheus scrapes."""

    def __init__(self, fleet: RunningFleet, prometheus: PrometheusServer) -> None:
        self._fleet = fleet
        self._prometheus = prometheus
        self._client = httpx.Client(timeout=20, limits=httpx.Limits(max_connections=_CALLERS + 8))
        self._callers = ThreadPoolExecutor(_CALLERS)
        self._calm = threading.Event()
        self._looks: list[LightReadings] = []
        self._moments: dict[str, LightReadings] = {}
        (self._query,) = panels("live_demo")[0]["targets"]

    def record(self) -> RecordedRun:
        """About three quarters of a minute: the last light to go out needs its thirty seconds."""
        began = time.time()
        load = threading.Thread(target=self._load)
        try:
            self._until_scraped(within_s=20)
            self._until("silence", dict.fromkeys(_LIT.values(), "none"), within_s=10)
            self._every_outcome()
            load.start()
            self._until("load", dict.fromkeys(_LIT.values(), "good"), within_s=15)
            self._refuse_for(2.0)
            bitten_at = time.time()
            slow = {"kind": "latency", "delay_ms": 3000, "routes": ["POST /inventory/reserve"]}
            self._bite("inventory", "slow", **slow)
            self._until("gremlin", BITTEN, within_s=50)
        finally:
            self._calm.set()
            if load.is_alive():
                load.join()
            self._callers.shutdown()
            self._client.close()
        return RecordedRun(began, time.time(), self._looks, self._moments, bitten_at)

    # ---- doing ---------------------------------------------------------------------------------

    def _place(self, product_id: str = "PROD-001", quantity: int = 1) -> None:
        command = {"product_id": product_id, "quantity": quantity}
        door = self._fleet.ports["VALERIX_GATEWAY_HTTP_PORT"]
        self._client.post(f"http://127.0.0.1:{door}/orders", json=command)

    def _log_in(self) -> None:
        ada = {"user": "ada", "password": "demo-password"}
        self._client.post(f"{self._fleet.url('identity')}/login", json=ada).raise_for_status()

    def _charge(self) -> None:
        charge = {"request_id": str(uuid4()), "merchant_id": "m1", "amount": 100, "currency": "USD"}
        self._client.post(f"{self._fleet.url('payment')}/process-payment", json=charge)

    def _deposit(self) -> None:
        self._client.post(
            f"{self._fleet.url('wallet')}/wallets/lights/deposits",
            json={"amount": 100, "currency": "EUR"},
            headers={"X-API-Key": "wallet-demo-key", "Idempotency-Key": str(uuid4())},
        ).raise_for_status()

    def _look_behind(self) -> None:
        """What somebody asks of those that no customer's request goes through."""
        for key, path in (
            ("relay", "/events"), ("audit_consumer", "/audit"), ("webhook_sender", "/deliveries")
        ):  # fmt: skip
            self._client.get(self._fleet.url(key) + path).raise_for_status()

    def _every_outcome(self) -> None:
        """Sold out, unknown, a merchant's payments and what it is told of them, a look around; the
        load brings the others."""
        # Nothing listens there: what is sent is tried, refused, and tried again.
        self._client.post(
            f"{self._fleet.url('webhook_sender')}/endpoints",
            json={"merchant_id": "m1", "url": f"{self._fleet.url('acquirer')}/nothing"},
        ).raise_for_status()
        for product_id, quantity in (("PROD-003", 9_999), ("PROD-404", 1), ("PROD-001", 1)):
            self._place(product_id, quantity)
        # More than one scrape apart, so that the acquirer's requests have a rate.
        for _ in range(8):
            self._charge()
            time.sleep(0.5)
        for path in ("/orders", "/products"):
            self._client.get(self._fleet.url("order") + path)

    def _load(self) -> None:
        """Open loop: orders and all else that is shown, however long each takes."""
        due = time.monotonic()
        chance = random.Random(1)
        for n in itertools.count():
            if self._calm.wait(max(0.0, due - time.monotonic())):
                return
            due += 1 / ORDERS_PER_S
            self._callers.submit(self._deposit)
            self._callers.submit(self._look_behind)
            # Once a second: looking at a password is meant to be work.
            if n % ORDERS_PER_S == 0:
                self._callers.submit(self._log_in)
            short = chance.random() < 0.1
            self._callers.submit(
                self._place, "PROD-003" if short else "PROD-001", 99 if short else 1
            )

    def _bite(self, key: str, name: str, **gremlin: object) -> None:
        url = f"{self._fleet.url(key)}/gremlins/{name}"
        self._client.put(url, json={"ttl_s": 300, **gremlin}).raise_for_status()

    def _refuse_for(self, seconds: float) -> None:
        """The door is shut for a moment: answers of 503."""
        self._bite("order", "shut", kind="error", routes=["POST /orders"])
        time.sleep(seconds)
        self._client.delete(f"{self._fleet.url('order')}/gremlins/shut").raise_for_status()

    # ---- looking -------------------------------------------------------------------------------

    def _until_scraped(self, *, within_s: float) -> None:
        """Prometheus has nothing to say of a service that it has not looked at once."""
        end = time.monotonic() + within_s
        while len(self._grafana()) < len(_LIT) and time.monotonic() < end:
            time.sleep(0.2)

    def _until(self, moment: str, wanted: dict[str, str], *, within_s: float) -> None:
        """Look every half second until all say what is wanted; the last look is kept, and if
        they never did, the tests of the lights say so while the story goes on."""
        end = time.monotonic() + within_s
        while True:
            look = self._look()
            self._looks.append(look)
            if look.agreed == wanted or time.monotonic() > end:
                self._moments[moment] = look
                return
            time.sleep(0.5)

    def _look(self) -> LightReadings:
        page, page_s = self._page()
        rule_s, errors, pending = (self._values(each) for each in (AVERAGE, ERRORS, PENDING))
        rule = {
            name: _judged(rule_s.get(name), errors.get(name, 0.0), pending.get(name, 0.0))
            for name in _LIT.values()
        }
        return LightReadings(
            time.time(), page, rule, self._grafana(), self._alert(), page_s, rule_s
        )

    def _values(self, query: str) -> dict[str, float]:
        return {
            series["metric"]["service"]: float(series["value"][1])
            for series in self._prometheus.instant(query)
        }

    def _page(self) -> tuple[dict[str, str], dict[str, float]]:
        html = self._client.get(f"{self._fleet.url('dashboard')}/panels/lights").text
        states, seconds = {}, {}
        for key, inside, word in _LIGHT.findall(html):
            states[_LIT[key]] = _LABELS[word]
            if figure := _FIGURE.search(inside):
                seconds[_LIT[key]] = float(figure[1]) / (1000 if figure[2] == "ms" else 1)
        return states, seconds

    def _grafana(self) -> dict[str, str]:
        found = self._prometheus.instant(self._query["expr"])
        return {each["metric"]["service"]: _LABELS[each["metric"]["light"][2:]] for each in found}

    def _alert(self) -> dict[str, str]:
        firing = self._prometheus.firing()
        return {each["service"]: "failed" for each in firing if each["alertname"] == "SlaLightRed"}


def _judged(average_s: float | None, errors: float, pending: float) -> str:
    if average_s is None:
        return "none"
    if average_s >= SLA_S or errors > FAILING_SHARE:
        return "failed"
    return "degraded" if pending > PENDING_SHARE else "good"
