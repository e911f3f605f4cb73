"""Counters and histograms read from Prometheus text, and what they say about the last minutes."""
