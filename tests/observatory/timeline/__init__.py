"""Gremlins, lights and orders, told as incidents."""
