"""The embedded telemetry: what the services say about themselves, kept in bounded memory."""
