"""Runs sql/0018_events.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0018"
down_revision = "0017"
upgrade, downgrade = sql_of("0018_events")
