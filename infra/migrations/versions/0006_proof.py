"""Runs sql/0006_proof.up.sql, and .down.sql to take it back."""

from fleet.migrate import sql_of

revision = "0006"
down_revision = "0005"
upgrade, downgrade = sql_of("0006_proof")
