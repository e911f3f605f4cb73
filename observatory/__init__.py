"""Telemetry of the services: received, kept in bounded memory or read from the stack, and shown."""
