"""Runs sql/0027_identity.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0027"
down_revision = "0026"
upgrade, downgrade = sql_of("0027_identity")
