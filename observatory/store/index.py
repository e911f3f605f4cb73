"""Finds things by key without looking at the others: for each key, those that have it, in order."""

import heapq
from collections.abc import Collection, Iterator
from typing import Generic, TypeVar

Key = tuple[str, str]
Id = TypeVar("Id", str, int)


class Index(Generic[Id]):
    """By kind and value ("service", "order-service"), the ids in the order they came.

    A key without ids is deleted, so a million distinct values cost nothing later."""

    def __init__(self) -> None:
        self._by_key: dict[str, dict[str, dict[Id, None]]] = {}

    def add(self, key: Key, item: Id) -> None:
        """`item` has `key`."""
        self._by_key.setdefault(key[0], {}).setdefault(key[1], {})[item] = None

    def remove(self, key: Key, item: Id) -> None:
        """`item` no longer has `key`."""
        values = self._by_key.get(key[0], {})
        having = values.get(key[1])
        if having is not None:
            having.pop(item, None)
            if not having:
                del values[key[1]]

    def having(self, key: Key) -> Collection[Id]:
        """Those that have `key`, oldest first; can be read from either end."""
        return self._by_key.get(key[0], {}).get(key[1], {}).keys()

    def newest_first(self, keys: Collection[Key]) -> Iterator[Id]:
        """Those that have all of `keys`: reads the rarest key's list, looks it up in the others."""
        lists = sorted((self._by_key.get(kind, {}).get(value, {}) for kind, value in keys), key=len)
        if lists:
            yield from (item for item in reversed(lists[0]) if all(item in o for o in lists[1:]))

    def values(self, kind: str, limit: int) -> tuple[tuple[str, int], ...]:
        """The most frequent values of a kind with how often, for a filter's choices."""
        counted = ((value, len(having)) for value, having in self._by_key.get(kind, {}).items())
        return tuple(heapq.nlargest(limit, counted, key=lambda pair: pair[1]))
