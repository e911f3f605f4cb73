"""What the order service runs with, beside what every process needs."""

from typing import Annotated, Literal

from chassis.settings import Address, Count, RpcSettings, Seconds, why


class OrderSettings(RpcSettings, frozen=True, kw_only=True):
    """The deadlines of an order and the pace of its reconciler."""

    payment_transport: Annotated[
        Literal["http", "grpc"],
        why("How payments are asked. `grpc` costs more processor time: docs/benchmark.md."),
    ] = "http"
    payment_grpc_url: Annotated[
        Address, why("Empty: the payment service's address, a thousand ports above.")
    ] = ""
    order_deadline_s: Annotated[
        Seconds, why("Three default lives of a gremlin: pending orders outlive a demo fault.")
    ] = 900
    order_lease_s: Annotated[
        Seconds,
        why("The request budget and a second: the reconciler leaves a live request alone."),
    ] = 6.0
    reconcile_poll_s: Annotated[Seconds, why("The longest a due order waits to be seen.")] = 0.5
    reconcile_batch: Annotated[
        Count, why("One claim's worth of repair; equals the repair bulkhead.")
    ] = 16
    reconcile_backoff_s: Annotated[
        Seconds, why("The first retry; most faults are one lost answer.")
    ] = 0.25
    reconcile_backoff_max_s: Annotated[
        Seconds, why("In front of an audience all orders must settle soon after the fault ends.")
    ] = 10.0
    repair_connections: Annotated[
        Count, why("Bulkhead of repair traffic, so it cannot starve the foreground.")
    ] = 16
