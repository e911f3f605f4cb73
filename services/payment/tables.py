"""The tables of schema `payments`; infra/migrations/sql holds their constraints and triggers."""

from sqlalchemy import (
    CHAR,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

# What this service needs to have been migrated.
SCHEMA_REVISION = "0028"

metadata = MetaData(schema="payments")

payments = Table(
    "payments",
    metadata,
    Column("payment_id", Uuid, primary_key=True),
    Column("order_id", Uuid),
    Column("amount_minor", BigInteger),
    Column("currency", CHAR(3)),
    Column("state", Text),
    Column("decline_code", Text),
    Column("cancel_reason", Text),
    Column("idempotency_key", Text),
    Column("request_hash", LargeBinary),
    Column("made_by", Text),
    Column("owner", Text),
    Column("cancelled_by", Text),
    Column("needs_review", Boolean),
    Column("attempts", Integer),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("traceparent", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)

legs = Table(
    "legs",
    metadata,
    Column("payment_id", Uuid, primary_key=True),
    Column("leg_n", Integer, primary_key=True),
    Column("plan_n", Integer),
    Column("amount_minor", BigInteger),
    Column("currency", CHAR(3)),
    Column("provider", Text),
    Column("fallbacks", ARRAY(Text)),
    Column("begin_until", DateTime(timezone=True)),
    Column("may_retry", Boolean),
    Column("created_at", DateTime(timezone=True)),
)

decisions = Table(
    "decisions",
    metadata,
    Column("payment_id", Uuid, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("plan_n", Integer),
    Column("kind", Text),
    Column("leg_n", Integer),
    Column("provider", Text),
    Column("reason", Text),
    Column("inputs", JSONB),
    Column("at", DateTime(timezone=True)),
)

attempts = Table(
    "attempts",
    metadata,
    Column("payment_id", Uuid, primary_key=True),
    Column("leg_n", Integer, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("provider", Text),
    Column("gw_key", Text),
    Column("amount_minor", BigInteger),
    Column("currency", CHAR(3)),
    Column("state", Text),
    Column("detail", Text),
    Column("method", Text),
    Column("provider_ref", Text),
    Column("asks", Integer),
    Column("sent_at", DateTime(timezone=True)),
    Column("authorised_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)

ledger = Table(
    "ledger",
    metadata,
    Column("payment_id", Uuid, primary_key=True),
    Column("leg_n", Integer, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("account", Text),
    Column("amount_minor", BigInteger),
    Column("currency", CHAR(3)),
    Column("posted_at", DateTime(timezone=True)),
)

provider_events = Table(
    "provider_events",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("id", BigInteger),
    Column("result", Text),
    Column("attempts", Integer),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)

transitions = Table(
    "transitions",
    metadata,
    Column("machine", Text, primary_key=True),
    Column("src", Text, primary_key=True),
    Column("dst", Text, primary_key=True),
)
