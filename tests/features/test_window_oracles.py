"""Which event counts at which cutoff, in which window, against plain Python over every row, version and cutoff."""

import random

import pandas as pd
import pyarrow as pa
import pytest

from crm_ml.features import Feature, build_features, cutoff_us
from crm_ml.features.rows import row_codes
from crm_ml.features.timeline import DAY, HOUR, SECOND, date_of

BEGIN = cutoff_us(date_of(20_000), "UTC")
WINDOWS = ((None, 0), (2, 0), (1, 1), (None, 2))
CONDITIONS = ({}, {"is_return": 1}, {"is_return": 0, "product_id": "P"}, {"product_id": "never"})


def features_of(window_days, offset_days, where):
    """Return features that differ in what they make of the same events."""
    kinds = {
        "count": "", "sum": "quantity", "max": "quantity", "min": "quantity", "first": "quantity", "last": "quantity",
        "distinct": "product_id", "days_since_last": "", "days_since_first": "", "hours_since_last": "",
    }  # fmt: skip
    return [
        Feature(
            id=kind, source="order_lines", aggregate=kind, measure=measure, window_days=window_days,
            offset_days=offset_days, where=where,
        )
        for kind, measure in kinds.items()
    ]  # fmt: skip


def lines_of(chance, size):
    """Return order lines around six days, some entered late, some entered again with other values."""
    rows = []
    for number in range(size):
        # on the hour, so that instants meet midnights and one another
        at = BEGIN + chance.randrange(0, 6 * 24, 6) * HOUR + chance.choice((0, 0, -1, 1))
        versions = chance.choice((1, 1, 1, 2, 3))
        plain = chance.randrange(-1, versions)  # this one says nothing of when it was known: when it happened
        for version in range(versions):
            ordered_at = at if chance.random() < 0.8 else at + DAY
            late = chance.choice((0, 6 * HOUR, DAY)) if version == 0 else (version + chance.randrange(2)) * DAY
            rows.append(
                {
                    "order_id": f"O{number}",
                    "line_no": "1",
                    "customer_id": chance.choice("78"),
                    "ordered_at": ordered_at,
                    "known_at": None if version == plain else at + late + (version + 1) * SECOND,
                    "net_amount": chance.choice((-1.0, 2.0)),
                    "quantity": chance.choice((None, 1.0, 2.0, 3.0)),
                    "product_id": chance.choice((None, "P", "Q")),
                }
            )
    return rows


def visible(rows, cutoff):
    """Return the newest version of each line as seen at a cutoff."""
    newest = {}
    for row in rows:
        known = row["ordered_at"] if row["known_at"] is None else row["known_at"]
        if max(known, row["ordered_at"]) < cutoff:
            other = newest.get(row["line"])
            if other is None or known > other[0]:
                newest[row["line"]] = known, row
    return [row for _, row in newest.values()]


def expected(rows, customer, cutoff, window, where):
    """Return the features' values, by their ids."""
    window_days, offset_days = window
    upper = cutoff - offset_days * DAY
    lower = upper - window_days * DAY if window_days else -(10**18)
    kept = [
        row
        for row in visible(rows, cutoff)
        if row["customer_id"] == customer
        and lower <= row["ordered_at"] < upper
        and where.get("is_return", row["net_amount"] < 0) == (row["net_amount"] < 0)
        and where.get("product_id", row["product_id"]) == row["product_id"]
    ]
    valued = [(row["ordered_at"], row["quantity"]) for row in kept if row["quantity"] is not None]
    values = [value for _, value in valued]
    times = [row["ordered_at"] for row in kept]
    found = {
        "count": len(kept),
        "sum": sum(values),
        "distinct": len({row["product_id"] for row in kept if row["product_id"] is not None}),
    }
    if values:
        found |= {"max": max(values), "min": min(values), "first": min(valued)[1], "last": max(valued)[1]}
    if times:
        found["days_since_last"] = cutoff // DAY - max(times) // DAY
        found["days_since_first"] = cutoff // DAY - min(times) // DAY
        found["hours_since_last"] = (cutoff - max(times)) / HOUR
    return found


@pytest.mark.parametrize("seed", range(16))
def test_each_window_holds_what_was_visible_and_nothing_else(tables, seed):
    chance = random.Random(seed)
    rows = lines_of(chance, chance.randrange(1, 14))
    frame = pd.DataFrame(rows)
    for column in ("ordered_at", "known_at"):
        frame[column] = pd.to_datetime(frame[column].astype("Int64"), unit="us", utc=True)
    if seed % 4 == 3:
        # without the column every line is known when it happens, and there are no versions
        frame = frame.drop(columns="known_at").drop_duplicates("order_id")
        rows = [{**rows[i], "known_at": None} for i in frame.index]
    if seed % 4 == 2:
        # without all of the key no line is a version of another
        frame = frame.drop(columns="line_no")
    rows = [{**row, "line": i if seed % 4 == 2 else row["order_id"]} for i, row in enumerate(rows)]
    made = tables(order_lines=frame, zone="UTC")
    cutoffs = [BEGIN + k * DAY // 2 + late for k in range(-1, 17) for late in (0, 1)]
    spine = pd.DataFrame([(c, at) for c in "798" for at in cutoffs], columns=["customer_id", "cutoff"])
    spine = spine.sample(frac=0.6, random_state=seed)
    for window, where in zip(WINDOWS, chance.sample(CONDITIONS, 4), strict=True):
        found = build_features(made, spine, features=features_of(*window, where))
        for row in found.to_dict("records"):
            wanted = expected(rows, row["customer_id"], row["cutoff"], window, where)
            got = {name: row[name] for name in row if name not in ("customer_id", "cutoff") and pd.notna(row[name])}
            assert got == pytest.approx(wanted), (window, where, row["customer_id"], row["cutoff"] - BEGIN)


def test_codes_of_rows_are_equal_where_all_columns_are():
    chance = random.Random(1)
    texts, numbers = ("a", "b", None), (-(2**62), -1, 0, 5, 2**62, None)
    for size in (0, 1, 7, 200):
        rows = [(chance.choice(texts), chance.choice(numbers), chance.choice(numbers)) for _ in range(size)]
        columns = list(zip(*rows, strict=True)) or [(), (), ()]
        types = (pa.string(), pa.int64(), pa.int64())
        frame = pa.table({n: pa.array(c, t) for n, c, t in zip("abc", columns, types, strict=True)})
        found = row_codes(frame, "abc").tolist()
        assert len(set(found)) == len(set(rows)) == len(set(zip(found, rows, strict=True)))


def test_codes_of_rows_keep_apart_what_a_sum_of_numbers_would_not():
    frame = pa.table({"a": [0, 1, 0, 1, 2], "b": [5, -1, 4, 0, 1]})
    assert len(set(row_codes(frame, "ab").tolist())) == 5
