"""Columns of any source type to the canonical types; what does not fit is counted, shown and said how to mend.

Both ways in (files and frames) go through here, so equal content gives equal tables. The rules: amounts are the decimal
number as written (a double stands for its shortest decimal form), rounded half away from zero to 1e-4; identifiers are
text in Unicode's composed form, and an empty one counts as missing; times without a zone are local times.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml.names import MONEY_SCALE
from crm_ml.tables.identifiers import coded, coded_numbers
from crm_ml.tables.parsing import parse_bool, parse_number
from crm_ml.tables.place import Mask, Place, examples, null_mask, to_numpy
from crm_ml.tables.schemas import Column, ColumnType
from crm_ml.tables.times import text_to_instants
from crm_ml.tables.zones import DAY_US, FIRST_US, LAST_US, local_to_utc

INSTANT: Final = pa.timestamp("us", tz="UTC")
ARROW_TYPES: Final[dict[ColumnType, Any]] = {
    "text": pa.string(),
    "instant": INSTANT,
    "money": pa.int64(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
}
AMOUNT_LIMIT: Final = 1e14
_EXACT_DOUBLE_LIMIT = 4e11  # above, a double times 10,000 is no longer exact to the unit
_WHOLE_DOUBLE_LIMIT = 2.0**53
_EXACT = Context(prec=80)
_BLOCK = 1 << 15
_PER_UNIT = {"s": 1_000_000, "ms": 1_000, "us": 1}


def _refuse_type(array: pa.Array, place: Place, what: str, remedy: str) -> Mask:
    bad = ~null_mask(array)
    place.say(
        "error",
        "wrong_type",
        f"{place.name} must hold {what}, found values of type {array.type}",
        remedy,
        count=int(bad.sum()),
        examples=examples(array, bad),
    )
    return bad


def _none_bad(array: pa.Array) -> Mask:
    return np.zeros(len(array), dtype=bool)


def is_text(kind: Any) -> bool:
    """Whether an Arrow type holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


# numbers


def _per_text(array: pa.Array, parse: Callable[[str], Any]) -> tuple[list[Any], npt.NDArray[np.intp], Mask]:
    """Parse each distinct text once: the results, and for each row which result is its own (-1: null)."""
    coded = array.dictionary_encode()
    nulls = null_mask(array)
    codes = to_numpy(coded.indices.cast(pa.int64()), 0).astype(np.intp)
    return [parse(text) for text in coded.dictionary.to_pylist()], codes, nulls


_PROBLEMS = {
    "not_a_number": ("must hold numbers, found text", "Correct the values at the source, or map an SQL expression"),
    "not_finite": ("must hold finite numbers, found NaN or infinity", "Correct the values at the source"),
    "ambiguous_number": ("has numbers with two readings: 1.234 may be 1234 or 1,234", 'decimal: "," or decimal: "."'),
    "undeclared_decimal": ("has numbers in a notation that is not declared", 'decimal: ","'),
}


def _say_problem(place: Place, problem: str, count: int, shown: list[Any]) -> None:
    what, remedy = _PROBLEMS[problem]
    if problem in ("ambiguous_number", "undeclared_decimal"):
        remedy = f"Declare how the source writes numbers, `{place.declare % remedy}`"
    elif place.rules.decimal:
        what += f' (declared: decimal "{place.rules.decimal}")'
    code = "wrong_decimal" if problem == "undeclared_decimal" else problem
    place.say("error", code, f"{place.name} {what}", remedy, count=count, examples=shown)


def _text_numbers(array: pa.Array, place: Place) -> tuple[list[Decimal | None], npt.NDArray[np.intp], Mask, Mask]:
    """Distinct decimals, the row's code, nulls, bad rows; problems are said."""
    parsed, codes, nulls = _per_text(array, lambda text: parse_number(text, place.rules))
    texts = np.array([isinstance(value, str) for value in parsed] or [False])
    bad = texts[codes] & ~nulls if texts.any() else np.zeros(len(array), dtype=bool)
    for problem in sorted({value for value in parsed if isinstance(value, str)}):
        rows = np.array([value == problem for value in parsed])[codes] & ~nulls
        _say_problem(place, problem, int(rows.sum()), examples(array, rows))
    return [None if isinstance(value, str) else value for value in parsed], codes, nulls, bad


def _units(number: Decimal) -> int:
    """1e-4 units, half away from zero."""
    return int((_EXACT.multiply(number, Decimal(MONEY_SCALE))).quantize(Decimal(1), ROUND_HALF_UP, _EXACT))


def _say_overflow(place: Place, array: pa.Array, big: Mask) -> None:
    place.say(
        "error",
        "amount_overflow",
        f"{place.name} must stay below 1e14, found larger numbers",
        "Correct the values at the source",
        count=int(big.sum()),
        examples=examples(array, big),
    )


def _double_units(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    units = np.empty(len(values), np.int64)
    # in blocks that stay in the processor's cache
    for at in range(0, len(values), _BLOCK):
        units[at : at + _BLOCK] = _block_units(values[at : at + _BLOCK])
    return units


def _block_units(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    scaled = values * MONEY_SCALE
    size = np.abs(scaled)
    whole = np.floor(size)
    rest = size - whole
    whole += rest >= 0.5
    units: npt.NDArray[np.int64] = np.copysign(whole, scaled).astype(np.int64)
    # where the double is near a tie or coarse, its shortest decimal form decides, as it would if it came as text
    rest -= 0.5
    doubtful = (np.abs(rest) < 1e-3) | (size > _EXACT_DOUBLE_LIMIT * MONEY_SCALE)
    if doubtful.any():
        rows = np.flatnonzero(doubtful)
        units[rows] = [_units(Decimal(repr(value))) for value in values[rows].tolist()]
    return units


def _doubles(array: pa.Array, place: Place) -> tuple[npt.NDArray[np.float64], Mask, Mask]:
    nulls = null_mask(array)
    values = to_numpy(array.cast(pa.float64()), 0.0).astype(np.float64, copy=False)
    bad = ~np.isfinite(values)
    if bad.any():
        _say_problem(place, "not_finite", int(bad.sum()), examples(array, bad))
        values = np.where(bad, 0.0, values)
    return values, nulls, bad


def to_money(array: pa.Array, place: Place) -> tuple[pa.Array, Mask]:
    """Amounts as int64 in units of 1e-4; returns the column and which rows did not fit."""
    kind = array.type
    if pa.types.is_floating(kind):
        values, nulls, bad = _doubles(array, place)
        if len(values) and max(values.max(), -values.min()) > AMOUNT_LIMIT:
            big = np.abs(values) > AMOUNT_LIMIT
            _say_overflow(place, array, big)
            values, bad = np.where(big, 0.0, values), bad | big
        return pa.array(_double_units(values), mask=nulls | bad), bad
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        nulls = null_mask(array)
        big = np.abs(to_numpy(array.cast(pa.float64(), safe=False), 0.0).astype(np.float64)) > AMOUNT_LIMIT
        if big.any():
            _say_overflow(place, array, big)
            array = pc.if_else(pa.array(big), pa.scalar(None, kind), array)
        if pa.types.is_integer(kind):
            units = to_numpy(array.cast(pa.int64()), 0).astype(np.int64) * MONEY_SCALE
        else:
            units = _decimal_units(array)
        return pa.array(units, mask=nulls | big), big
    if is_text(kind):
        parsed, codes, nulls, bad = _text_numbers(array, place)
        over = np.array([value is not None and abs(value) > AMOUNT_LIMIT for value in parsed] or [False])
        big = over[codes] & ~nulls
        if big.any():
            _say_overflow(place, array, big)
        empty = np.array([value is None for value in parsed] or [True])[codes]
        units = np.array(
            [0 if value is None or large else _units(value) for value, large in zip(parsed, over, strict=False)] or [0],
            dtype=np.int64,
        )[codes]
        return pa.array(units, mask=nulls | empty | big), bad | big
    bad = _refuse_type(array, place, "numbers", "Map a column of numbers, or an SQL expression that gives one")
    return pa.nulls(len(array), pa.int64()), bad


def _decimal_units(array: pa.Array) -> npt.NDArray[np.int64]:
    kind = array.type
    wide = array.cast(pa.decimal256(76, kind.scale))
    if kind.scale > 4:
        wide = pc.round(wide, 4, "half_towards_infinity")
    cents = wide.cast(pa.decimal128(20, 4))
    units = pc.multiply(cents, pa.scalar(Decimal(MONEY_SCALE), pa.decimal128(5, 0))).cast(pa.int64())
    return to_numpy(units, 0).astype(np.int64)


def to_float(array: pa.Array, place: Place) -> tuple[pa.Array, Mask]:
    """Finite doubles; returns the column and which rows did not fit."""
    kind = array.type
    if is_text(kind):
        parsed, codes, nulls, bad = _text_numbers(array, place)
        empty = np.array([value is None for value in parsed] or [True])[codes]
        values = np.array([0.0 if value is None else float(value) for value in parsed] or [0.0])[codes]
        return pa.array(values, mask=nulls | empty), bad
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        values, nulls, bad = _doubles(
            array if not pa.types.is_integer(kind) else array.cast(pa.float64(), safe=False), place
        )
        return pa.array(values, mask=nulls | bad), bad
    bad = _refuse_type(array, place, "numbers", "Map a column of numbers, or an SQL expression that gives one")
    return pa.nulls(len(array), pa.float64()), bad


def to_int(array: pa.Array, place: Place) -> tuple[pa.Array, Mask]:
    """Whole numbers as int64; returns the column and which rows did not fit."""
    kind = array.type
    if pa.types.is_integer(kind) and not pa.types.is_uint64(kind):
        return array.cast(pa.int64()), _none_bad(array)
    floats, bad = to_float(array, place)
    values, nulls = to_numpy(floats, 0.0), null_mask(floats)
    broken = (values != np.trunc(values)) | (np.abs(values) > _WHOLE_DOUBLE_LIMIT)
    if broken.any():
        place.say(
            "error",
            "not_whole",
            f"{place.name} must hold whole numbers, found fractions",
            "Round them at the source, or map `{sql: round(...)}`",
            count=int(broken.sum()),
            examples=examples(array, broken),
        )
        values = np.where(broken, 0.0, values)
    return pa.array(values.astype(np.int64), mask=nulls | broken), bad | broken


def to_bool(array: pa.Array, place: Place) -> tuple[pa.Array, Mask]:
    """Truth values; returns the column and which rows did not fit."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return array, _none_bad(array)
    if is_text(kind):
        parsed, codes, nulls = _per_text(array, parse_bool)
        wrong = np.array([isinstance(value, str) for value in parsed] or [False])[codes] & ~nulls
        empty = np.array([value is None or isinstance(value, str) for value in parsed] or [True])[codes]
        values = np.array([value is True for value in parsed] or [False])[codes]
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers, nulls = to_numpy(array.cast(pa.float64(), safe=False), 0.0), null_mask(array)
        wrong = (numbers != 0) & (numbers != 1)
        values, empty = numbers == 1, wrong
    else:
        bad = _refuse_type(array, place, "true or false", "Map an SQL expression, e.g. `{sql: col = 'X'}`")
        return pa.nulls(len(array), pa.bool_()), bad
    if wrong.any():
        place.say(
            "error",
            "not_a_bool",
            f"{place.name} must hold true or false (also 1/0, yes/no, ja/nein), found other values",
            "Map an SQL expression, e.g. `{sql: col = 'X'}`",
            count=int(wrong.sum()),
            examples=examples(array, wrong),
        )
    return pa.array(values, mask=nulls | empty), wrong


# times


def to_instant(array: pa.Array, place: Place) -> tuple[pa.Array, Mask]:
    """UTC microseconds; naive stamps are local times of the zone, a date is its local midnight."""
    kind = array.type
    nulls = null_mask(array)
    local = True
    wrong = _none_bad(array)
    if pa.types.is_timestamp(kind):
        raw = to_numpy(array.view(pa.int64()), 0)
        if kind.unit == "ns":
            micros = raw // 1000
        else:
            limit = np.iinfo(np.int64).max // _PER_UNIT[kind.unit]
            micros = raw if kind.unit == "us" else np.clip(raw, -limit, limit) * _PER_UNIT[kind.unit]
        local = kind.tz is None
    elif pa.types.is_date32(kind):
        micros = np.multiply(to_numpy(array.view(pa.int32()), 0), DAY_US, dtype=np.int64)
    elif pa.types.is_date64(kind):
        micros = to_numpy(array.view(pa.int64()), 0) * 1000
    elif is_text(kind):
        coded = array.dictionary_encode()
        codes = to_numpy(coded.indices.cast(pa.int64()), 0).astype(np.intp)
        utc, state = text_to_instants(coded.dictionary, place.rules.date_formats, place.zone)
        if len(utc) == 0:
            return pa.nulls(len(array), INSTANT), wrong
        wrong = (state[codes] == 1) & ~nulls
        nulls = nulls | (state[codes] == 2)
        micros, local = utc[codes], False
        if wrong.any():
            declared = place.rules.date_formats
            place.say(
                "error",
                "not_a_time",
                f"{place.name} must hold dates or times "
                + (
                    f"written as {' or '.join(declared)}"
                    if declared
                    else "written as ISO 8601 (2026-12-31 or 2026-12-31 08:15:00)"
                )
                + ", found other text",
                f"Declare how the source writes dates, `{place.declare % _format_hint(examples(array, wrong))}`",
                count=int(wrong.sum()),
                examples=examples(array, wrong),
            )
    else:
        hint = "Map an SQL expression that gives a date or a time, e.g. `{sql: to_timestamp(seconds)}`"
        return pa.nulls(len(array), INSTANT), _refuse_type(array, place, "dates or times", hint)
    # a stamp outside the years 1 to 9999 cannot be shown by most tools; databases use such values for "infinity"
    outside = _none_bad(array)
    if len(micros) and (micros.min() < FIRST_US or micros.max() > LAST_US):
        outside = ((micros < FIRST_US) | (micros > LAST_US)) & ~nulls & ~wrong
    if outside.any():
        place.say(
            "error",
            "time_out_of_range",
            f"{place.name} must lie in the years 1 to 9999, found other times",
            "Correct the values at the source",
            count=int(outside.sum()),
            examples=examples(array, outside),
        )
        micros = np.where(outside, 0, micros)
    if local:
        micros = local_to_utc(micros.astype(np.int64, copy=False), place.zone)
    bad = wrong | outside
    gone = nulls | bad
    return pa.array(micros.astype(np.int64, copy=False), mask=gone if gone.any() else None).view(INSTANT), bad


def _format_hint(shown: list[Any]) -> str:
    text = str(shown[0]) if shown else ""
    if "." in text:
        return 'date_format: "%d.%m.%Y"'
    return 'date_format: "%d/%m/%Y"' if "/" in text else 'date_format: "%Y%m%d"'


# text


def to_text(array: pa.Array, place: Place, *, is_id: bool = False) -> tuple[pa.Array, Mask]:
    """Text; identifiers composed (NFC) and empty ones null. Returns the column and which rows did not fit."""
    kind = array.type
    bad = _none_bad(array)
    if is_text(kind):
        text = array if pa.types.is_string(kind) else array.cast(pa.string())
    elif pa.types.is_floating(kind):
        text, bad = _float_text(array, place, is_id)
    elif pa.types.is_decimal(kind):
        text, bad = _decimal_text(array, place, is_id)
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_nested(kind):
        bad = _refuse_type(array, place, "text", "Map an SQL expression that gives text")
        return pa.nulls(len(array), pa.string()), bad
    else:
        text = array.cast(pa.string())
    if is_id and len(text):
        text = composed(text)
        empty = pc.equal(text, "")
        if pc.any(empty).as_py():
            text = pc.if_else(empty, pa.scalar(None, pa.string()), text)
    return text, bad


def composed(text: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return the texts in Unicode's composed form (NFC), in which identifiers are compared."""
    text = as_array(text)
    if pc.all(pc.string_is_ascii(text), min_count=0).as_py():
        return text
    # pyarrow 25's utf8_normalize(form="NFC") decomposes, so Python does it, once per distinct text
    coded = text.dictionary_encode()
    words = pa.array([unicodedata.normalize("NFC", word) for word in coded.dictionary.to_pylist()], pa.string())
    return words.take(coded.indices)


def _float_text(array: pa.Array, place: Place, is_id: bool) -> tuple[pa.Array, Mask]:
    values, nulls = to_numpy(array.cast(pa.float64()), 0.0), null_mask(array)
    whole = np.isfinite(values) & (values == np.trunc(values)) & (np.abs(values) <= _WHOLE_DOUBLE_LIMIT)
    if not whole.all():
        bad = ~whole
        if not is_id:
            # a description may hold any number; whole ones still lose their ".0"
            texts = [str(int(v)) if w else repr(v) for v, w in zip(values.tolist(), whole.tolist(), strict=True)]
            return pa.array(texts, pa.string(), mask=nulls), _none_bad(array)
        place.say(
            "error",
            "id_not_lossless",
            f"{place.name} must hold identifiers, found numbers with a fraction or too many digits to be exact",
            "Export identifiers as text",
            count=int(bad.sum()),
            examples=examples(array, bad),
        )
    else:
        bad = _none_bad(array)
    if is_id and (~nulls).any():
        place.say(
            "info",
            "id_from_float",
            f"{place.name} holds identifiers as decimal numbers; 17.0 is read as '17'",
            "Export identifiers as text, so that leading zeros survive",
        )
    whole_numbers = np.where(whole, values, 0.0).astype(np.int64)
    return pa.array(whole_numbers, mask=nulls | bad).cast(pa.string()), bad


def _decimal_text(array: pa.Array, place: Place, is_id: bool) -> tuple[pa.Array, Mask]:
    nulls = null_mask(array)
    numbers = array.to_pylist()
    texts = [None if v is None else str(int(v)) if v == v.to_integral_value() else str(v.normalize()) for v in numbers]
    return pa.array(texts, pa.string()), np.zeros(len(nulls), dtype=bool)


def attribute_type(array: pa.Array, place: Place) -> ColumnType:
    """Return the canonical type of an own column: its source's; of a source of text, what all values are."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "instant"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "float"
    if not (place.untyped and is_text(kind)) or array.null_count == len(array):
        return "text"
    texts = array.dictionary_encode().dictionary
    numbers = [parse_number(text, place.rules) for text in texts.to_pylist()]
    found: ColumnType = "text"
    if not any(isinstance(number, str) for number in numbers) and not any(map(_LEADING_ZERO.match, texts.to_pylist())):
        found = "float"
    elif not (text_to_instants(texts, place.rules.date_formats, place.zone)[1] == 1).any():
        found = "instant"
    if found != "text":
        what = "numbers" if found == "float" else "times"
        place.say(
            "info",
            "attribute_type",
            f"all values of {place.name} are {what}, so the attribute is read as {what}",
            "Map `{sql: ...}` to fix its type, e.g. `{sql: number(COLUMN)}` or `{sql: COLUMN || ''}`",
        )
    return found


_LEADING_ZERO = re.compile(r"\s*0\d")

_CONVERT: Final[dict[ColumnType, Callable[[pa.Array, Place], tuple[pa.Array, Mask]]]] = {
    "instant": to_instant,
    "money": to_money,
    "int": to_int,
    "float": to_float,
    "bool": to_bool,
}


def as_array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One contiguous array without dictionaries."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
        if isinstance(values, pa.ChunkedArray):  # pyarrow keeps chunks where offsets would overflow
            values = pa.concat_arrays(values.cast(pa.large_string()).chunks)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    return values


def to_canonical(
    values: pa.Array | pa.ChunkedArray, column: Column, place: Place, *, is_id: bool = False
) -> tuple[pa.Array, Mask]:
    """Return the column in its canonical type, and which rows did not fit (they are null and were said).

    Texts are coded (see `identifiers`) unless there is none.

    Examples
    --------
    >>> place = Place("order_lines", "net_amount", "Europe/Berlin")
    >>> to_canonical(pa.array([1.25, None, -0.00005]), Column("net_amount", "money"), place)[0].to_pylist()
    [12500, None, -1]
    >>> to_canonical(pa.array([17.0, 18.0]), Column("order_id"), place, is_id=True)[0].to_pylist()
    ['17', '18']
    """
    array = as_array(values)
    if array.null_count == len(array):
        return pa.nulls(len(array), ARROW_TYPES[column.type]), _none_bad(array)
    if column.type == "text":
        if pa.types.is_integer(array.type):
            return coded_numbers(array), _none_bad(array)
        text, bad = to_text(array, place, is_id=is_id)
        return coded(text), bad
    return _CONVERT[column.type](array, place)
