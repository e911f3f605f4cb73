"""The payment service against a real PostgreSQL, with a provider that fails on command."""
