"""The few smallest of very many."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

_key = itemgetter(0)


class Smallest(Generic[Item]):
    """Keeps the `count` items of smallest key; iterating gives them in its order.

    Where keys differ, what is kept does not depend on the order in which items come.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._entries: list[tuple[Any, Item]] = []

    def wants(self, key: Any) -> bool:
        """Whether an item with this key would be kept now."""
        if len(self._entries) < self._count:
            return True
        return bool(self._entries and key < _key(self._entries[-1]))

    def add(self, key: Any, item: Item) -> None:
        """Keep `item` if it is among the smallest; drop what it displaces."""
        if self.wants(key):
            insort(self._entries, (key, item), key=_key)
            del self._entries[self._count :]

    def __iter__(self) -> Iterator[Item]:
        return (item for _, item in self._entries)

    def __len__(self) -> int:
        return len(self._entries)
