"""One promise of the shop: a sentence for people, and SQL that finds the rows that break it."""

from typing import Literal

import msgspec

from proof.incremental import ReadScope
from proof.settings import ProofSettings

Kind = Literal["A", "Q"]


class Invariant(msgspec.Struct, frozen=True):
    """One promise. Its SQL returns the offending rows and nothing else: no row is the proof.

    Kind A holds at every instant. Kind Q holds once the shop is quiescent: each of its rows carries
    `since`, the time from which work was left to do, which separates a young row from one that
    never settles; and names its order as `order_id`, or its payment as `payment_ref`.

    `reads` says which rows it must read when the orders before a checkpoint were proven already.
    """

    id: str
    kind: Kind
    title: str
    promise: str
    sql: str
    enforced_by: str
    reads: ReadScope = "orders"

    @property
    def settles_later(self) -> bool:
        """Whether an order it finds may still settle, so that it must be judged again."""
        return self.kind == "Q" and self.reads == "orders"


class Limits(msgspec.Struct, frozen=True):
    """How long unfinished work may take, and whether the gateway refuses a charge it has voided."""

    order_deadline_s: float = 900.0
    order_backoff_s: float = 10.0
    lease_s: float = 6.0
    payment_backoff_s: float = 30.0
    gateway_fences: bool = True

    @classmethod
    def of(cls, settings: ProofSettings) -> "Limits":
        """The limits that follow from the settings."""
        return cls(
            order_deadline_s=settings.order_deadline_s,
            order_backoff_s=settings.reconcile_backoff_max_s,
            lease_s=settings.order_lease_s,
            payment_backoff_s=settings.payment_probe_max_s,
            gateway_fences=settings.payment_gateway_fences,
        )

    @property
    def order_due_s(self) -> float:
        """The furthest a live order's next attempt may lie ahead; jitter can double a backoff."""
        return 2 * self.order_backoff_s + self.lease_s

    @property
    def payment_due_s(self) -> float:
        """The same for a payment that waits for the gateway."""
        return 2 * self.payment_backoff_s + self.lease_s

    @property
    def settle_s(self) -> float:
        """D: how long after the last fault every order must have come to its end."""
        return self.order_deadline_s + self.order_due_s + self.payment_due_s
