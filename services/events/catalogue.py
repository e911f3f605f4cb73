"""Every type of event there is, with the struct that its `data` must be. The list is closed: a
consumer parks what is not in it."""

from collections.abc import Mapping

from msgspec import Struct

from chassis.faults.events import GremlinEnded, GremlinStarted
from services.identity.events import KeyWithdrawn, LoginRevoked
from services.inventory.events import StockCommitted, StockReleased, StockReserved
from services.order.events import OrderConfirmed, OrderCreated, OrderFailed
from services.payment.events import (
    PaymentCompleted,
    PaymentCreated,
    PaymentFailed,
    RefundCreated,
)
from services.wallet.events import WalletMoved

TYPES: Mapping[str, type[Struct]] = {
    "order.created": OrderCreated,
    "order.confirmed": OrderConfirmed,
    "order.failed": OrderFailed,
    "stock.reserved": StockReserved,
    "stock.released": StockReleased,
    "stock.committed": StockCommitted,
    "payment.created": PaymentCreated,
    "payment.completed": PaymentCompleted,
    "payment.failed": PaymentFailed,
    "refund.created": RefundCreated,
    "wallet.debited": WalletMoved,
    "wallet.credited": WalletMoved,
    "login.revoked": LoginRevoked,
    "key.withdrawn": KeyWithdrawn,
    "gremlin.started": GremlinStarted,
    "gremlin.ended": GremlinEnded,
}
ALL = tuple(sorted({f"{each.partition('.')[0]}.*" for each in TYPES}))
# By process, what those take that do not take everything.
_SOME = {"webhook_sender": ("payment.*", "refund.*")}


def types_of(key: str) -> tuple[str, ...]:
    """What the consumer of this key takes: what its queue is bound to, at either end."""
    return _SOME.get(key, ALL)
