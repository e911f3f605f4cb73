"""Logs: the live tail of every service's lines."""
