"""One call from a service to another, over HTTP and over gRPC: processor time of both ends."""

import asyncio
import statistics
import time
from collections import defaultdict
from uuid import uuid4

import click

from bench.shops import Variant
from chassis.http.outbound import Peer
from fleet.settings import load_as
from services.order.settings import OrderSettings
from services.payment.client import PaymentClient, PaymentFound, Succeeded, payment_over_grpc

_AT_ONCE = 16
# On a busy machine too: a call that is given up costs less than one that is answered.
_DEADLINE_S = 30.0
# Background work must not run on into the next round.
_REST_S = 1.0


async def measure(shop: Variant, rounds: int, calls: int) -> dict[str, dict[str, float]]:
    """Medians over rounds that take turns, of `calls` looks at one payment each, 16 at once:
    microseconds of caller and service a call, and calls a second."""
    overrides = {"payment_url": shop.urls["payment"]}
    settings = load_as(OrderSettings, "order", {}, **overrides)
    url = shop.urls["payment"]
    peers = {
        "http": Peer("payment-service", url, settings, connections=_AT_ONCE),
        "grpc": payment_over_grpc(
            url, settings.payment_grpc_url, settings, connections=_AT_ONCE
        ),
    }  # fmt: skip
    order_id, payment_id = uuid4(), uuid4()
    taken = await PaymentClient(peers["http"]).charge(
        payment_id, order_id, 100, "EUR", deadline_s=_DEADLINE_S
    )
    if not isinstance(taken, Succeeded):
        raise click.ClickException(f"there is no payment to look at: {taken}")

    async def look(peer: Peer, times: int) -> None:
        for _ in range(times):
            found = await PaymentClient(peer).get(payment_id, deadline_s=_DEADLINE_S)
            if not isinstance(found, PaymentFound):
                raise click.ClickException(f"a look failed: {found}")

    async def one_round(peer: Peer, times: int) -> None:
        await asyncio.gather(*(look(peer, times // _AT_ONCE) for _ in range(_AT_ONCE)))

    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for peer in peers.values():
        await one_round(peer, calls // 4)
    done = calls // _AT_ONCE * _AT_ONCE
    for number in range(rounds):
        for name in sorted(peers, reverse=number % 2 == 0):
            before = shop.cpu_s_of("payment"), time.process_time(), time.perf_counter()
            await one_round(peers[name], calls)
            took_s = time.perf_counter() - before[2]
            found[name]["caller_us"].append((time.process_time() - before[1]) * 1e6 / done)
            await asyncio.sleep(_REST_S)
            found[name]["service_us"].append((shop.cpu_s_of("payment") - before[0]) * 1e6 / done)
            found[name]["calls_per_s"].append(done / took_s)
        click.echo(f"  round {number + 1} of {rounds}")
    for peer in peers.values():
        await peer.close()
    return {
        name: {key: statistics.median(values) for key, values in figures.items()}
        for name, figures in sorted(found.items(), reverse=True)
    }
