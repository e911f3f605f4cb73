"""One order a shopper wants, with every reply about it: what the oracle compares."""

from collections.abc import Mapping
from hashlib import blake2b
from uuid import UUID

import msgspec

_CLAIMS = frozenset({200, 201, 202, 402, 404, 409, 422})
_UNDECIDED = frozenset({"idempotency-in-progress"})
# How much of an unexpected reply is kept, to be shown.
_SHOWN_BYTES = 200


class LoggedReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reply, or (status 0) one try without a reply. `body` is the reply's bytes, or a digest
    that is equal when they are; `executed` is False only where the shop, or a connection that was
    never made, excludes an effect."""

    status: int
    code: str = ""
    order_id: UUID | None = None
    replayed: bool = False
    executed: bool = True
    body: bytes = b""
    payment_id: UUID | None = None

    @property
    def decides(self) -> bool:
        """Whether a shopper may stop asking."""
        return self.status in _CLAIMS and self.code not in _UNDECIDED


class Intent(msgspec.Struct, omit_defaults=True):
    """One order under one key, with the replies to placing, cancelling and refunding it. `shown` is
    the last state in which the shop showed it, `wallet_id` whose wallet pays, None: a card."""

    key: str
    product_id: str
    quantity: int
    replies: list[LoggedReply] = msgspec.field(default_factory=list)
    cancel_replies: list[LoggedReply] = msgspec.field(default_factory=list)
    refund_replies: list[LoggedReply] = msgspec.field(default_factory=list)
    shown: str = ""
    wallet_id: str | None = None

    @property
    def order_id(self) -> UUID | None:
        """The order's id, if any reply had one."""
        return next((reply.order_id for reply in self.replies if reply.order_id), None)

    @property
    def payment_id(self) -> UUID | None:
        """The id of the order's payment, if any reply had one."""
        return next((reply.payment_id for reply in self.replies if reply.payment_id), None)


class _Body(msgspec.Struct):
    order_id: UUID | None = None
    payment_id: UUID | None = None
    code: str = ""
    details: dict[str, object] | list[object] | None = None


_BODY = msgspec.json.Decoder(_Body)


def logged_reply(
    status: int, headers: Mapping[str, str], body: bytes, *, brief: bool = False
) -> LoggedReply:
    """An HTTP response as it is logged. `brief` keeps a digest of the bytes instead of the bytes,
    where thousands are kept; of a reply that decides nothing it keeps the beginning."""
    try:
        content = _BODY.decode(body)
    except msgspec.MsgspecError:
        content = _Body(code="not-ours")
    order_id = content.order_id
    if order_id is None and isinstance(content.details, dict) and "order_id" in content.details:
        order_id = UUID(str(content.details["order_id"]))
    reply = LoggedReply(
        status, content.code, order_id,
        replayed=headers.get("Idempotent-Replayed") == "true",
        executed=headers.get("X-Valerix-Executed") != "no",
        body=body, payment_id=content.payment_id,
    )  # fmt: skip
    if not brief:
        return reply
    short = blake2b(body, digest_size=8).digest() if reply.decides else body[:_SHOWN_BYTES]
    return msgspec.structs.replace(reply, body=short)
