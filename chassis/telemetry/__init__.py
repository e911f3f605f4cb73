"""Spans, log lines and process metrics: recorded in one pass, sent off the work's way."""
