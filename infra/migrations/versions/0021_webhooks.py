"""Runs sql/0021_webhooks.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0021"
down_revision = "0020"
upgrade, downgrade = sql_of("0021_webhooks")
