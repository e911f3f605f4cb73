"""Runs sql/0002_inventory.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0002"
down_revision = "0001"
upgrade, downgrade = sql_of("0002_inventory")
