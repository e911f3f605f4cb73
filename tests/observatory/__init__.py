"""The embedded telemetry: what comes in, what is kept, what is found again."""
