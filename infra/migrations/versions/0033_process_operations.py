"""Runs sql/0033_process_operations.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0033"
down_revision = "0032"
upgrade, downgrade = sql_of("0033_process_operations")
