"""Runs sql/0028_owners.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0028"
down_revision = "0027"
upgrade, downgrade = sql_of("0028_owners")
