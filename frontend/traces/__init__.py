"""Traces: lists, one waterfall, the lines of log in place."""
