"""The shop beside the real telemetry programs, and the files they are configured with."""
