"""The relay and the consumers."""
