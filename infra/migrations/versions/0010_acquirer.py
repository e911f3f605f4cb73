"""Runs sql/0010_acquirer.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0010"
down_revision = "0009"
upgrade, downgrade = sql_of("0010_acquirer")
