"""The inventory service: its SQL cell by cell, its guards, and stock that is conserved."""
