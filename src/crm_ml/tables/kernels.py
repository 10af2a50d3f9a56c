"""Compiled loops over the rows of a table: into groups, and into order within them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crm_ml.compiled import compiled

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

_SMALL = 24


@compiled
def by_code(codes: I32 | I64, counts: I64) -> I32:
    """Return the stable order of rows by code (0, 1, ...); code c occurs ``counts[c]`` times."""
    place = np.empty(len(counts), np.int64)
    total = np.int64(0)
    for c in range(len(counts)):
        place[c] = total
        total += counts[c]
    order = np.empty(len(codes), np.int32)
    for i in range(len(codes)):
        c = codes[i]
        order[place[c]] = i
        place[c] += 1
    return order


@compiled
def order_within(keys: I64, bounds: I64) -> tuple[I64, bool]:
    """Return the stable order of rows by ``keys[:, row]`` within each stretch of `bounds`, and whether it moves any.

    The first key decides before the second, and so on. Short stretches are sorted by insertion, long ones by merging
    sorted runs of twice the length each time.
    """
    rows, count = keys.shape[1], keys.shape[0]
    order = np.arange(rows)
    other = np.empty(rows, np.int64)
    moved = False
    for s in range(len(bounds) - 1):
        begin, end = bounds[s], bounds[s + 1]
        run = _SMALL
        for first in range(begin, end, run):
            last = min(first + run, end)
            for i in range(first + 1, last):
                row = order[i]
                j = i
                while j > first:
                    before = order[j - 1]
                    later = False
                    for k in range(count):
                        if keys[k, before] != keys[k, row]:
                            later = keys[k, before] > keys[k, row]
                            break
                    if not later:
                        break
                    order[j] = before
                    j -= 1
                    moved = True
                order[j] = row
        while run < end - begin:
            for first in range(begin, end, 2 * run):
                middle, last = min(first + run, end), min(first + 2 * run, end)
                left, right = first, middle
                for i in range(first, last):
                    take_right = left == middle
                    if not take_right and right < last:
                        for k in range(count):
                            if keys[k, order[left]] != keys[k, order[right]]:
                                take_right = keys[k, order[left]] > keys[k, order[right]]
                                break
                    if take_right:
                        other[i] = order[right]
                        right += 1
                        moved = moved or left < middle
                    else:
                        other[i] = order[left]
                        left += 1
            order[begin:end] = other[begin:end]
            run *= 2
    return order, moved
