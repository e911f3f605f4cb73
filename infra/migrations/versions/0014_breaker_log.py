"""Runs sql/0014_breaker_log.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0014"
down_revision = "0013"
upgrade, downgrade = sql_of("0014_breaker_log")
