"""The tables of schema `orders`; infra/migrations/sql holds their constraints and triggers."""

from sqlalchemy import BigInteger, Column, DateTime, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy import Uuid as UuidType

# What this service needs to have been migrated.
SCHEMA_REVISION = "0028"

metadata = MetaData(schema="orders")
_time = DateTime(timezone=True)

products = Table(
    "products",
    metadata,
    Column("product_id", Text, primary_key=True),
    Column("name", Text),
    Column("price_minor", BigInteger),
    Column("currency", Text),
)

orders = Table(
    "orders",
    metadata,
    Column("id", UuidType, primary_key=True),
    Column("product_id", Text),
    Column("quantity", Integer),
    Column("unit_price_minor", BigInteger),
    Column("amount_minor", BigInteger),
    Column("currency", Text),
    Column("payment_id", UuidType),
    Column("wallet_id", Text),
    Column("owner", Text),
    Column("cancelled_by", Text),
    Column("status", Text),
    Column("reason", Text),
    Column("last_outcome", Text),
    Column("stock_committed_at", _time),
    Column("version", Integer),
    Column("attempts", Integer),
    Column("next_attempt_at", _time),
    Column("deadline_at", _time),
    Column("traceparent", Text),
    Column("step_traceparent", Text),
    Column("created_at", _time),
    Column("updated_at", _time),
    Column("settled_at", _time),
)

history = Table(
    "history",
    metadata,
    Column("order_id", UuidType),
    Column("version", Integer),
    Column("src", Text),
    Column("dst", Text),
    Column("reason", Text),
    Column("outcome", Text),
    Column("attempts", Integer),
    Column("traceparent", Text),
    Column("at", _time),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary),
    Column("order_id", UuidType),
    Column("status_code", Integer),
    Column("response", LargeBinary),
    Column("locked_until", _time),
)
