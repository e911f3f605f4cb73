"""Runs sql/0026_gateway.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0026"
down_revision = "0025"
upgrade, downgrade = sql_of("0026_gateway")
