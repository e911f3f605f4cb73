"""Gremlins at the gateway: from what is loose to the shares and strengths in Envoy's runtime."""

from collections.abc import Iterable, Iterator

from chassis.faults.contract import PutGremlin
from chassis.faults.gremlins import Active, Gremlins
from chassis.http.problems import invalid
from fleet.gateway.access_log import is_at
from fleet.gateway.doors import runtime_key
from topology import find

# Of ten thousand requests, as doors.py has it.
_WHOLE = 10_000
_KINDS = find("gateway").gremlin_kinds


class GatewayGremlins(Gremlins):
    """Those that Envoy can be: the others need to know what a request does."""

    def _check(self, name: str, command: PutGremlin) -> None:
        super()._check(name, command)
        if command.kind not in _KINDS:
            raise invalid("/kind", f"the gateway can be bitten by: {', '.join(_KINDS)}")
        if command.jitter_ms:
            raise invalid("/jitter_ms", "a delay at the gateway is always the same; leave it out")


def runtime(active: Iterable[Active], labels: Iterable[str]) -> dict[str, str]:
    """Every key of Envoy's runtime and its value now. Of several of a kind at one door the
    strongest counts: Envoy knows one delay and one answer for each."""
    loose = tuple(active)
    return dict(pair for label in labels for pair in _at(label, loose))


def _at(label: str, loose: tuple[Active, ...]) -> Iterator[tuple[str, str]]:
    here = [each.view for each in loose if is_at(each, label)]
    delays = [each for each in here if each.kind == "latency"]
    errors = [each for each in here if each.kind == "error"]
    delay = max(delays, key=lambda each: (each.delay_ms, each.probability), default=None)
    error = max(errors, key=lambda each: each.probability, default=None)
    yield runtime_key(label, "delay_share"), str(_share(delay.probability if delay else 0))
    yield runtime_key(label, "delay_ms"), str(delay.delay_ms if delay else 0)
    yield runtime_key(label, "abort_share"), str(_share(error.probability if error else 0))
    yield runtime_key(label, "abort_status"), str(error.status if error else 503)


def _share(probability: float) -> int:
    return round(probability * _WHOLE)
