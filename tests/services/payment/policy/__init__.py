"""A merchant's rules for a payment."""
