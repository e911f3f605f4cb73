"""Runs sql/0017_plans.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0017"
down_revision = "0016"
upgrade, downgrade = sql_of("0017_plans")
