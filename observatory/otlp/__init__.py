"""Receives OTLP: from the bytes of an export request to spans and lines of log."""
