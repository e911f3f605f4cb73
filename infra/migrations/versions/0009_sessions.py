"""Runs sql/0009_sessions.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0009"
down_revision = "0008"
upgrade, downgrade = sql_of("0009_sessions")
