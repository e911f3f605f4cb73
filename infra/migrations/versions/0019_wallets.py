"""Runs sql/0019_wallets.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0019"
down_revision = "0018"
upgrade, downgrade = sql_of("0019_wallets")
