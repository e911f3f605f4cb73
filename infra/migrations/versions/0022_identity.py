"""Runs sql/0022_identity.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0022"
down_revision = "0021"
upgrade, downgrade = sql_of("0022_identity")
