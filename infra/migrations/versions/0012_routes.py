"""Runs sql/0012_routes.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0012"
down_revision = "0011"
upgrade, downgrade = sql_of("0012_routes")
