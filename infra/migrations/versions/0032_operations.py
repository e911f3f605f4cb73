"""Runs sql/0032_operations.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0032"
down_revision = "0031"
upgrade, downgrade = sql_of("0032_operations")
