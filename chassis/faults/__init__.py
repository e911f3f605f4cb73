"""Gremlins: named, bounded faults, kept in the database and injected at the wire."""
