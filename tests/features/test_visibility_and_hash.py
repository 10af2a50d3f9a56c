"""What was known at a cutoff, and the hash of exactly that."""

import datetime as dt
from dataclasses import replace

import pandas as pd
import pytest

from crm_ml.features import cutoff_us, data_hash, fingerprint, sees_any, visible
from crm_ml.features.timeline import FOREVER, NULL
from crm_ml.features.visibility import known_times

BERLIN = "Europe/Berlin"
CUTOFF = cutoff_us(dt.date(2026, 3, 1), BERLIN)
LATER = cutoff_us(dt.date(2027, 3, 1), BERLIN)


def rows(made, table, *columns, cutoff=CUTOFF):
    return [tuple(row.values()) for row in visible(made, cutoff).frames[table].select(list(columns)).to_pylist()]


def test_rows_are_visible_before_the_cutoff_only(tables, lines):
    made = tables(
        order_lines=lines(
            ("A", "2026-02-28 23:59:59", 1.0), ("B", "2026-03-01", 2.0), ("C", "2026-01-01", 3.0),
            line_no=["1"] * 3, known_at=[None, None, "2026-03-01"],
        )
    )  # fmt: skip
    assert rows(made, "order_lines", "order_id") == [("A",)]
    assert rows(made, "order_lines", "order_id", cutoff=LATER) == [("A",), ("B",), ("C",)]


def test_the_newest_visible_version_is_left(tables, lines):
    made = tables(
        order_lines=lines(
            ("A", "2026-01-01", 1.0), ("A", "2026-02-01", 2.0), ("A", "2026-01-01", 3.0),
            line_no=["1"] * 3, known_at=["2026-01-01", "2026-01-15", "2026-03-01"],
        )
    )  # fmt: skip
    assert rows(made, "order_lines", "net_amount") == [(20_000,)]
    # on 20 January the second version is entered but its event has not happened: the first still counts
    early = cutoff_us(dt.date(2026, 1, 20), BERLIN)
    assert rows(made, "order_lines", "net_amount", cutoff=early) == [(10_000,)]


def test_a_row_is_seen_after_it_happened_until_a_newer_version_is(tables, lines):
    rows = lines(
        ("A", "2026-01-01", 1.0), ("A", "2026-02-01", 2.0), line_no=["1"] * 2, known_at=["2026-01-01", "2026-01-15"]
    )  # fmt: skip
    made = tables(order_lines=rows)
    first = cutoff_us(dt.date(2026, 1, 1), BERLIN)
    assert [sees_any(made, "order_lines", at) for at in (first - 1, first, first + 1)] == [False, False, True]
    moved = tables(order_lines={**rows, "ordered_at": ["2026-01-01", "2026-01-01"]})
    assert sees_any(moved, "order_lines", cutoff_us(dt.date(2026, 1, 15), BERLIN))
    # a version that ends when it begins is never seen
    gone = tables(order_lines={**rows, "known_at": ["2026-02-01", "2026-02-02"], "ordered_at": ["2026-02-10"] * 2})
    tenth = cutoff_us(dt.date(2026, 2, 10), BERLIN)
    assert [sees_any(gone, "order_lines", at) for at in (tenth, tenth + 1)] == [False, True]


def test_without_entry_times_a_row_is_seen_once_it_has_happened(tables, lines):
    made = tables(order_lines=lines(("B", "2026-02-01", 2.0), ("A", "2026-01-01", 1.0), ("C", "2026-03-01", 3.0)))
    first = cutoff_us(dt.date(2026, 1, 1), BERLIN)
    assert [sees_any(made, "order_lines", at) for at in (first - 1, first, first + 1)] == [False, False, True]
    entered_late = lines(("A", "2026-01-01", 1.0), known_at=["2026-02-01"])
    late = tables(order_lines=entered_late)
    assert [sees_any(late, "order_lines", at) for at in (first + 1, CUTOFF)] == [False, True]
    none = replace(made, frames={"order_lines": made.frames["order_lines"].slice(0, 0)})
    assert not sees_any(none, "order_lines", LATER)


def test_values_that_arrive_later_are_hidden(tables):
    made = tables(
        customers={
            "customer_id": ["1", "2", "3"],
            "status": ["blocked", "blocked", "blocked"],
            "status_from": ["2026-02-28", "2026-03-01", None],
        },
        invoices={
            "invoice_id": ["i"],
            "customer_id": ["1"],
            "issued_at": ["2026-02-01"],
            "due_at": ["2026-03-15"],
            "amount": [1],
            "disputed_at": ["2026-03-02"],
        },
        action_log={
            "action_id": ["a", "b"],
            "subject_type": ["customer"] * 2,
            "subject_id": ["1"] * 2,
            "decided_at": ["2026-02-01"] * 2,
            "action": ["call"] * 2,
            "arm": ["treatment"] * 2,
            "status": ["done", "done"],
            "completed_at": ["2026-02-10", "2026-03-10"],
        },
    )
    assert rows(made, "customers", "status") == [("blocked",), ("active",), ("blocked",)]
    assert rows(made, "invoices", "due_at", "disputed_at") == [(None, None)]
    assert rows(made, "action_log", "status") == [("done",), (None,)]


def test_when_a_value_became_known(tables):
    first, second, third = (pd.Timestamp(day, tz="UTC") for day in ("2026-02-01", "2026-02-02", "2026-02-03"))
    customers = {
        "customer_id": ["1", "2", "3"],
        "customer_since": [first, second, None],
        "status": ["blocked"] * 3,
        "status_from": [third, None, first],
        "size": ["S", "M", "L"],
        "rating": [1.0, 2.0, 3.0],
        "visited": [second, None, third],
        "audited": [third, first, first],
    }
    own = {"customers": {"size": "customer_since", "rating": "", "visited": "", "audited": "customer_since"}}
    made = tables(attributes=own, customers=customers)

    def known(column, of=made):
        names = {first.value // 1000: 1, second.value // 1000: 2, third.value // 1000: 3, NULL: "row", FOREVER: "never"}
        return [names[at] for at in known_times(of, "customers", column).tolist()]

    assert known("size") == [1, 2, "never"]
    assert known("rating") == known("customer_id") == ["row"] * 3
    assert known("customer_since") == [1, 2, "never"]
    # a time is known from itself on, or from when the mapping says if that is later
    assert known("visited") == [2, "row", 3]
    assert known("audited") == [3, 2, "never"]
    assert known("status") == [3, "row", 1]
    other = replace(made, known_from={"customers": {"size": "visited", "status": "customer_since"}})
    assert known("size", other) == [2, "never", 3]
    assert known("status", other) == [1, 2, "row"]
    calls = tables(
        interactions={"interaction_id": ["1"], "customer_id": ["1"], "occurred_at": [first], "channel": ["phone"]}
    )
    assert known_times(calls, "interactions", "occurred_at").tolist() == [NULL]  # the time of the row hides the row


def test_a_state_that_nobody_ever_set_is_the_earlier_one_until_its_time(tables):
    customers = {"customer_id": ["1", "2"], "status": [None, None], "status_from": ["2026-02-28", "2026-03-01"]}
    assert rows(tables(customers=customers), "customers", "status") == [(None,), ("active",)]


def test_a_deal_is_worth_what_its_newest_stage_says(tables):
    deals = {"deal_id": ["a", "b"], "created_at": ["2026-01-01"] * 2, "status": ["open"] * 2, "amount": [900, 800]}
    stages = {
        # the names of the stages fall while time goes on; two of b are entered at once, and known one after the other
        "deal_id": ["a", "a", "b", "b", "b"],
        "stage": ["talks", "offer", "won", "talks", "offer"],
        "entered_at": ["2026-01-10", "2026-02-10", "2026-01-10", "2026-02-10", "2026-02-10"],
        "known_at": ["2026-01-10", "2026-02-10", "2026-01-10", "2026-02-11", "2026-02-12"],
        "amount": [500, 700, 100, 300, 200],
    }
    made = tables(deals=deals, deal_stages=stages)
    assert rows(made, "deals", "deal_id", "amount") == [("a", 7_000_000), ("b", 2_000_000)]
    before = cutoff_us(dt.date(2026, 1, 5), BERLIN)
    assert rows(made, "deals", "deal_id", "amount", cutoff=before) == rows(
        tables(deals=deals), "deals", "deal_id", "amount"
    )


def test_the_customer_of_a_lead_shows_from_when_the_mapping_says(tables):
    leads = {"lead_id": ["1", "2"], "created_at": ["2026-01-10", "2027-01-10"], "customer_id": ["c", "d"]}
    made = tables(leads=leads)
    assert rows(made, "leads", "customer_id") == [(None,)]
    assert rows(replace(made, known_from={"leads": {"customer_id": "created_at"}}), "leads", "customer_id") == [("c",)]


def test_leads_and_deals_as_they_were(tables):
    made = tables(
        leads={"lead_id": ["1", "2"], "created_at": ["2026-01-01"] * 2, "customer_id": ["c1", "c2"]},
        lead_stages={"lead_id": ["1", "2"], "stage": ["won", "won"], "entered_at": ["2026-02-01", "2026-03-01"]},
        deals={
            "deal_id": ["d"],
            "created_at": ["2026-01-01"],
            "status": ["won"],
            "closed_at": ["2026-04-01"],
            "amount": [900],
        },
        deal_stages={
            "deal_id": ["d", "d", "d"],
            "stage": ["offer", "talks", "won"],
            "entered_at": ["2026-01-10", "2026-02-10", "2026-04-01"],
            "amount": [500, 700, 900],
        },
    )
    assert rows(made, "leads", "customer_id") == [("c1",), (None,)]
    assert rows(made, "deals", "status", "closed_at", "amount") == [("open", None, 7_000_000)]
    assert rows(made, "deals", "status", "amount", cutoff=LATER) == [("won", 9_000_000)]


@pytest.fixture
def firm(lines):
    ids = ["A", "A", "B", "C"]
    return pd.DataFrame(
        {
            "order_id": ids,
            "customer_id": ["1", "1", "2", "1"],
            "ordered_at": ["2026-01-01", "2026-01-01", "2026-02-01", "2026-04-01"],
            "net_amount": [1.0, 1.0, 2.0, 3.0],
            "delivery_at": ["2026-02-10", "2026-04-10", None, None],
        }
    )


def test_the_hash_ignores_order_and_whatever_is_not_visible(tables, firm):
    expected = data_hash(tables(order_lines=firm), CUTOFF)
    assert data_hash(tables(order_lines=firm[::-1]), CUTOFF) == expected
    assert data_hash(tables(order_lines=firm[firm.columns[::-1]]), CUTOFF) == expected
    assert data_hash(tables(order_lines=firm[:3]), CUTOFF) == expected
    later = firm.assign(delivery_at=["2026-02-10", "2026-05-10", "2026-06-01", "2026-07-01"])
    assert data_hash(tables(order_lines=later), CUTOFF) == expected
    assert data_hash(tables(order_lines=firm), LATER) != expected


def test_the_hash_sees_every_visible_value(tables, firm):
    expected = data_hash(tables(order_lines=firm), CUTOFF)
    for changed in (
        firm.assign(net_amount=[1.0, 1.0001, 2.0, 3.0]),
        firm.assign(customer_id=["1", "1", "3", "1"]),
        firm.assign(delivery_at=["2026-02-11", "2026-04-10", None, None]),
        firm.assign(product_id=[None] * 4),
        firm[1:],
        pd.concat([firm, firm[:1]]),
    ):
        assert data_hash(tables(order_lines=changed), CUTOFF) != expected
    assert data_hash(tables(zone="UTC", order_lines=firm), CUTOFF) != expected
    with_more = tables(order_lines=firm, customers={"customer_id": ["1"]})
    assert data_hash(with_more, CUTOFF) != expected


def test_the_hash_does_not_depend_on_how_many_rows_are_hashed_together(tables, firm, monkeypatch) -> None:
    made = tables(order_lines=firm)
    expected = data_hash(made, LATER)
    monkeypatch.setattr(fingerprint, "ROWS_AT_ONCE", 1)
    assert data_hash(made, LATER) == expected


@pytest.mark.parametrize("pair", [("a", "b"), ("", None), ("ab", "ba"), ("a", "a\0"), ("ä", "a\u0308x")])
def test_texts_that_differ_change_the_hash(tables, firm, pair) -> None:
    one, other = (tables(order_lines=firm.assign(product_id=[text, "p", "p", "p"])) for text in pair)
    frames = [made.frames["order_lines"]["product_id"].to_pylist() for made in (one, other)]
    assert (data_hash(one, LATER) == data_hash(other, LATER)) == (frames[0] == frames[1])


def test_a_value_that_moves_to_another_row_changes_the_hash(tables, firm) -> None:
    swapped = firm.assign(net_amount=firm["net_amount"].to_numpy()[::-1])
    assert swapped["net_amount"].tolist() != firm["net_amount"].tolist()
    assert data_hash(tables(order_lines=swapped), LATER) != data_hash(tables(order_lines=firm), LATER)


def test_texts_that_are_held_as_codes_have_the_same_hash(tables, firm) -> None:
    made = tables(order_lines=firm)
    frame = made.frames["order_lines"]
    place = frame.column_names.index("customer_id")
    coded = frame.set_column(place, "customer_id", frame["customer_id"].dictionary_encode())
    other = replace(made, frames={**made.frames, "order_lines": coded})
    assert data_hash(other, CUTOFF) == data_hash(made, CUTOFF)
