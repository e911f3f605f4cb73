"""Runs sql/0015_payment_lists.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0015"
down_revision = "0014"
upgrade, downgrade = sql_of("0015_payment_lists")
