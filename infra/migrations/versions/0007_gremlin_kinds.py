"""Runs sql/0007_gremlin_kinds.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0007"
down_revision = "0006"
upgrade, downgrade = sql_of("0007_gremlin_kinds")
