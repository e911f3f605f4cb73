"""Runs sql/0034_fewer_commits.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0034"
down_revision = "0033"
upgrade, downgrade = sql_of("0034_fewer_commits")
