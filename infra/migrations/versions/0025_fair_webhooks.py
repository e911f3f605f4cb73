"""Runs sql/0025_fair_webhooks.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0025"
down_revision = "0024"
upgrade, downgrade = sql_of("0025_fair_webhooks")
