"""Hashes of rows, in compiled loops: one 64-bit number per text, two per row, and their sums over rows.

Mixed as in the last steps of MurmurHash3 (Appleby, public domain): every bit of what goes in moves about half of the
bits that come out. That tells changed data from unchanged; it does not withstand somebody who wants two equal sums.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crm_ml.compiled import compiled
from crm_ml.features.timeline import I64

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

_BASIS, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_FIRST, _SECOND = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_OTHER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(33)


@compiled
def text_hashes(offsets: I64, data: U8) -> U64:
    """Return a number for each text; text i has the bytes ``data[offsets[i]:offsets[i + 1]]``."""
    out = np.empty(len(offsets) - 1, np.uint64)
    for i in range(len(out)):
        h = _BASIS
        for at in range(offsets[i], offsets[i + 1]):
            h = (h ^ np.uint64(data[at])) * _PRIME
        h = (h ^ (h >> _SHIFT)) * _FIRST
        h = (h ^ (h >> _SHIFT)) * _SECOND
        out[i] = h ^ (h >> _SHIFT)
    return out


@compiled
def stir(rows: U64, values: U64, key: np.uint64) -> None:
    """Mix the values of a column, whose name gives the key, into the two numbers of each row (shape (2, rows))."""
    for lane in range(2):
        own = key + np.uint64(lane) * _OTHER
        state = rows[lane]
        for i in range(len(values)):
            h = (values[i] + own) * _FIRST
            h = (h ^ (h >> _SHIFT)) + state[i] * _SECOND
            h = (h ^ (h >> _SHIFT)) * _FIRST
            state[i] = h ^ (h >> _SHIFT)


@compiled
def total(rows: U64, counts: NDArray[np.bool_]) -> U64:
    """Return the two sums over the rows that count, modulo 2**64."""
    found = np.zeros(2, np.uint64)
    for lane in range(2):
        state = rows[lane]
        for i in range(len(counts)):
            if counts[i]:
                found[lane] += state[i]
    return found
