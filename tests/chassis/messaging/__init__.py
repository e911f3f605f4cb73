"""Transports and consumers, with no service around them."""
