"""Tests of the dashboard without a browser: numbers, labels, pages, who may do what."""
