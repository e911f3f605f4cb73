"""The order service: its state machine in code and database, and every decision it records."""
