"""The columns of events, moved only when somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from crm_ml.features.timeline import I64

Source = I64 | Callable[[], I64]


class Columns(Mapping[str, I64]):
    """Columns by name, given as arrays or as what makes them, at chosen positions.

    Events are sorted, filtered and cut several times on their way into features, most of which need few columns: what
    is taken is one array of positions, and a column is gathered when it is asked for.

    Examples
    --------
    >>> columns = Columns({"a": np.array([1, 2, 3]), "b": lambda: np.array([4, 5, 6])})
    >>> few = columns.take(np.array([2, 1])).take(np.array([True, False]))
    >>> few["a"].tolist(), few["b"].tolist()
    ([3], [6])
    """

    def __init__(self, source: Mapping[str, Source], index: I64 | None = None) -> None:
        self._source = source
        self._index = index
        self._made: dict[str, I64] = {}

    def __getitem__(self, name: str) -> I64:
        if name not in self._made:
            given = self._source[name]
            found = given() if callable(given) else given
            self._made[name] = found if self._index is None else found[self._index]
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._source)

    def __len__(self) -> int:
        return len(self._source)

    def __contains__(self, name: object) -> bool:
        return name in self._source

    def take(self, index: np.ndarray) -> Columns:
        """Return the columns at positions, or where a mask is true."""
        places: I64 = np.flatnonzero(index) if index.dtype == bool else index
        if self._index is None:
            source: Mapping[str, Source] = {name: self._maker(name) for name in self._source}
            return Columns(source, places)
        return Columns(self._source, self._index[places])

    def _maker(self, name: str) -> Source:
        return lambda: self[name]

    def but(self, **changed: Source) -> Columns:
        """Return the columns with some added or put in place of others."""
        return Columns({**{name: self._maker(name) for name in self._source}, **changed})
