"""The mock providers' own record: what the gateway believes, on connections of its own.

It shares nothing with the service but the server, so the two can disagree as with a real gateway:
our transaction may roll back while the gateway keeps the capture, and the other way round."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import (
    CHAR,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    MetaData,
    Table,
    Text,
    bindparam,
    case,
    func,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from chassis.database.pool import (
    CommitUnknown,
    Connection,
    Database,
    DatabaseBusy,
    DatabaseDown,
    DatabaseFull,
    Row,
    Statement,
    statement,
)
from chassis.settings import Settings
from gateways import (
    AttemptRef,
    Authorised,
    Capture,
    Captured,
    CapturePlace,
    Declined,
    GatewayNotSent,
    GatewayUnknown,
    NotFound,
    Refunded,
    Taken,
    Voided,
)

# A statement of the gateway takes about a millisecond, so a few connections serve many charges.
_CONNECTIONS = 6
charges = Table(
    "charges",
    MetaData(schema="gateway"),
    Column("gw_key", Text, primary_key=True),
    Column("provider", Text),
    Column("payment_ref", Text),
    Column("amount_minor", BigInteger),
    Column("currency", CHAR(3)),
    Column("state", Text),
    Column("decline_code", Text),
    Column("captured_at", DateTime(timezone=True)),
    Column("refunded_at", DateTime(timezone=True)),
)
_c = charges.c
_RESULT = (_c.state, _c.decline_code, _c.amount_minor, _c.currency)
_this_key = _c.gw_key == bindparam("gw_key")

# The primary key is the gateway's idempotency: the first request under a key decides.
_RECORD = statement(
    upsert(charges)
    .values(
        gw_key=bindparam("gw_key"),
        provider=bindparam("provider"),
        payment_ref=bindparam("payment_ref"),
        amount_minor=bindparam("amount_minor"),
        currency=bindparam("currency"),
        state=bindparam("state"),
        decline_code=bindparam("decline_code"),
        captured_at=case((bindparam("captured", type_=Boolean), func.clock_timestamp())),
    )
    .on_conflict_do_nothing()
    .returning(*_RESULT),
    "gateway enter",
)
_LOOKUP = statement(select(*_RESULT).where(_this_key), "gateway lookup")
_REFUND = statement(
    update(charges)
    .where(_this_key, _c.state == "CAPTURED")
    .values(state="REFUNDED", refunded_at=func.clock_timestamp())
    .returning(*_RESULT),
    "gateway refund",
)
_held = _c.state == "AUTHORISED"
_CAPTURE = statement(
    update(charges)
    .where(_this_key, _held)
    .values(state="CAPTURED", captured_at=func.clock_timestamp())
    .returning(*_RESULT),
    "gateway capture",
)
_RELEASE = statement(
    update(charges).where(_this_key, _held).values(state="VOIDED").returning(*_RESULT),
    "gateway release",
)
_CAPTURES = statement(
    select(_c.gw_key, _c.payment_ref, _c.amount_minor, _c.currency, _c.captured_at)
    .where(
        # Written out, not a parameter, so that the partial index can serve it.
        text("state = 'CAPTURED'"),
        tuple_(_c.captured_at, _c.gw_key)
        > tuple_(
            func.coalesce(
                bindparam("after_at", type_=DateTime(timezone=True)),
                text("'-infinity'::timestamptz"),
            ),
            bindparam("after_key", type_=Text),
        ),
    )
    .order_by(_c.captured_at, _c.gw_key)
    .limit(bindparam("at_most")),
    "gateway captures",
)


class MockStore:
    """The gateway's own record, schema `gateway`: one row a key; only the connectors write it."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings, size=_CONNECTIONS)

    async def close(self) -> None:
        """Close its connections."""
        await self._database.close()

    async def record(
        self,
        verdict: Authorised | Captured | Declined | Voided,
        target: AttemptRef,
        *,
        provider: str,
    ) -> Taken:
        """Record `verdict` under a new key; an old key answers with what was recorded first."""
        is_void = isinstance(verdict, Voided)
        values = {
            "gw_key": target.gw_key,
            "provider": provider,
            "payment_ref": target.payment_ref,
            "amount_minor": None if is_void else target.amount_minor,
            "currency": None if is_void else target.currency,
            "state": type(verdict).__name__.upper(),
            "decline_code": verdict.code if isinstance(verdict, Declined) else None,
            "captured": isinstance(verdict, Captured),
        }
        async with self._connection() as connection:
            row = await connection.row(_RECORD, **values)
            row = row or await connection.row(_LOOKUP, gw_key=target.gw_key)
        return _result(row)

    async def find(self, gw_key: str) -> Taken | NotFound:
        """What is recorded under the key."""
        async with self._connection() as connection:
            row = await connection.row(_LOOKUP, gw_key=gw_key)
        return NotFound() if row is None else _result(row)

    async def capture(self, gw_key: str) -> Taken | NotFound:
        """Take what is held; anything else answers with what is recorded."""
        return await self._changed(_CAPTURE, gw_key)

    async def release(self, gw_key: str) -> Taken | NotFound:
        """Let go what is held; anything else answers with what is recorded."""
        return await self._changed(_RELEASE, gw_key)

    async def refund(self, gw_key: str) -> Taken | NotFound:
        """Refund a capture; anything else answers with what is recorded."""
        return await self._changed(_REFUND, gw_key)

    async def _changed(self, change: Statement, gw_key: str) -> Taken | NotFound:
        async with self._connection() as connection:
            row = await connection.row(change, gw_key=gw_key)
            row = row or await connection.row(_LOOKUP, gw_key=gw_key)
        return NotFound() if row is None else _result(row)

    async def captures(self, after: CapturePlace | None, limit: int) -> list[Capture]:
        """The captures that were not refunded, oldest first, after a place."""
        at, key = (None, "") if after is None else (after.captured_at, after.gw_key)
        async with self._connection() as connection:
            rows = await connection.rows(_CAPTURES, after_at=at, after_key=key, at_most=limit)
        return [Capture(**dict(row)) for row in rows]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._database.connect() as connection:
                yield connection
        except (DatabaseBusy, DatabaseDown, DatabaseFull) as error:
            raise GatewayNotSent(type(error).__name__) from error
        except (CommitUnknown, asyncpg.PostgresError) as error:
            raise GatewayUnknown(type(error).__name__) from error


def _result(row: Row | None) -> Taken:
    if row is None:
        raise GatewayUnknown("the record is gone")
    match row["state"]:
        case "CAPTURED":
            return Captured(row["amount_minor"], row["currency"])
        case "AUTHORISED":
            return Authorised(row["amount_minor"], row["currency"])
        case "DECLINED":
            return Declined(row["decline_code"] or "declined")
        case "REFUNDED":
            return Refunded(row["amount_minor"], row["currency"])
    return Voided()
