"""The timeline of one customer: orders, late invoices, complaints and contacts up to a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from crm_ml.models.explain import amounts, shown
from crm_ml.models.explain.customer import CustomerRecord
from crm_ml.models.explain.pictures import COLOURS
from crm_ml.models.explain.pictures_common import GREY, INK, PALE, RAISES, canvas, months, ordinals, plain, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TIMELINE_DAYS: Final = 730
_MANY_ORDERS = 250
_LEAST_DAYS = 120


@dataclass(frozen=True)
class _Lane:
    """A row of the timeline: its name, how many things lie in it, and what draws it at a height."""

    label: str
    count: int
    draw: Callable[[Axes, int], None]


def timeline_figure(
    record: CustomerRecord,
    *,
    usual_gap_days: float | None = None,
    currency: str = "EUR",
    language: str = "de",
    days: int = TIMELINE_DAYS,
) -> Figure:
    """Return what happened with a customer: orders sized by amount, and below them late invoices and contacts.

    The right edge is the day of the record: nothing after it is known. What is not mapped has no row.

    Parameters
    ----------
    record : CustomerRecord
        What is known of the customer.
    usual_gap_days : float, optional
        Usual days between two orders; from the last order on it says when the next one would be usual.
    currency : str
        Of the amounts.
    language : {"de", "en"}
        Of the words.
    days : int
        How far back the picture reaches at most.
    """
    first, last = _span(record, days)
    lanes = _lanes(record, first, language)
    lane_height = 0.34 * len(lanes)
    height = 3.55 + lane_height
    figure = canvas(height)
    left, right = 0.225, 0.975
    base = 0.92 / height
    orders = figure.add_axes((left, base + (lane_height + 0.08) / height, right - left, 1.9 / height))
    rows = figure.add_axes((left, base, right - left, max(lane_height, 0.02) / height))
    title = say("timeline", language, day=shown.date(record.as_of, language))
    figure.text(0.012, 1 - 0.2 / height, title, fontsize=12, weight="bold", color=INK, va="center")
    _draw_orders(orders, record, first, language=language, currency=currency)
    note = _draw_rhythm(orders, record, usual_gap_days, first, language=language)
    if note:
        figure.text(left, 1 - 0.5 / height, note, fontsize=9.5, color=INK, va="center")
    for k, lane in enumerate(lanes):
        rows.axhline(k, color=PALE, linewidth=0.8, zorder=0)
        lane.draw(rows, k)
        if not lane.count:
            rows.text(first + 0.01 * (last - first), k, say("none", language), va="center", fontsize=8.5, color=GREY,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
    rows.set_ylim(max(len(lanes), 1) - 0.5, -0.5)
    rows.set_yticks(range(len(lanes)), [lane.label for lane in lanes], fontsize=9)
    rows.tick_params(axis="y", length=0)
    for axes in (orders, rows):
        axes.set_xlim(first, last)
        axes.spines[["top", "left"]].set_visible(False)
        axes.spines["right"].set(color=INK, linewidth=1.6)
    orders.set_xticks([])
    ticks = months(first, last)
    rows.set_xticks([day.toordinal() for day in ticks], [shown.month(day, language) for day in ticks], fontsize=9)
    _legend(figure, record, first, language, silent=_silent_from(record, usual_gap_days) is not None)
    return figure


def _span(record: CustomerRecord, days: int) -> tuple[int, int]:
    last = record.as_of.toordinal()
    frames = (record.orders, record.contacts)
    known = [day.toordinal() for frame in frames if frame is not None for day in frame["on"]]
    oldest = min(known, default=last) - 5
    return max(1, last - days, min(oldest, last - _LEAST_DAYS)), last


def _inside(frame: pd.DataFrame, column: str, first: int) -> pd.DataFrame:
    return frame[np.array([day is not None and day.toordinal() >= first for day in frame[column]], bool)]


def _draw_orders(axes: Axes, record: CustomerRecord, first: int, *, language: str, currency: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    orders = _inside(record.orders, "on", first)
    axes.axhline(0, color=GREY, linewidth=0.8)
    if not len(orders):
        axes.text(0.5, 0.5, say("no_order", language), transform=axes.transAxes, ha="center", va="center",
                  fontsize=11, color=GREY)  # fmt: skip
        axes.set_yticks([])
        axes.set_ylim(0, 1)
        return
    x, values = ordinals(orders["on"]), orders["amount"].to_numpy(np.float64)
    many, largest = len(orders) > _MANY_ORDERS, float(np.abs(values).max()) or 1.0
    for bought, colour, marker in ((values > 0, COLOURS[0], "o"), (values <= 0, COLOURS[3], "v")):
        if bought.any():
            axes.vlines(x[bought], 0, values[bought], color=colour, linewidth=0.6 if many else 1.6,
                        alpha=0.55 if many else 1.0, zorder=2)  # fmt: skip
            size = np.full(bought.sum(), 4.0) if many else 14 + 40 * np.abs(values[bought]) / largest
            axes.scatter(x[bought], values[bought], s=size, color=colour, marker=marker, zorder=3, linewidth=0)
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    axes.set_ylim(1.15 * low, 1.15 * high if high > low else 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: plain(amounts.money(y, currency, language))))
    axes.tick_params(axis="y", labelsize=9, length=0)
    axes.grid(axis="y", color=PALE, linewidth=0.6, zorder=0)
    axes.set_ylabel(say("amount", language), fontsize=9, color=INK)


def _draw_rhythm(axes: Axes, record: CustomerRecord, gap: float | None, first: int, *, language: str) -> str:
    """Mark the silence beyond the usual gap and return the sentence that says it."""
    if gap is None or not _is_gap(gap) or not (record.orders["amount"] > 0).any():
        return ""
    words = {"every": amounts.every(max(1, int(gap + 0.5)), language)}
    expected, last = _silent_from(record, gap), record.as_of.toordinal()
    if expected is None:
        return say("usual", language, **words)
    axes.axvspan(max(expected, first), last, color=RAISES, alpha=0.13, zorder=0, linewidth=0)
    if expected > first:
        axes.axvline(expected, color=RAISES, linestyle=(0, (4, 2)), linewidth=1.3, zorder=1)
    return say("expected", language, day=shown.date(dt.date.fromordinal(expected), language), **words)


def _is_gap(gap: float | None) -> bool:
    return gap is not None and bool(np.isfinite(gap)) and gap > 0


def _silent_from(record: CustomerRecord, gap: float | None) -> int | None:
    """Return the day on which the next order would have been usual, or None if that is not over."""
    bought = record.orders[record.orders["amount"] > 0]
    if gap is None or not _is_gap(gap) or not len(bought):
        return None
    expected = int(bought["on"].iloc[-1].toordinal()) + max(1, int(min(gap, 1e5) + 0.5))
    return expected if expected < record.as_of.toordinal() else None


def _late_invoices(record: CustomerRecord, first: int) -> pd.DataFrame:
    """Return the invoices that were paid late or are overdue, as far as that reaches into the picture."""
    invoices = record.invoices
    if invoices is None:
        return pd.DataFrame({"due_on": [], "paid_on": [], "open_amount": []})
    late = invoices[(invoices["days_late"] > 0) & (invoices["amount"] > 0)]
    ends = [(paid or record.as_of).toordinal() for paid in late["paid_on"]]
    return late[np.array(ends, np.int64) >= first]


def _complaints(record: CustomerRecord, first: int) -> pd.DataFrame:
    contacts = record.contacts
    if contacts is None:
        return pd.DataFrame({"on": [], "resolved_on": []})
    complaints = contacts[contacts["topic"] == "complaint"]
    ends = [(resolved or record.as_of).toordinal() for resolved in complaints["resolved_on"]]
    return complaints[np.array(ends, np.int64) >= first]


def _lanes(record: CustomerRecord, first: int, language: str) -> list[_Lane]:
    lanes: list[_Lane] = []
    last = record.as_of.toordinal()
    if record.invoices is not None and record.payments is not None:
        late = _late_invoices(record, first)

        def draw_late(axes: Axes, row: int) -> None:
            for due, paid in zip(late["due_on"], late["paid_on"], strict=True):
                begin = max(due.toordinal(), first)
                width = max((last if paid is None else paid.toordinal()) - begin, 0.004 * (last - first))
                style: dict[str, Any] = (
                    {"hatch": "////", "facecolor": "white"} if paid is None else {"facecolor": COLOURS[5]}
                )
                axes.barh(row, width, left=begin, height=0.5, edgecolor=COLOURS[5] if paid else RAISES, linewidth=1,
                          zorder=2, **style)  # fmt: skip

        lanes.append(_Lane(say("lane_late", language), len(late), draw_late))
    if record.contacts is None:
        return lanes
    complaints = _complaints(record, first)

    def draw_complaints(axes: Axes, row: int) -> None:
        for on, resolved in zip(complaints["on"], complaints["resolved_on"], strict=True):
            end = last if resolved is None else resolved.toordinal()
            style = (0, (2, 1.5)) if resolved is None else "-"
            axes.plot([max(on.toordinal(), first), end], [row, row], color=RAISES, linewidth=2, linestyle=style)
            axes.plot([on.toordinal()], [row], marker="X", color=RAISES, markersize=8, markeredgecolor="white",
                      clip_on=on.toordinal() < first)  # fmt: skip

    lanes.append(_Lane(say("lane_complaints", language), len(complaints), draw_complaints))
    others = _inside(record.contacts[record.contacts["topic"] != "complaint"], "on", first)
    directed = others["direction"].notna().any()
    for direction, key in (
        (("inbound", "lane_inbound"), ("outbound", "lane_outbound")) if directed else ((None, "lane_contacts"),)
    ):
        own = others if direction is None else others[others["direction"] == direction]
        lanes.append(_contact_lane(say(key, language), own))
    return lanes


def _contact_lane(label: str, contacts: pd.DataFrame) -> _Lane:
    def draw(axes: Axes, row: int) -> None:
        x = ordinals(contacts["on"])
        axes.scatter(x, np.full(len(x), row), s=26, color=COLOURS[2], alpha=0.75, linewidth=0, zorder=2)

    return _Lane(label, len(contacts), draw)


def _legend(figure: Figure, record: CustomerRecord, first: int, language: str, *, silent: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    orders, late = _inside(record.orders, "on", first), _late_invoices(record, first)
    dot: dict[str, Any] = {"linestyle": "none", "markersize": 6}
    handles: list[Any] = []
    if (orders["amount"] > 0).any():
        handles.append(Line2D([], [], color=COLOURS[0], marker="o", label=say("order", language), **dot))
    if (orders["amount"] <= 0).any():
        handles.append(Line2D([], [], color=COLOURS[3], marker="v", label=say("return", language), **dot))
    if late["paid_on"].notna().any():
        handles.append(Patch(facecolor=COLOURS[5], edgecolor=COLOURS[5], label=say("paid_late", language)))
    if late["paid_on"].isna().any():
        handles.append(Patch(facecolor="white", edgecolor=RAISES, hatch="////", label=say("overdue", language)))
    if len(_complaints(record, first)):
        handles.append(Line2D([], [], color=RAISES, marker="X", linewidth=2, label=say("complaint", language)))
    if silent:
        handles.append(Patch(facecolor=RAISES, alpha=0.13, label=say("silent", language)))
    if handles:
        figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.005, 0.0), ncols=min(3, len(handles)),
                      frameon=False, fontsize=8.8, handlelength=1.6, columnspacing=1.3)  # fmt: skip


def timeline_alt(
    record: CustomerRecord, *, usual_gap_days: float | None = None, language: str = "de", days: int = TIMELINE_DAYS
) -> str:
    """Return the timeline in words: what it counts, and when the last order was."""
    first, _ = _span(record, days)
    begin, end = shown.date(dt.date.fromordinal(first), language), shown.date(record.as_of, language)
    bought = record.orders[record.orders["amount"] > 0]
    counts = [
        (len(_inside(bought, "on", first)), ("Bestellungen", "orders")),
        (len(_late_invoices(record, first)), ("Rechnungen im Verzug", "invoices paid late or overdue")),
        (len(_complaints(record, first)), ("Beschwerden", "complaints")),
        (0 if record.contacts is None else len(_inside(record.contacts, "on", first)), ("Kontakte", "contacts")),
    ]
    k = 0 if language == "de" else 1
    listed = ", ".join(f"{names[k]}: {amounts.grouped(count, language)}" for count, names in counts)
    period = f"Von {begin} bis {end}: {listed}." if k == 0 else f"From {begin} to {end}: {listed}."
    if not len(bought):
        return period
    last = shown.date(bought["on"].iloc[-1], language)
    period += f" Letzte Bestellung am {last}" if k == 0 else f" Last order on {last}"
    if usual_gap_days is not None and _is_gap(usual_gap_days):
        every = amounts.every(max(1, int(usual_gap_days + 0.5)), language)
        period += ", " + say("usual", language, every=every)
    return period + "."
