"""Whatever the parts and however many threads: the same features, bit by bit."""

import datetime as dt
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from crm_ml.features import CUSTOMER, build_features, churn_labels, cutoff_us, make_spine, parts, sees_any
from crm_ml.features.columns import Columns
from crm_ml.features.events import Timeline, order_within
from crm_ml.features.parts import WholeTimeline, event_tables
from crm_ml.features.rows import Once, codes
from crm_ml.features.spine import sort_spine, with_cutoffs
from crm_ml.features.streams import streams_of
from crm_ml.tables import from_frames
from crm_ml.tables.synth import make_firm

DAYS = [dt.date(2025, 6, 1), dt.date(2025, 12, 1), dt.date(2026, 3, 1)]


@pytest.fixture(scope="module")
def tables():
    firm = make_firm(customers=250, seed=5)
    names = ("customers", "order_lines", "invoices", "payments", "interactions", "surveys")
    return from_frames({name: firm.frames[name] for name in names})


@pytest.fixture(scope="module")
def spine(tables):
    return make_spine(tables, DAYS, active_days=365).sample(frac=1.0, random_state=3)


def test_small_parts_and_threads_change_no_bit(tables, spine, monkeypatch):
    whole = build_features(tables, spine, threads=1)
    monkeypatch.setattr(parts, "EVENTS_PER_PART", 300)
    for threads in (1, 2, 5):
        pd.testing.assert_frame_equal(build_features(tables, spine, threads=threads), whole, check_exact=True)
    monkeypatch.setattr(parts, "ROWS_PER_PART", 1)
    pd.testing.assert_frame_equal(build_features(tables, spine), whole, check_exact=True)


def test_small_parts_change_neither_who_is_eligible_nor_who_churned(tables, monkeypatch):
    def made() -> tuple[pd.DataFrame, np.ndarray]:
        rows = make_spine(tables, DAYS[::-1], active_days=365)
        until = cutoff_us(dt.date(2026, 5, 1), tables.zone)
        return rows, churn_labels(tables, rows, gap_days=0, horizon_days=60, known_until=until)

    rows, churned = made()
    assert 0 < churned.sum() < len(rows)
    assert rows[["as_of", "customer_id"]].equals(rows[["as_of", "customer_id"]].sort_values(["as_of", "customer_id"]))
    monkeypatch.setattr(parts, "EVENTS_PER_PART", 300)
    again, churned_again = made()
    pd.testing.assert_frame_equal(again, rows)
    assert np.array_equal(churned, churned_again)


def test_parts_hold_every_row_of_their_subjects_once(tables, spine, monkeypatch):
    monkeypatch.setattr(parts, "EVENTS_PER_PART", 300)
    sorted_spine = sort_spine(with_cutoffs(spine, tables.zone))
    whole = WholeTimeline(tables, sorted_spine.ids, streams_of(CUSTOMER), of=CUSTOMER)
    whole.cut(np.diff(sorted_spine.row_from), event_tables(tables, CUSTOMER))
    count = len(whole.bounds) - 1
    assert count > 20
    assert np.array_equal(np.diff(whole.bounds) > 0, np.ones(count, bool))
    plain = Timeline(tables, sorted_spine.ids, streams_of(CUSTOMER))
    for stream in ("order_lines", "orders", "order_gaps", "invoices", "payments", "settlements", "interactions"):
        assert sum(len(whole.part(k).stream(stream)) for k in range(count)) == len(plain.stream(stream)), stream


def test_an_invoice_that_changed_hands_takes_its_payments_along(monkeypatch):
    invoices = pd.DataFrame(
        {
            "invoice_id": ["R1", "R1", "R2"],
            "customer_id": ["A", "Z", "Z"],
            "issued_at": ["2026-01-01"] * 3,
            "due_at": ["2026-01-15"] * 3,
            "amount": [100.0, 100.0, 50.0],
            "known_at": ["2026-01-01", "2026-02-10", "2026-01-01"],
        }
    )
    payments = pd.DataFrame({"payment_id": ["P1"], "invoice_id": ["R1"], "paid_at": ["2026-01-20"], "amount": [100.0]})
    lines = pd.DataFrame(
        {"order_id": ["1", "2"], "customer_id": ["A", "Z"], "ordered_at": ["2026-01-01"] * 2, "net_amount": [1.0, 1.0]}
    )
    made = from_frames({"order_lines": lines, "invoices": invoices, "payments": payments})
    rows = pd.DataFrame({"customer_id": ["A", "Z"] * 2, "as_of": ["2026-02-01"] * 2 + ["2026-03-01"] * 2})
    whole = build_features(made, rows)
    monkeypatch.setattr(parts, "EVENTS_PER_PART", 1)
    cut = build_features(made, rows)
    pd.testing.assert_frame_equal(cut, whole, check_exact=True)
    # in February the payment belongs to A's invoice, in March, after the correction, to Z's
    assert cut["payments_count_365d"].tolist() == [1.0, 0.0, 0.0, 1.0]


def test_order_within_is_the_stable_lexical_order():
    rng = np.random.default_rng(1)
    for size in (0, 1, 7, 100, 500, 5000):
        group, a, b = rng.integers(0, 9, size), rng.integers(0, 5, size), rng.integers(0, 5, size)
        found = order_within(group, a, b)
        expected = np.lexsort((b, a, group))
        assert np.array_equal(np.arange(size) if found is None else found, expected)
        assert order_within(group[expected], a[expected], b[expected]) is None


def test_codes_of_ascending_texts_equal_those_of_hashed_ones():
    import pyarrow as pa

    texts = pa.array(sorted(["b", "a", "c", "a", "b", "ä", ""]))
    code, levels = codes(texts)
    assert [levels[k] for k in code] == texts.to_pylist()
    assert len(levels) == 5
    shuffled = texts.take(pa.array([3, 0, 6, 5, 1, 2, 4]))
    code, levels = codes(shuffled)
    assert [levels[k] for k in code] == shuffled.to_pylist()
    assert levels.code("nobody") == -1


def test_one_part_waits_for_what_another_is_making_and_sees_it():
    made, begun = [], threading.Event()
    once = Once()

    def slowly() -> int:
        begun.set()
        time.sleep(0.05)
        made.append(1)
        return 7

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(once, "x", slowly)
        assert begun.wait(5)
        assert pool.submit(once, "x", slowly).result() == first.result() == 7
    assert made == [1]


def test_what_fails_while_it_is_made_is_asked_for_again():
    once = Once()
    with pytest.raises(ZeroDivisionError, match="by zero"):
        once("x", lambda: 1 // 0)
    assert once("x", lambda: 3) == 3


def test_columns_are_gathered_when_asked_for_and_only_then():
    asked = []

    def column() -> np.ndarray:
        asked.append("b")
        return np.arange(6)

    columns = Columns({"a": np.arange(6) * 10, "b": column})
    few = columns.take(np.array([5, 3, 1])).take(np.array([False, True, True]))
    more = few.but(c=lambda: few["a"] + 1)
    assert (more["c"].tolist(), asked) == ([31, 11], [])
    assert (few["b"].tolist(), more["b"].tolist(), asked) == ([3, 1], [3, 1], ["b"])
    assert set(more) == {"a", "b", "c"}


def test_a_day_is_seen_as_soon_as_one_row_is(tables):
    first = min(tables.frames["order_lines"]["ordered_at"].cast("int64").to_pylist())
    assert not sees_any(tables, "order_lines", first)
    assert sees_any(tables, "order_lines", first + 1)
