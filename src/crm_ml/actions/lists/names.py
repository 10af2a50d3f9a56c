"""File names that every system can hold, whatever an id looks like."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_SAFE = re.compile(rb"[A-Za-z0-9_.-]")
_LONGEST = 80
_RESERVED = {
    *("con", "prn", "aux", "nul", "conin$", "conout$"),
    *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)),
    *("summary", "actions", "decisions", "manifest"),
}


def file_stems(ids: Iterable[str]) -> dict[str, str]:
    """Return for each id a file name without its ending: percent-encoded, and no two alike in upper or lower case.

    Examples
    --------
    >>> file_stems(["AM1", "am1", "Jörg/../x", "CON"])
    {'AM1': 'AM1', 'CON': '%43ON', 'Jörg/../x': 'J%C3%B6rg%2F..%2Fx', 'am1': 'am1-2725757e'}
    """
    taken: set[str] = set()
    stems = {}
    for value in sorted(set(ids)):
        stem = _encoded(value)
        while stem.casefold() in taken:
            stem = f"{stem}-{_hash(value)}"
        taken.add(stem.casefold())
        stems[value] = stem
    return stems


def _encoded(value: str) -> str:
    whole = value.encode("utf-8", "surrogatepass")
    pieces = [chr(byte) if _SAFE.match(bytes([byte])) else f"%{byte:02X}" for byte in whole]
    if not pieces:
        return "%"
    first = value.split(".")[0].casefold()  # a reserved name stays reserved before any dot
    if pieces[0] in (".", "-") or first in _RESERVED or value.casefold().startswith("draft-"):
        pieces[0] = f"%{whole[0]:02X}"
    if pieces[-1] == ".":
        pieces[-1] = "%2E"
    stem = "".join(pieces)
    if len(stem) <= _LONGEST:
        return stem
    cut = re.sub(r"%[0-9A-F]?$", "", stem[: _LONGEST - 9])
    return f"{cut}-{_hash(value)}"


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:8]
