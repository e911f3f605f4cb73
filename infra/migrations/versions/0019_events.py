"""Runs sql/0019_events.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0019"
down_revision = "0017"
upgrade, downgrade = sql_of("0019_events")
