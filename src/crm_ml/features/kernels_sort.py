"""Compiled sorting of events within their subjects (or other groups), after a counting sort by them.

Exports arrive almost in order, and a subject has few events: most of it is looking and finding nothing to do.
"""

from __future__ import annotations

import numpy as np

from crm_ml.compiled import compiled
from crm_ml.features.timeline import I64

_SMALL = 48


@compiled
def is_ordered(group: I64, keys: I64) -> bool:
    """Return whether rows are sorted by (group, keys[0], keys[1], ...)."""
    for i in range(1, len(group)):
        if group[i] < group[i - 1]:
            return False
        if group[i] == group[i - 1]:
            for k in range(keys.shape[0]):
                if keys[k, i] < keys[k, i - 1]:
                    return False
                if keys[k, i] > keys[k, i - 1]:
                    break
    return True


@compiled
def refine(order: I64, bounds: I64, key: I64) -> None:
    """Sort each stretch ``order[bounds[s]:bounds[s + 1]]`` stably by ``key[order]``, in place."""
    for s in range(len(bounds) - 1):
        begin, end = bounds[s], bounds[s + 1]
        ordered = True
        for i in range(begin + 1, end):
            if key[order[i]] < key[order[i - 1]]:
                ordered = False
                break
        if ordered:
            continue
        if end - begin <= _SMALL:
            for i in range(begin + 1, end):
                row = order[i]
                x = key[row]
                j = i
                while j > begin and key[order[j - 1]] > x:
                    order[j] = order[j - 1]
                    j -= 1
                order[j] = row
        else:
            own = order[begin:end].copy()
            order[begin:end] = own[np.argsort(key[own], kind="mergesort")]
