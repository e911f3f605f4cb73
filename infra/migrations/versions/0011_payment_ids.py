"""Runs sql/0011_payment_ids.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0011"
down_revision = "0010"
upgrade, downgrade = sql_of("0011_payment_ids")
