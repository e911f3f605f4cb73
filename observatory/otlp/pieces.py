"""What a request is taken apart into: items with their senders, and how many there may be."""

from observatory import limits
from observatory.otlp.normalize import Malformed, Resource

# Who sent an item; where its resource cannot be read, why: that costs its items, not the others.
Sender = Resource | Malformed


class TooLarge(Exception):
    """More than the receiver accepts in one request."""


class Pieces:
    """Counts the resources, scopes and items of one request."""

    def __init__(self) -> None:
        self._found = 0

    def count(self) -> None:
        """One more; raises `TooLarge` past the bound."""
        self._found += 1
        if self._found > limits.PIECES:
            raise TooLarge(f"more than {limits.PIECES} resources, scopes and items in one request")
