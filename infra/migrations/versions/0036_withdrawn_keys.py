"""Runs sql/0036_withdrawn_keys.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0036"
down_revision = "0034"
upgrade, downgrade = sql_of("0036_withdrawn_keys")
