"""Serving and calling over HTTP: the edge every request passes, strict bodies, problems, health."""
