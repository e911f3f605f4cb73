"""Runs sql/0023_owners.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0023"
down_revision = "0022"
upgrade, downgrade = sql_of("0023_owners")
