"""Runs sql/0003_payments.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0003"
down_revision = "0002"
upgrade, downgrade = sql_of("0003_payments")
