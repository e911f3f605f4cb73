"""The gateway as customers meet it: a real Envoy before the real processes."""
