"""Tests of where the dashboard's numbers, traces and logs come from."""
