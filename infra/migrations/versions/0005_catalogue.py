"""Runs sql/0005_catalogue.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0005"
down_revision = "0004"
upgrade, downgrade = sql_of("0005_catalogue")
