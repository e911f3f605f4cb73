"""Runs sql/0016_plans.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0016"
down_revision = "0015"
upgrade, downgrade = sql_of("0016_plans")
