"""Runs sql/0031_revoked_logins.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0031"
down_revision = "0028"
upgrade, downgrade = sql_of("0031_revoked_logins")
