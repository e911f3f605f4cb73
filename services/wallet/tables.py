"""The tables of schema `wallets`; infra/migrations/sql holds their constraints and triggers."""

from sqlalchemy import (
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
SCHEMA_REVISION = "0024"

metadata = MetaData(schema="wallets")

attempts = Table(
    "attempts",
    metadata,
    Column("transaction_id", Uuid, primary_key=True),
    Column("state", Text),
    Column("tries", Integer),
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
