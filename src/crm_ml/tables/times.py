"""Text to instants: ISO 8601 without a declaration, everything else by declared strptime formats."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from crm_ml.tables.zones import Micros, local_to_utc

_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)?)\s?(?:(Z|z|UTC)|([+-])(\d{2}):?(\d{2})?)?",
    re.ASCII,
)
PARSED, WRONG, EMPTY = 0, 1, 2


def text_to_instants(texts: pa.Array, formats: Sequence[str], zone: str) -> tuple[Micros, npt.NDArray[np.int8]]:
    """Return UTC microseconds and a state per text (0 parsed, 1 wrong, 2 empty).

    Declared formats come first, in order; ISO 8601 is taken as well unless a declared format begins with the year,
    where the two could be confused.

    Examples
    --------
    >>> micros, state = text_to_instants(pa.array(["31.12.2026", "2026-12-31T00:00Z", "soon", ""]), ["%d.%m.%Y"], "UTC")
    >>> micros.view("datetime64[us]").astype("datetime64[D]").astype(str).tolist()[:2], state.tolist()
    (['2026-12-31', '2026-12-31'], [0, 0, 1, 2])
    """
    words = [text.strip() for text in texts.to_pylist()]
    micros = np.zeros(len(words), dtype=np.int64)
    state = np.array([WRONG if word else EMPTY for word in words], dtype=np.int8)
    for form in formats:
        _try_format(words, form, zone, micros, state)
    if not any(form.startswith("%Y") for form in formats):
        _try_iso(words, zone, micros, state)
    return micros, state


def _fill(
    rows: list[int], stamps: pd.DatetimeIndex, micros: Micros, state: npt.NDArray[np.int8]
) -> npt.NDArray[np.intp]:
    parsed = np.asarray(stamps.notna())
    done: npt.NDArray[np.intp] = np.asarray(rows, dtype=np.intp)[parsed]
    micros[done] = stamps[parsed].as_unit("us").asi8
    state[done] = PARSED
    return done


def _try_format(words: list[str], form: str, zone: str, micros: Micros, state: npt.NDArray[np.int8]) -> None:
    rows = np.flatnonzero(state == WRONG).tolist()
    if not rows:
        return
    zoned = "%z" in form
    stamps = pd.to_datetime(
        pd.Index([words[row] for row in rows], dtype=object), format=form, errors="coerce", utc=zoned, exact=True
    )
    done = _fill(rows, stamps.tz_localize(None) if stamps.tz is not None else stamps, micros, state)
    if not zoned:
        micros[done] = local_to_utc(micros[done], zone)


def _try_iso(words: list[str], zone: str, micros: Micros, state: npt.NDArray[np.int8]) -> None:
    rows, bodies, shifts = [], [], []
    for row in np.flatnonzero(state == WRONG).tolist():
        match = _ISO.fullmatch(words[row])
        if match is None:
            continue
        body, utc, sign, hours, minutes = match.groups()
        rows.append(row)
        bodies.append(body.replace(",", ".").replace("T", " "))
        shift = None
        if utc:
            shift = 0
        elif sign:
            shift = (int(hours) * 60 + int(minutes or 0)) * 60_000_000 * (-1 if sign == "-" else 1)
        shifts.append(shift)
    if not rows:
        return
    stamps = pd.to_datetime(pd.Index(bodies, dtype=object), format="ISO8601", errors="coerce")
    done = _fill(rows, stamps, micros, state)
    shift_of = dict(zip(rows, shifts, strict=True))
    local = np.array([shift_of[row] is None for row in done.tolist()], dtype=bool)
    micros[done[local]] = local_to_utc(micros[done[local]], zone)
    micros[done[~local]] -= np.array([shift_of[row] for row in done[~local].tolist()], dtype=np.int64)
