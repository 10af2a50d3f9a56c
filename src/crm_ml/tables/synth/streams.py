"""Random streams: one per aspect, so that a new table never changes the numbers of another."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, *aspect: object) -> np.random.Generator:
    """Return the generator of one aspect of the firm (``stream(1, "payments")``).

    The aspect's words are hashed with CRC-32, which is the same on every machine and in every process.

    Examples
    --------
    >>> int(stream(1, "orders").integers(1000)) == int(stream(1, "orders").integers(1000))
    True
    >>> int(stream(1, "orders").integers(10**9)) == int(stream(1, "payments").integers(10**9))
    False
    """
    words = [zlib.crc32(str(word).encode()) for word in aspect]
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))
