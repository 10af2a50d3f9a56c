"""The time rules as properties of small messy firms: what is invisible never matters, what is visible always does."""

from __future__ import annotations

import datetime as dt
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invisible import invisible_changes
from messy_firms import INSTANTS, ZONE, Drawn, Firm, Seeded, frame_of, messy_firms, seeded_firm
from wall_clock import DAY_US, HOUR_US, local_day, midnight, shifted

from crm_ml.features import (
    Feature,
    Outcome,
    OwnGap,
    build_features,
    churn_labels,
    data_hash,
    label_horizons,
    make_spine,
)
from crm_ml.tables import Tables, from_frames

FEW = settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
FEWER = settings(FEW, max_examples=30)
MANY = settings(FEW, max_examples=600)
ACTIVE_DAYS = 365
ORDERS_ONLY = messy_firms().map(lambda firm: firm.only("order_lines"))


def bits(frame: pd.DataFrame) -> dict[str, bytes]:
    """Return each column as bytes, so that equal means equal to the last bit."""
    found = {}
    for name in frame:
        column = frame[name]
        number = pd.api.types.is_numeric_dtype(column)
        found[str(name)] = column.to_numpy().tobytes() if number else repr(column.tolist()).encode()
    return found


def differing(one: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    """Return the columns that are not the same to the last bit."""
    a, b = bits(one), bits(other)
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def eligible(firm: Firm, tables: Tables, cutoff: int) -> list[str]:
    """Return who is on the spine of the day that begins at a cutoff (nobody if no day does)."""
    days = [day for day in firm.days if midnight(day, firm.zone) == cutoff]
    return make_spine(tables, days, active_days=ACTIVE_DAYS)["customer_id"].tolist()


# what is not visible


def nothing_invisible_matters(firm: Firm, changed: Firm, cutoff: int) -> None:
    before, after = firm.tables(), changed.tables()
    spine = firm.spine([cutoff])
    assert differing(build_features(before, spine), build_features(after, spine)) == []
    assert data_hash(before, cutoff) == data_hash(after, cutoff)
    assert eligible(firm, before, cutoff) == eligible(firm, after, cutoff)


@st.composite
def firms_with_invisible_changes(draw: Any) -> tuple[Firm, Firm, int]:
    firm = draw(messy_firms())
    cutoff = draw(st.sampled_from(firm.cutoffs))
    return firm, invisible_changes(firm, cutoff, Drawn(draw)), cutoff


@FEW
@given(firms_with_invisible_changes())
def test_nothing_invisible_changes_a_feature_the_hash_or_the_spine(case: tuple[Firm, Firm, int]) -> None:
    nothing_invisible_matters(*case)


@pytest.mark.stress
@MANY
@given(firms_with_invisible_changes())
def test_nothing_invisible_matters_in_600_firms(case: tuple[Firm, Firm, int]) -> None:
    nothing_invisible_matters(*case)


def seeded_changes(seed: int) -> tuple[Firm, Firm, int]:
    # hypothesis prefers small firms; seeds are as messy as firms get
    firm, dice = seeded_firm(seed), Seeded(random.Random(-seed))
    cutoff = firm.cutoffs[dice.below(len(firm.cutoffs))]
    return firm, invisible_changes(firm, cutoff, dice, changes=30), cutoff


@pytest.mark.parametrize("seed", range(20))
def test_nothing_invisible_matters_in_a_seeded_firm(seed: int) -> None:
    nothing_invisible_matters(*seeded_changes(seed))


@pytest.mark.stress
def test_nothing_invisible_matters_in_500_seeded_firms() -> None:
    for seed in range(20, 520):
        nothing_invisible_matters(*seeded_changes(seed))


@FEW
@given(firms_with_invisible_changes(), st.integers(0, 40), st.integers(1, 90))
def test_nothing_unknown_at_the_end_changes_a_label(case: tuple[Firm, Firm, int], gap: int, horizon: int) -> None:
    firm, changed, known_until = case
    firm, changed = firm.only("order_lines"), changed.only("order_lines")
    spine = firm.spine([shifted(known_until, -gap - horizon, firm.zone)])
    labels = [
        churn_labels(one.tables(), spine, gap_days=gap, horizon_days=horizon, known_until=known_until).tolist()
        for one in (firm, changed)
    ]
    assert labels[0] == labels[1]


OUTCOMES = (
    Outcome(target="contract_cancelled"),
    Outcome(target="partial", partial_below=0.5, trailing_days=180, own_gap=OwnGap(2.0, 10, 60)),
    Outcome(category="Pumps", own_gap=OwnGap(1.5, 10, 60)),
)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_unknown_at_the_end_changes_what_counts_as_churn(seed: int) -> None:
    firm, changed, until = seeded_changes(seed)
    products = pd.DataFrame({"product_id": ["p0", "p1", "p2"], "category": ["Pumps", "Pumps", "Valves"]})
    one, other = (
        from_frames({**each.only("order_lines", "contracts").frames(), "products": products}, zone=each.zone)
        for each in (firm, changed)
    )
    days = [day for day in firm.days if midnight(day, firm.zone) == until]
    for outcome in OUTCOMES:
        table, column = ("contracts", "cancelled_at") if outcome.category is None else ("order_lines", "product_id")
        if outcome.target != "partial" and column not in one.mapped.get(table, ()):
            continue
        spine = firm.spine([shifted(until, -3 - outcome.longest(45), firm.zone)])
        window = {"gap_days": 3, "horizon_days": 45, "known_until": until, "outcome": outcome}
        assert churn_labels(one, spine, **window).tolist() == churn_labels(other, spine, **window).tolist()
        now = firm.spine([until])
        windows = [label_horizons(each, now, horizon_days=45, outcome=outcome).tolist() for each in (one, other)]
        assert windows[0] == windows[1]
        who = [
            make_spine(each, days, active_days=365, outcome=outcome)["customer_id"].tolist() for each in (one, other)
        ]
        assert who[0] == who[1]


# what is visible


def with_line(firm: Firm, **values: Any) -> Firm:
    """Return the firm with one more order, of one line."""
    line = (
        dict.fromkeys(firm.columns["order_lines"]) | {"order_id": "extra", "line_no": "1", "customer_id": "c0"} | values
    )
    return firm.with_rows("order_lines", [*firm.rows["order_lines"], line])


def at(firm: Firm, cutoff: int, customer: str = "c0") -> pd.Series:
    """Return the features of one customer at one cutoff."""
    spine = pd.DataFrame({"customer_id": [customer], "cutoff": [cutoff]})
    return build_features(firm.tables(), spine).iloc[0]


def units(euros: float) -> int:
    return round(euros * 10_000)


@FEWER
@given(messy_firms(), st.integers(1, 400), st.integers(1, 10**9))
def test_a_visible_purchase_raises_exactly_the_windows_it_lies_in(firm: Firm, days_ago: int, amount: int) -> None:
    cutoff = firm.cutoffs[0]
    when = shifted(cutoff, -days_ago, firm.zone)
    more = with_line(firm, ordered_at=when, net_amount=amount)
    old, new = at(firm, cutoff), at(more, cutoff)
    for window in (30, 90, 180, 365):
        inside = days_ago <= window  # the lower bound of a window belongs to it
        assert new[f"orders_count_{window}d"] - old[f"orders_count_{window}d"] == inside
        gained = units(new[f"orders_net_revenue_{window}d"]) - units(old[f"orders_net_revenue_{window}d"])
        assert gained == amount * inside
    assert new["days_since_last_order"] == np.fmin(old["days_since_last_order"], days_ago)
    assert new["days_since_first_order"] == np.fmax(old["days_since_first_order"], days_ago)
    assert data_hash(firm.tables(), cutoff) != data_hash(more.tables(), cutoff)


@FEWER
@given(ORDERS_ONLY, st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_changing_a_visible_amount_moves_revenue_by_exactly_that(firm: Firm, one: int, other: int) -> None:
    cutoff = firm.cutoffs[0]
    before, after = (with_line(firm, ordered_at=cutoff - 1, net_amount=amount) for amount in (one, other))
    for window in (30, 365):
        name = f"orders_net_revenue_{window}d"
        assert units(at(after, cutoff)[name]) - units(at(before, cutoff)[name]) == other - one


@FEWER
@given(ORDERS_ONLY, st.integers(1, 10**9), st.integers(0, 60), st.integers(0, 60))
def test_the_newest_visible_version_counts(firm: Firm, amount: int, first_known: int, then_known: int) -> None:
    cutoff = firm.cutoffs[0]
    names = dict.fromkeys((*firm.columns["order_lines"], "line_no", "known_at"))
    columns = {**firm.columns, "order_lines": tuple(names)}
    firm = Firm(firm.rows, columns, firm.cutoffs, firm.days, firm.zone)
    known = [cutoff - (60 - days) * DAY_US + 5 * HOUR_US for days in (first_known, then_known)]
    versions = with_line(firm, ordered_at=cutoff - 70 * DAY_US, net_amount=amount, known_at=known[0])
    versions = with_line(versions, ordered_at=cutoff - 70 * DAY_US, net_amount=3 * amount, known_at=known[1])
    visible = [(when, times) for when, times in zip(known, (1, 3), strict=True) if when < cutoff]
    name = "orders_net_revenue_90d"
    gained = units(at(versions, cutoff)[name]) - units(at(firm, cutoff)[name])
    if known[0] != known[1]:
        assert gained == (amount * max(visible)[1] if visible else 0)


# what must not matter


@FEWER
@given(messy_firms(), st.randoms(use_true_random=False))
def test_order_of_rows_and_columns_never_matters(firm: Firm, chance: random.Random) -> None:
    spine = firm.spine()
    shuffled = {}
    for table, frame in firm.frames().items():
        rows, columns = list(range(len(frame))), list(frame.columns)
        chance.shuffle(rows)
        chance.shuffle(columns)
        shuffled[table] = frame.iloc[rows][columns].set_index(pd.Index([7] * len(frame)))
    names = list(shuffled)
    chance.shuffle(names)
    own = firm.tables()
    other = from_frames({name: shuffled[name] for name in names}, zone=firm.zone, attributes=own.attributes)
    assert differing(build_features(own, spine), build_features(other, spine)) == []
    assert [data_hash(own, c) for c in firm.cutoffs] == [data_hash(other, c) for c in firm.cutoffs]


@FEWER
@given(messy_firms(), st.randoms(use_true_random=False))
def test_who_and_what_else_runs_along_never_matters(firm: Firm, chance: random.Random) -> None:
    tables, spine = firm.tables(), firm.spine()
    together = build_features(tables, spine)
    order = list(range(len(spine)))
    chance.shuffle(order)
    shuffled = build_features(tables, spine.iloc[order])
    assert differing(together.iloc[order], shuffled) == []
    subject = chance.choice(spine["customer_id"].tolist())
    cutoff = chance.choice(firm.cutoffs)
    single, shared = spine["customer_id"] == subject, spine["cutoff"] == cutoff
    for some in (single, shared, single & shared):
        assert differing(together[some], build_features(tables, spine[some])) == []
    others = pd.DataFrame({"customer_id": [subject] * 90, "cutoff": [cutoff + (k - 45) * DAY_US for k in range(90)]})
    among = build_features(tables, others)
    assert differing(together[single & shared], among[among["cutoff"] == cutoff]) == []


@FEWER
@given(messy_firms(), st.data())
def test_repeating_rows_with_a_key_never_matters(firm: Firm, data: st.DataObject) -> None:
    repeated = firm
    for table, rows in firm.rows.items():
        if rows and (table != "order_lines" or "line_no" in firm.columns[table]):
            again = data.draw(st.lists(st.sampled_from(rows), max_size=5))
            repeated = repeated.with_rows(table, [*rows, *again])
    assert differing(build_features(firm.tables(), firm.spine()), build_features(repeated.tables(), firm.spine())) == []


@pytest.fixture
def machine_zone() -> Iterator[Callable[[str], None]]:
    """Sets the time zone of the machine for this process."""
    before = os.environ.get("TZ")

    def use(zone: str) -> None:
        os.environ["TZ"] = zone
        time.tzset()

    yield use
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def test_the_time_zone_of_the_machine_never_matters(machine_zone: Callable[[str], None]) -> None:
    found = {}
    for zone in ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"):
        machine_zone(zone)
        found[zone] = []
        for seed in range(6):
            firm = seeded_firm(seed)
            local = {
                table: frame.assign(**{name: frame[name].dt.tz_localize(None) for name in frame if name in INSTANTS})
                for table, frame in firm.frames().items()
            }
            tables = from_frames(local, zone=ZONE)  # naive stamps: local times of the firm, not of the machine
            spine = make_spine(tables, firm.days, active_days=ACTIVE_DAYS)
            labels = churn_labels(
                tables, spine, gap_days=3, horizon_days=40, known_until=max(firm.cutoffs) + 90 * DAY_US
            )
            found[zone].append(
                (bits(build_features(tables, spine)), data_hash(tables, firm.cutoffs[0]), labels.tolist())
            )
    assert found["UTC"] == found["Europe/Berlin"] == found["Asia/Kathmandu"] == found["America/St_Johns"]


# windows


def lines_in(window_days: int, offset_days: int = 0) -> Feature:
    id = f"lines_{window_days}_{offset_days}"
    return Feature(id=id, source="order_lines", aggregate="count", window_days=window_days, offset_days=offset_days)


@FEWER
@given(ORDERS_ONLY, st.integers(1, 20), st.integers(2, 40))
def test_windows_tile_without_gap_or_overlap(firm: Firm, width: int, count: int) -> None:
    tables, spine = firm.tables(), firm.spine()
    tiles = [lines_in(width, k * width) for k in range(count)]
    found = build_features(tables, spine, features=[*tiles, lines_in(width * count)])
    assert found[[tile.id for tile in tiles]].sum(axis=1).tolist() == found[f"lines_{width * count}_0"].tolist()


@FEWER
@given(ORDERS_ONLY, st.integers(1, 35))
def test_the_window_of_each_day_begins_where_the_day_before_ended(firm: Firm, width: int) -> None:
    columns = tuple(name for name in firm.columns["order_lines"] if name != "known_at")
    firm = Firm(firm.rows, {**firm.columns, "order_lines": columns}, firm.cutoffs, firm.days, firm.zone)
    day, tables = firm.days[0], firm.tables()
    cutoffs = [midnight(day - dt.timedelta(days=width * k), firm.zone) for k in range(12)]
    tiles = build_features(tables, firm.spine(cutoffs), features=[lines_in(width)])
    whole = build_features(tables, firm.spine(cutoffs[:1]), features=[lines_in(width * 12)])
    sums = tiles.groupby("customer_id")[f"lines_{width}_0"].sum()
    assert sums.loc[whole["customer_id"]].tolist() == whole[f"lines_{width * 12}_0"].tolist()


# labels


@FEWER
@given(ORDERS_ONLY, st.integers(0, 40), st.integers(1, 60), st.integers(1, 60))
def test_label_windows_tile(firm: Firm, gap: int, first: int, then: int) -> None:
    tables, day = firm.tables(), firm.days[0]
    known_until = midnight(day + dt.timedelta(days=400), firm.zone)

    def bought(start: dt.date, gap_days: int, horizon_days: int) -> np.ndarray:
        spine = firm.spine([midnight(start, firm.zone)])
        return ~churn_labels(tables, spine, gap_days=gap_days, horizon_days=horizon_days, known_until=known_until)

    both = bought(day, gap, first) | bought(day, gap + first, then)
    assert bought(day, gap, first + then).tolist() == both.tolist()
    assert bought(day, gap, first).tolist() == bought(day + dt.timedelta(days=gap), 0, first).tolist()


@FEWER
@given(ORDERS_ONLY, st.integers(0, 300))
def test_each_purchase_day_is_the_label_of_exactly_one_day(firm: Firm, days_ago: int) -> None:
    tables, known_until = firm.tables(), max(firm.cutoffs)
    end = local_day(known_until, firm.zone) - dt.timedelta(days=days_ago)
    days = [end - dt.timedelta(days=k) for k in range(1, 41)]
    spine = firm.spine([midnight(day, firm.zone) for day in days])
    bought = ~churn_labels(tables, spine, gap_days=0, horizon_days=1, known_until=known_until)
    purchase_days = build_features(
        tables,
        firm.spine([known_until]),
        features=[
            Feature(
                id="days", source="orders", measure="day", aggregate="distinct", where={"is_purchase": 1},
                window_days=40, offset_days=days_ago,
            )
        ],
    ).set_index("customer_id")["days"]  # fmt: skip
    found = spine.assign(bought=bought).groupby("customer_id")["bought"].sum()
    if known_until == midnight(local_day(known_until, firm.zone), firm.zone):
        assert found.astype(float).to_dict() == purchase_days.to_dict()


@FEWER
@given(ORDERS_ONLY, st.integers(0, 30), st.integers(1, 90))
def test_a_label_depends_on_the_orders_of_its_window_alone(firm: Firm, gap: int, horizon: int) -> None:
    cutoff = firm.cutoffs[0]
    begin, end = (shifted(cutoff, days, firm.zone) for days in (gap, gap + horizon))
    lines = firm.rows["order_lines"]
    touching = {line["order_id"] for line in lines if begin <= line["ordered_at"] < end}
    alone = firm.with_rows("order_lines", [line for line in lines if line["order_id"] in touching])
    spine, until = firm.spine([cutoff]), end + 30 * DAY_US
    labels = [
        churn_labels(one.tables(), spine, gap_days=gap, horizon_days=horizon, known_until=until).tolist()
        for one in (firm, alone)
    ]
    assert labels[0] == labels[1]


@pytest.mark.parametrize(
    ("begin", "gap", "horizon"),
    [("2024-03-01", 0, 31), ("2024-03-30", 1, 1), ("2024-10-01", 7, 20), ("2024-10-26", 0, 2)],
)
def test_a_purchase_at_a_bound_belongs_to_what_begins_there(begin: str, gap: int, horizon: int) -> None:
    day = dt.date.fromisoformat(begin)
    cutoff, first, end = (midnight(day + dt.timedelta(days=days), ZONE) for days in (0, gap, gap + horizon))
    until = end + DAY_US

    def label_and_count(when: int) -> tuple[bool, float]:
        line = {"order_id": "A", "customer_id": "7", "ordered_at": when, "net_amount": 100_000}
        tables = from_frames({"order_lines": frame_of([line], list(line))})
        spine = pd.DataFrame({"customer_id": ["7"], "as_of": [day]})
        churned = churn_labels(tables, spine, gap_days=gap, horizon_days=horizon, known_until=until)[0]
        return not churned, build_features(tables, spine)["orders_count_30d"][0]

    assert label_and_count(cutoff - 1) == (False, 1.0)
    assert label_and_count(cutoff) == (gap == 0, 0.0)
    assert label_and_count(first - 1) == (False, float(gap == 0))
    assert label_and_count(first) == (True, 0.0)
    assert label_and_count(end - 1) == (True, 0.0)
    assert label_and_count(end) == (False, 0.0)


def test_a_label_knows_what_was_known_at_its_end_and_nothing_later() -> None:
    day = dt.date(2024, 5, 1)
    end = midnight(day + dt.timedelta(days=30), ZONE)
    line = {
        "order_id": "A",
        "customer_id": "7",
        "ordered_at": end - 20 * DAY_US,
        "net_amount": 100_000,
        "known_at": end,
    }
    tables = from_frames({"order_lines": frame_of([line], list(line))})
    spine = pd.DataFrame({"customer_id": ["7"], "as_of": [day]})

    def churned(known_until: int) -> bool:
        return bool(churn_labels(tables, spine, gap_days=0, horizon_days=30, known_until=known_until)[0])

    assert churned(end)
    assert not churned(end + 1)
