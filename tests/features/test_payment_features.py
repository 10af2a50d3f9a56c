"""Payment behaviour as known then, with values worked out by hand."""

import pytest


@pytest.fixture
def invoices():
    def make(*rows, **columns):
        names = ("invoice_id", "issued_at", "due_at", "amount")
        plain = dict(zip(names, (list(values) for values in zip(*rows, strict=True)), strict=True))
        return {**plain, "customer_id": ["7"] * len(rows), **columns}

    return make


@pytest.fixture
def payments():
    def make(*rows, **columns):
        names = ("payment_id", "invoice_id", "paid_at", "amount")
        return {**dict(zip(names, (list(values) for values in zip(*rows, strict=True)), strict=True)), **columns}

    return make


NO_PAYMENTS = {"payment_id": ["p"], "invoice_id": ["other"], "paid_at": ["2020-01-01"], "amount": [1.0]}


def test_an_invoice_is_open_until_the_visible_payments_cover_it(tables, at, invoices, payments):
    made = tables(
        invoices=invoices(("i1", "2026-01-01", "2026-01-31", 100.0)),
        payments=payments(("p1", "i1", "2026-01-20", 40.0), ("p2", "i1", "2026-02-10", 60.0)),
    )
    names = ("invoices_open_count", "invoices_open_amount", "invoices_overdue_count", "invoices_overdue_amount")
    expected = {
        "2026-01-01": (0, 0, 0, 0),  # issued at the cutoff: not visible
        "2026-01-02": (1, 100, 0, 0),
        "2026-01-21": (1, 60, 0, 0),
        "2026-01-31": (1, 60, 0, 0),  # due at the cutoff: not known to be over
        "2026-02-01": (1, 60, 1, 60),
        "2026-02-10": (1, 60, 1, 60),  # paid at the cutoff: not visible
        "2026-02-11": (0, 0, 0, 0),
    }
    for day, values in expected.items():
        found = at(made, day)
        assert tuple(found[name] for name in names) == values, day
    early = at(made, "2026-02-01")
    assert early["invoices_overdue_days_oldest"] == 1
    assert early["invoices_part_paid_count"] == 1
    assert early["invoices_overdue_share"] == 1.0
    assert early["payments_part_count_365d"] == 1


def test_days_late_is_known_once_both_the_payment_and_the_due_date_have_passed(tables, at, invoices, payments):
    made = tables(
        invoices=invoices(("i1", "2026-01-01", "2026-01-31", 100.0), ("i2", "2026-01-05", "2026-02-20", 50.0)),
        payments=payments(("p1", "i1", "2026-02-10 18:00", 100.0), ("p2", "i2", "2026-02-08", 50.0)),
    )
    before = at(made, "2026-02-20")  # i2 was paid, but its due date is still to come
    assert (before["invoices_days_late_mean_90d"], before["invoices_late_share_90d"]) == (10, 1.0)
    after = at(made, "2026-02-21")
    assert after["invoices_days_late_mean_90d"] == (10 - 12) / 2
    assert after["invoices_days_late_max_90d"] == 10
    assert after["invoices_late_share_90d"] == 0.5
    assert after["invoices_days_late_last"] == 10
    assert after["days_since_last_payment"] == 11


def test_a_payment_entered_late_leaves_the_invoice_open_until_then(tables, at, invoices, payments):
    made = tables(
        invoices=invoices(("i1", "2026-01-01", "2026-01-31", 100.0)),
        payments=payments(("p1", "i1", "2026-01-30", 100.0), known_at=["2026-02-15"]),
    )
    assert at(made, "2026-02-10")["invoices_overdue_count"] == 1
    later = at(made, "2026-02-16")
    assert later["invoices_open_count"] == 0
    assert later["invoices_days_late_mean_90d"] == -1  # paid on time, as is known now


def test_a_settlement_is_when_the_running_sum_reaches_the_amount(tables, at, invoices, payments):
    made = tables(
        invoices=invoices(("i1", "2026-01-01", "2026-01-31", 100.0)),
        payments=payments(
            ("p1", "i1", "2026-02-05", 70.0), ("p2", "i1", "2026-02-07", 70.0), ("p3", "i1", "2026-02-20", 5.0)
        ),
    )
    found = at(made, "2026-03-01")
    assert found["invoices_days_late_max_90d"] == 7
    assert found["invoices_open_amount"] == 0


def test_money_paid_back_opens_the_invoice_again(tables, at, invoices, payments):
    made = tables(
        invoices=invoices(("i1", "2026-01-01", "2026-01-31", 100.0)),
        payments=payments(("p1", "i1", "2026-01-20", 100.0), ("p2", "i1", "2026-02-10", -30.0)),
    )
    assert at(made, "2026-02-10")["invoices_open_count"] == 0
    later = at(made, "2026-02-11")
    assert (later["invoices_open_amount"], later["invoices_overdue_count"]) == (30, 1)
    assert later["invoices_days_late_mean_90d"] is None


def test_credit_notes_are_neither_open_nor_late(tables, at, invoices):
    made = tables(invoices=invoices(("i1", "2026-01-01", "2026-01-31", -100.0)), payments=NO_PAYMENTS)
    found = at(made, "2026-03-01")
    assert (found["invoices_open_count"], found["invoices_overdue_count"]) == (0, 0)
    assert (found["credit_notes_count_365d"], found["invoices_count_365d"]) == (1, 0)
    assert found["invoices_days_late_mean_365d"] is None


def test_payments_of_unknown_invoices_are_ignored(tables, at, invoices):
    made = tables(invoices=invoices(("i1", "2026-01-01", "2026-01-31", 100.0)), payments=NO_PAYMENTS)
    found = at(made, "2026-03-01")
    assert (found["payments_count_365d"], found["days_since_last_payment"]) == (0, None)
    assert found["invoices_open_amount"] == 100


def test_without_payments_mapped_nothing_is_said_about_open_invoices(tables, at, invoices):
    found = at(tables(invoices=invoices(("i1", "2026-01-01", "2026-01-31", 100.0))), "2026-03-01")
    assert found["invoices_open_count"] is None
    assert found["invoices_count_365d"] == 1


def test_disputes_are_known_from_their_own_time(tables, at, invoices):
    made = tables(
        invoices=invoices(("i1", "2026-01-01", "2026-01-31", 100.0), disputed_at=["2026-02-05"]), payments=NO_PAYMENTS
    )
    before, after = at(made, "2026-02-05"), at(made, "2026-02-06")
    names = ("disputes_count_365d", "invoices_disputed_open_count", "invoices_disputed_open_amount")
    assert [before[name] for name in names] == [0, 0, 0]
    assert [after[name] for name in names] == [1, 1, 100]


def test_versions_of_an_invoice(tables, at, invoices, payments):
    # the amount is corrected on 15 February: 80 had been paid, which then covers it
    made = tables(
        invoices=invoices(
            ("i1", "2026-01-01", "2026-01-31", 100.0),
            ("i1", "2026-01-01", "2026-01-31", 80.0),
            known_at=["2026-01-01", "2026-02-15"],
        ),
        payments=payments(("p1", "i1", "2026-02-03", 80.0)),
    )
    before, after = at(made, "2026-02-15"), at(made, "2026-02-16")
    assert (before["invoices_open_amount"], before["payments_part_count_365d"]) == (20, 1)
    assert (after["invoices_open_amount"], after["payments_part_count_365d"]) == (0, 0)
    assert after["invoices_days_late_last"] == 3


def test_trend_of_days_late(tables, at, invoices, payments):
    made = tables(
        invoices=invoices(("i1", "2025-06-01", "2025-06-30", 10.0), ("i2", "2026-01-01", "2026-01-31", 10.0)),
        payments=payments(("p1", "i1", "2025-07-02", 10.0), ("p2", "i2", "2026-02-10", 10.0)),
    )
    found = at(made, "2026-03-01")
    assert found["invoices_days_late_trend_90d"] == 10 - (2 + 10) / 2
