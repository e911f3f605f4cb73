"""The tables of schema `inventory`; infra/migrations/sql holds their constraints and triggers."""

from sqlalchemy import Column, DateTime, Integer, MetaData, Table, Text, Uuid

# What this service needs to have been migrated.
SCHEMA_REVISION = "0008"

metadata = MetaData(schema="inventory")

stock = Table(
    "stock",
    metadata,
    Column("product_id", Text, primary_key=True),
    Column("total", Integer),
    Column("stock", Integer),
    Column("reserved", Integer),
    Column("sold", Integer),
)

reservations = Table(
    "reservations",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("product_id", Text),
    Column("quantity", Integer),
    Column("state", Text),
    Column("made_by", Text),
    Column("updated_at", DateTime(timezone=True)),
)
