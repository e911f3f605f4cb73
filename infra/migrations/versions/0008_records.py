"""Runs sql/0008_records.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0008"
down_revision = "0007"
upgrade, downgrade = sql_of("0008_records")
