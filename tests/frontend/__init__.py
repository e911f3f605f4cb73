"""Tests of the dashboard without a browser: numbers, words, pages, who may do what."""
