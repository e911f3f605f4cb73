"""What each consumer needs of each provider: its own code asks, and says what it concludes.

`make render` writes it into the consumer's folder `expects`, one pact for each provider, which is
held to it by tests/contracts/test_expects.py."""

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from chassis.http.outbound import Peer
from fleet.run_dir import ROOT
from fleet.settings import load, shape_of
from services.payment.client import payment_over_grpc
from tests.contracts import over_grpc
from tests.contracts.matching import plain
from tests.contracts.need import At, Need
from tests.contracts.needs import acquirer, dashboard, order, payment, wallet
from topology import PROCESSES, find

from pact import Pact  # isort: skip - after `matching`, which tells it to report to nobody

Edge = tuple[str, str]
# Who sends requests to whom, over HTTP. Whom customers come to elsewhere than at its own port
# passes their requests on, and the answers back: it reads neither, so it needs nothing of them
# itself. The keys that it fetches are in the needs of the dashboard, which fetches them as all do.
EDGES: tuple[Edge, ...] = tuple(
    (each.key, other)
    for each in PROCESSES
    if not each.listens
    for other in (*each.calls, *each.notifies)
)
NEEDS: Mapping[Edge, Callable[[], Iterable[Need]]] = {
    ("order", "inventory"): order.of_inventory,
    ("order", "payment"): order.of_payment,
    ("payment", "acquirer"): payment.of_acquirer,
    ("payment", "wallet"): payment.of_wallet,
    ("wallet", "acquirer"): wallet.of_acquirer,
    ("acquirer", "payment"): acquirer.of_payment,
    **{edge: dashboard.needs_of(edge[1]) for edge in EDGES if edge[0] == "dashboard"},
}
# Those of them that have another wire, by a setting: the same needs are asked over it as well.
OVER_GRPC: Mapping[Edge, tuple[Callable[..., Peer], Callable[[str], Iterable[Need]]]] = {
    ("order", "payment"): (payment_over_grpc, order.of_payment),
}


def may_use_grpc(edge: Edge) -> bool:
    """Whether a setting of the consumer's lets it ask this provider over gRPC."""
    consumer, provider = edge
    return f"{provider}_transport" in shape_of(consumer).__struct_fields__


def path_of(edge: Edge) -> Path:
    """Where a consumer says what it needs of a provider."""
    consumer, provider = map(find, edge)
    return ROOT / consumer.package.replace(".", "/") / "expects" / f"{provider.name}.json"


async def pact_of(edge: Edge) -> str:
    """The pact as text, once the consumer has asked a provider that answers as expected, and has
    concluded from every response what it should."""
    consumer, provider = map(find, edge)
    settings = load(consumer.key, {}, database_url="postgresql://nobody@localhost/none")
    needs = list(NEEDS[edge]())
    # Pact's own server takes no pact that has messages as well.
    pact, messages = (Pact(consumer.name, provider.name).with_specification("V4") for _ in "12")
    for need in needs:
        _over_http(pact, need)
    with pact.serve(addr="127.0.0.1", raises=False) as server:
        url = str(server.url).rstrip("/")
        wrong = await _ask(needs, At(url, settings, Peer(provider.name, url, settings)))
        assert (server.mismatches, wrong) == ([], [])
    if edge in OVER_GRPC:
        connect, needs_over = OVER_GRPC[edge]
        needs = list(needs_over(", over gRPC"))
        calls = over_grpc.calls_of(provider.key, needs)
        for call in calls:
            call.add_to(messages)
        async with over_grpc.answering(provider.key, calls) as url:
            peer = connect("", url, settings, connections=1)
            wrong = await _ask(needs, At(url, settings, peer))
        assert not wrong, wrong
    return _written(pact, messages)


def _over_http(pact: Pact, need: Need) -> None:
    interaction = pact.upon_receiving(need.description)
    if need.state:
        interaction.given(need.state, dict(need.given))
    interaction.with_request(need.method, need.path)
    interaction.with_query_parameters(parse_qsl(need.query))
    interaction.with_headers(dict(need.headers))
    if need.body is not None:
        body = need.body if isinstance(need.body, str) else json.dumps(plain(need.body))
        interaction.with_body(body, need.kind)
    interaction.will_respond_with(need.status)
    if need.answer is not None:
        interaction.with_body(need.answer, need.answer_kind)
    if need.rules:
        interaction.with_matching_rules({"body": need.rules})


async def _ask(needs: Iterable[Need], at: At) -> list[str]:
    """What the consumer concluded otherwise than it should."""
    wrong = []
    for need in needs:
        try:
            found = await need.ask(at)
        except Exception as error:  # noqa: BLE001 - what its response was is seen by pact's server
            found = error
        if found != need.known:
            wrong.append(f"{need.description}: concluded {found!r}, not {need.known!r}")
    await at.peer.close()
    return wrong


def _written(*pacts: Pact) -> str:
    document: dict[str, Any] = {"interactions": []}
    for pact in pacts:
        with tempfile.TemporaryDirectory() as folder:
            pact.write_file(folder)
            (written,) = Path(folder).iterdir()
            found = json.loads(written.read_text(encoding="utf-8"))
        document = {**found, "interactions": [*document["interactions"], *found["interactions"]]}
    # Whose version wrote it says nothing of what is needed.
    document["metadata"] = {"pactSpecification": document["metadata"]["pactSpecification"]}
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


async def _write() -> None:
    for edge in NEEDS:
        path = path_of(edge)
        path.parent.mkdir(exist_ok=True)
        path.write_text(await pact_of(edge), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(_write())
