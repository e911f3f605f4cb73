"""Traces and logs kept in bounded memory, and the queries a page may make."""
