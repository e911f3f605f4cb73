"""Gremlins: the switchboard, the bar on every page, the audit log."""
