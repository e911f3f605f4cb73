"""Runs sql/0024_quick_debits.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0024"
down_revision = "0021"
upgrade, downgrade = sql_of("0024_quick_debits")
