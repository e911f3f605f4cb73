"""One order somebody wants, and every word that was said about it: what an oracle needs."""

from collections.abc import Mapping
from hashlib import blake2b
from uuid import UUID

import msgspec

_CLAIMS = frozenset({200, 201, 202, 402, 404, 409, 422})
_UNDECIDED = frozenset({"idempotency-in-progress"})
# Of an answer nobody foresaw this much is kept, to be shown.
_SHOWN_BYTES = 200


class LoggedReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer, or (status 0) one try that nobody answered. `body` is the answer's bytes, or
    something shorter that is equal when they are; `executed` is False only where the shop, or the
    connection that was never made, excludes an effect."""

    status: int
    code: str = ""
    order_id: UUID | None = None
    replayed: bool = False
    executed: bool = True
    body: bytes = b""

    @property
    def decides(self) -> bool:
        """Whether a shopper may stop asking."""
        return self.status in _CLAIMS and self.code not in _UNDECIDED


class Intent(msgspec.Struct, omit_defaults=True):
    """One order under one key. `shown` is the last state in which the shop showed the order;
    `refund_words` were said about giving its money back."""

    key: str
    product_id: str
    quantity: int
    words: list[LoggedReply] = msgspec.field(default_factory=list)
    cancel_words: list[LoggedReply] = msgspec.field(default_factory=list)
    refund_words: list[LoggedReply] = msgspec.field(default_factory=list)
    shown: str = ""

    @property
    def order_id(self) -> UUID | None:
        """The order this wish became, as far as anyone said."""
        return next((word.order_id for word in self.words if word.order_id), None)


class _Body(msgspec.Struct):
    order_id: UUID | None = None
    code: str = ""
    details: dict[str, object] | list[object] | None = None


_BODY = msgspec.json.Decoder(_Body)


def logged_reply(
    status: int, headers: Mapping[str, str], body: bytes, *, brief: bool = False
) -> LoggedReply:
    """An HTTP answer as a word. `brief` keeps a digest of the bytes instead of the bytes, where
    thousands are kept; what does not decide anything keeps its beginning."""
    try:
        said = _BODY.decode(body)
    except msgspec.MsgspecError:
        said = _Body(code="not-ours")
    order_id = said.order_id
    if order_id is None and isinstance(said.details, dict) and "order_id" in said.details:
        order_id = UUID(str(said.details["order_id"]))
    word = LoggedReply(
        status, said.code, order_id,
        replayed=headers.get("Idempotent-Replayed") == "true",
        executed=headers.get("X-Valerix-Executed") != "no",
        body=body,
    )  # fmt: skip
    if not brief:
        return word
    short = blake2b(body, digest_size=8).digest() if word.decides else body[:_SHOWN_BYTES]
    return msgspec.structs.replace(word, body=short)
