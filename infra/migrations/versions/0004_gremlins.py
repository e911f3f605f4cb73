"""Runs sql/0004_gremlins.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0004"
down_revision = "0003"
upgrade, downgrade = sql_of("0004_gremlins")
