from __future__ import annotations

import datetime as dt
import io
import sys

import numpy as np
import pandas as pd
import pytest

from crm_ml.features import cutoff_us, visible
from crm_ml.models.explain.customer import CustomerRecord, customer_record
from crm_ml.models.explain.pictures_customer import (
    Step,
    score_history_alt,
    score_history_figure,
    timeline_alt,
    timeline_figure,
    waterfall_alt,
    waterfall_figure,
)
from crm_ml.tables import from_frames

DAY = dt.date(2026, 3, 2)


def record_of(**frames: dict) -> CustomerRecord:
    tables = from_frames({name: pd.DataFrame(rows) for name, rows in frames.items()})
    return customer_record(visible(tables, cutoff_us(DAY, tables.zone)), "7", DAY)


def orders(days: list[str], amounts: list[float] | None = None) -> dict:
    count = len(days)
    return {
        "order_id": [f"A{k}" for k in range(count)],
        "customer_id": ["7"] * count,
        "ordered_at": days,
        "net_amount": amounts or [100.0 + k for k in range(count)],
    }


def rich() -> CustomerRecord:
    """Orders, a return, invoices paid late, in time and not at all, complaints, contacts both ways."""
    return record_of(
        order_lines=orders(
            ["2025-06-02", "2025-08-01", "2025-10-01", "2025-10-15"], [12_340.0, 800.5, 2_000.0, -500.0]
        ),
        invoices={
            "invoice_id": ["R1", "R2", "R3"],
            "customer_id": ["7"] * 3,
            "issued_at": ["2025-06-03", "2025-08-02", "2025-10-02"],
            "due_at": ["2025-07-03", "2025-09-01", "2025-11-01"],
            "amount": [12_340.0, 800.5, 2_000.0],
        },
        payments={
            "payment_id": ["Z1", "Z2", "Z3"],
            "invoice_id": ["R1", "R1", "R2"],
            "paid_at": ["2025-07-20", "2025-08-02", "2025-08-20"],
            "amount": [10_000.0, 2_340.0, 800.5],
        },
        interactions={
            "interaction_id": ["X1", "X2", "X3", "X4"],
            "customer_id": ["7"] * 4,
            "occurred_at": ["2025-06-10", "2025-09-10", "2026-02-01", "2026-02-10"],
            "channel": ["email", "phone", "phone", "email"],
            "direction": ["inbound", "outbound", "inbound", "inbound"],
            "topic": ["general", "offer", "complaint", "complaint"],
            "resolved_at": [None, None, "2026-02-08", None],
        },
    )


def drawn(figure) -> bytes:
    """Draw it, with every warning an error."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=60)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
    return buffer.getvalue()


def texts(figure) -> list[str]:
    figure.canvas.draw()  # ticks are made when they are drawn
    said = [text.get_text() for axes in figure.axes for text in axes.texts]
    said += [tick.get_text() for axes in figure.axes for tick in (*axes.get_yticklabels(), *axes.get_xticklabels())]
    said += [text.get_text() for text in figure.texts]
    return said + [text.get_text() for legend in figure.legends for text in legend.get_texts()]


STEPS = [
    Step("Bestellpause", "Letzte Bestellung vor 94 Tagen, sonst alle 31 Tage.", 1.2),
    Step("Offene Rechnungen", "2 überfällige Rechnungen.", 0.4),
    Step("Zufriedenheit", "Letzte Bewertung: 9.", -0.6),
]


def test_waterfall_leads_from_start_to_end():
    figure = waterfall_figure(STEPS, p_start=0.18, p_end=0.335)
    bars = figure.axes[2]
    ends = [(float(p.get_xy()[:, 0][0]), float(p.get_xy()[:, 0][2])) for p in bars.patches]
    assert ends == [pytest.approx((0.0, 1.2)), pytest.approx((1.2, 1.6)), pytest.approx((1.6, 1.0))]
    # the point of each arrow says the direction without the colour
    assert [np.sign(end - begin) for begin, end in ends] == [1, 1, -1]
    assert len({p.get_facecolor() for p in bars.patches}) == 2
    said = texts(figure)
    assert "18\xa0%" in said
    assert "34\xa0%" in said
    assert "← weniger Risiko" in said
    # log-odds are not shown to anybody
    assert not any("1.2" in text or "1,2" in text for text in said)
    drawn(figure)


def test_waterfall_speaks_english():
    said = texts(waterfall_figure(STEPS, p_start=0.18, p_end=0.335, language="en"))
    assert {"18%", "34%", "← less risk", "more risk →", "This customer"} <= set(said)


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [Step("Nichts", "Kein einzelner Grund sticht heraus.", 0.0)],
        [Step("a", "b", 1e-9), Step("a", "b", -1e-9)],
        [Step(f"Grund {k}", "Satz.", (-1) ** k * k) for k in range(9)],
        [Step("$x^2$ $y$", "Kosten $5 und $6 \\frac{1}{2} \n\n zweite Zeile\t", 1.0)],
        [Step("x" * 500, "wort " * 500 + "y" * 500, 1.0)],
    ],
)
def test_waterfall_of_any_steps(steps):
    figure = waterfall_figure(steps, p_start=0.5, p_end=0.5)
    drawn(figure)
    assert all(text.count("\n") <= 1 and len(text) < 140 for text in texts(figure))


def test_waterfall_in_words():
    said = waterfall_alt(STEPS, p_start=0.18, p_end=0.335)
    assert said == (
        "Von 18\xa0% bei einem typischen Kunden zu 34\xa0% bei diesem. Erhöht das Risiko: Bestellpause, "
        "Offene Rechnungen. Senkt das Risiko: Zufriedenheit."
    )


def test_timeline_shows_what_happened():
    figure = timeline_figure(rich(), usual_gap_days=60.5)
    said = texts(figure)
    assert "sonst alle 61 Tage: üblich wäre die nächste Bestellung um den 01.12.2025" in said
    assert {"Rechnungen im Verzug", "Beschwerden", "Kontakte vom Kunden", "Kontakte zum Kunden"} <= set(said)
    assert {"Bestellung", "Retoure oder Gutschrift", "fällig bis bezahlt", "fällig und noch offen"} <= set(said)
    assert any(text.endswith(".000 €") for text in said)
    top, lanes = figure.axes
    # the day is the right edge, and nothing lies beyond it
    assert top.get_xlim()[1] == lanes.get_xlim()[1] == DAY.toordinal()
    bars = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in lanes.patches]
    late = (dt.date(2025, 7, 3).toordinal(), dt.date(2025, 8, 2).toordinal())
    overdue = (dt.date(2025, 11, 1).toordinal(), DAY.toordinal())
    assert bars == [late, overdue]
    drawn(figure)


def test_timeline_in_english_and_words():
    record = rich()
    said = texts(timeline_figure(record, usual_gap_days=400.0, language="en", currency="USD"))
    assert "usually every 400 days" in said
    assert any(text.endswith(",000") and "$" in text for text in said)
    assert "Mar 26" in said or "Jan 26" in said
    assert timeline_alt(record, usual_gap_days=60.5) == (
        "Von 28.05.2025 bis 02.03.2026: Bestellungen: 3, Rechnungen im Verzug: 2, Beschwerden: 2, Kontakte: 4. "
        "Letzte Bestellung am 01.10.2025, sonst alle 61 Tage."
    )
    assert timeline_alt(record, language="en").endswith("contacts: 4. Last order on 1 October 2025.")


def test_timeline_without_orders_in_the_window():
    record = record_of(order_lines=orders(["2022-01-03"]))
    figure = timeline_figure(record, usual_gap_days=None)
    assert "keine Bestellung in diesem Zeitraum" in texts(figure)
    assert len(figure.axes[1].get_yticks()) == 0
    assert figure.axes[0].get_xlim()[0] == DAY.toordinal() - 730
    drawn(figure)


def test_timeline_of_a_single_event():
    figure = timeline_figure(record_of(order_lines=orders(["2026-03-01"])), usual_gap_days=float("nan"))
    assert figure.axes[0].get_xlim() == (DAY.toordinal() - 120, DAY.toordinal())
    drawn(figure)


def test_timeline_of_five_thousand_orders():
    days = pd.date_range("2024-03-05", "2026-03-01", periods=5_000)
    lines = orders([str(day) for day in days], list(np.linspace(1, 5_000, 5_000)))
    drawn(timeline_figure(record_of(order_lines=lines), usual_gap_days=0.3))


def test_timeline_of_a_customer_with_only_returns():
    record = record_of(order_lines=orders(["2026-01-05", "2026-01-06"], [-5.0, 0.0]))
    figure = timeline_figure(record, usual_gap_days=10.0)
    assert "Bestellung" not in texts(figure)
    drawn(figure)


def test_timeline_without_directions_and_with_empty_tables():
    contacts = {"interaction_id": ["X"], "customer_id": ["8"], "occurred_at": ["2026-01-05"], "channel": ["phone"]}
    figure = timeline_figure(record_of(order_lines=orders(["2026-01-05"]), interactions=contacts), language="en")
    said = texts(figure)
    assert said.count("none") == 2
    assert {"Complaints", "Contacts"} <= set(said)
    drawn(figure)


def history(values: list[float | None], published: list[float] = ()) -> pd.DataFrame:
    days = [dt.date(2025, 4, 1) + dt.timedelta(days=30 * k) for k in range(len(values))]
    frame = pd.DataFrame({"as_of": days, "p_churn": values, "published": False})
    more = pd.DataFrame({"as_of": days[-1:] * len(published), "p_churn": published, "published": True})
    return pd.concat([frame, more], ignore_index=True) if len(published) else frame


def test_history_shows_both_lines_apart():
    figure = score_history_figure(history([0.1, None, 0.4, 0.625], [0.6]), thresholds={"hoch": 0.6})
    first, second = (line for line in figure.axes[0].get_lines() if line.get_marker() in "os")
    assert first.get_linestyle() != second.get_linestyle()
    assert first.get_marker() != second.get_marker()
    assert first.get_ydata()[0] == 0.1
    assert np.isnan(first.get_ydata()[1])
    said = texts(figure)
    assert {"heutiges Modell, zurückgerechnet", "damals veröffentlicht", "hoch", "75\xa0%"} <= set(said)
    drawn(figure)
    assert score_history_alt(history([0.1, None, 0.4, 0.625])) == (
        "Das heutige Modell sagt für den 01.04.2025 10\xa0% und für den 30.06.2025 63\xa0%; "
        "in dieser Zeit zwischen 10\xa0% und 63\xa0%."
    )


@pytest.mark.parametrize("values", [[], [None], [0.5], [0.001] * 13])
def test_history_of_few_values(values):
    frame = history(values)
    drawn(score_history_figure(frame, language="en"))
    assert score_history_alt(frame, language="en").endswith(".")
