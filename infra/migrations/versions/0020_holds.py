"""Runs sql/0020_holds.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0020"
down_revision = "0019"
upgrade, downgrade = sql_of("0020_holds")
