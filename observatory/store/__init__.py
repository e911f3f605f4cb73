"""Traces and logs kept in bounded memory, and the questions a page may ask of them."""
