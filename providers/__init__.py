"""The world outside the shop: providers, each in its own process, that know nothing of services."""
