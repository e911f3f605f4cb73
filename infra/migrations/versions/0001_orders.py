"""Runs sql/0001_orders.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0001"
down_revision = None
upgrade, downgrade = sql_of("0001_orders")
