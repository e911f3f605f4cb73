"""The tables of schema `wallets`; infra/migrations/sql holds their constraints and triggers."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
)

# What this service needs to have been migrated.
SCHEMA_REVISION = "0020"

metadata = MetaData(schema="wallets")

transactions = Table(
    "transactions",
    metadata,
    Column("transaction_id", Uuid, primary_key=True),
    Column("user_id", Text),
    Column("currency", Text),
    Column("kind", Text),
    Column("amount_minor", BigInteger),
    Column("status", Text),
    Column("attempts", Integer),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary),
    Column("transaction_id", Uuid),
    Column("status_code", Integer),
    Column("response", LargeBinary),
    Column("locked_until", DateTime(timezone=True)),
)
