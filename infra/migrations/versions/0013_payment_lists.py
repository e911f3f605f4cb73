"""Runs sql/0013_payment_lists.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0013"
down_revision = "0012"
upgrade, downgrade = sql_of("0013_payment_lists")
