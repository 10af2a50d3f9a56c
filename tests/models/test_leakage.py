from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from leaky_firm import (
    LEAKS,
    SOUND,
    UNTIL,
    Plants,
    dataset,
    firm,
    leaky_columns,
    leaky_descriptive,
    merged,
    sound_columns,
)

from crm_ml.features import LEAD, build_features, cutoff_us, lead_labels, lead_training_rows
from crm_ml.models import make_dataset, train_churn
from crm_ml.models.evaluation import auc, find_leaks
from crm_ml.models.evaluation.fates import carriers, fates
from crm_ml.models.evaluation.probes import auc_gain, dealt
from crm_ml.models.evaluation.traits import coded, trait
from crm_ml.models.terms import LEAD_TERMS
from crm_ml.tables import from_frames

AT = dt.date(2026, 3, 1)


@pytest.fixture(scope="module")
def leaky_report():
    # a tenth are merged doubles, and no more than half of them leave: with 700 customers that is too few in some firms
    plants = Plants(firm(1000, seed=3), seed=3)
    return find_leaks(dataset(merged(plants, leaky_columns(plants)), (*SOUND, *LEAKS)))


@pytest.mark.parametrize(("column", "kind"), LEAKS.items())
def test_a_planted_leak_of_each_kind_is_named_and_held_back(leaky_report, column, kind):
    id = f"attribute_{column}"
    assert id in leaky_report.held_back
    told = next(f for f in leaky_report.findings if f.column == id)
    assert (told.severity, told.code) == ("warning", "leak_suspected")
    assert told.message.startswith(f"{id} looks as if it was set after the outcome and was held back: ")
    assert "churn.leak_allow" in told.remedy
    words = {
        1: "with one of the risky values, which stands in their rows from the first snapshot on",
        2: "set after the outcome",
        3: "customers with any value",
        4: "towards the newest snapshots",
        5: "times as often per year",
        6: "among those still buying their share falls",
    }
    assert words[kind] in told.message
    if column in ("ended_on", "changed_at"):
        assert "its time lies after their first snapshot" in told.message
        assert "of the rows that churned and 0" in told.message  # filled share by outcome
    assert "without any suspected feature" in told.message  # what the AUC is without it


def test_sound_columns_beside_leaks_are_not_named(leaky_report):
    assert set(leaky_report.held_back) == {f"attribute_{column}" for column in LEAKS}
    table = leaky_report.table.set_index("feature")
    assert table.loc["attribute_group", "evidence"] == ""
    assert table.loc["attribute_status_text", "leaving_ratio_low"] > 3.5
    assert table.loc["attribute_status_text", "share_after"] < table.loc["attribute_status_text", "share_before"]
    assert (table.loc["attribute_changed_at", "behaviour"], table.loc["attribute_owner", "behaviour"]) == (
        "stamp",
        "fixed",
    )


def test_leaks_in_descriptive_columns_are_named():
    plants = Plants(firm(700, seed=4), seed=4)
    frames = {**plants.made.frames, "customers": leaky_descriptive(plants)}
    report = find_leaks(dataset(frames))
    assert set(report.held_back) == {"industry", "country", "region", "employees", "days_since_customer_since"}
    told = {f.column: f.message for f in report.findings}
    assert "customers without a value" in told["country"]


def clean(seed: int, customers: int, years: int, *, only: tuple[str, ...] | None = None):
    plants = Plants(firm(customers, seed, years), seed)
    frames = {**plants.made.frames, "customers": sound_columns(plants)}
    return dataset(frames, SOUND) if only is None else dataset(frames, SOUND, only=only)


@pytest.mark.parametrize("seed", [11, 12])
def test_a_clean_firm_has_nothing_named(seed):
    assert find_leaks(clean(seed, 600, 2)).findings == ()


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(21, 31))
def test_ten_clean_firms_with_all_features_have_nothing_named(seed):
    data = clean(seed, (600, 800, 1000)[seed % 3], (2, 3, 4)[seed % 3], only=())
    assert len(data.features) > 130
    assert find_leaks(data).findings == ()


# a small world worked out by hand and by formula ----------------------------------------------------------------------


def panel(customers: int, snapshots: int, gone: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """Every customer at every monthly snapshot until a year after it left; it churns from the snapshot `gone` on."""
    days = np.arange("2023-01-01", "2030-01-01", 30, dtype="datetime64[D]")[:snapshots]
    who, step = np.tile(np.arange(customers), snapshots), np.repeat(np.arange(snapshots), customers)
    there = step < gone[who] + 12
    frame = pd.DataFrame({"customer_id": [f"{i:04d}" for i in who], "as_of": days[step]})[there]
    return frame.reset_index(drop=True), (step >= gone[who])[there]


def leavers(seed: int = 1, customers: int = 400, snapshots: int = 20) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    gone = np.random.default_rng(seed).integers(1, 80, customers)
    frame, y = panel(customers, snapshots, gone)
    return frame, y, gone[frame["customer_id"].astype(int)]


def made(frame: pd.DataFrame, y: np.ndarray):
    return make_dataset(frame, y, gap_days=0, horizon_days=90)


def test_fates_worked_out_by_hand():
    days = np.repeat(np.arange("2025-01-01", "2025-08-01", 30, dtype="datetime64[D]"), 4)  # eight snapshots
    told = np.array(
        [
            [0, 0, 0, 1, 1, 1, 1, 1],  # silent from the fourth on, 120 days of it seen: left after 90 days
            [0, 1, 0, 0, 0, 0, 1, 1],  # paused, came back, silent for 30 days only: not left; seen until day 120
            [0, 0, 0, 0, 0, 0, 0, 0],
            [1, 1, 1, 1, 1, 1, 1, 1],  # was silent from the first row on
        ],
        dtype=bool,
    )
    found = fates(np.tile(np.arange(4), 8), days, told.T.ravel(), label_days=90)
    assert found.left.tolist() == [True, False, False, True]
    assert found.exposure.tolist() == [90.0, 120.0, 120.0, 0.0]
    assert found.first.tolist() == [0, 1, 2, 3]


def test_who_is_no_longer_eligible_has_left():
    who = np.array([0, 1, 0, 1, 1, 1, 1, 1, 1])
    days = np.array([0, 0, 30, 30, 60, 90, 120, 150, 180]) + np.datetime64("2025-01-01", "D")
    y = np.array([0, 0, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
    found = fates(who, days, y, label_days=90)
    assert (found.left.tolist(), found.exposure.tolist()) == ([True, False], [30.0, 90.0])


def test_fates_agree_with_a_slow_loop():
    rng = np.random.default_rng(5)
    days = np.arange("2024-01-01", "2025-01-01", 30, dtype="datetime64[D]")
    rows = [(d, c, rng.random() < 0.5) for d in days for c in range(40) if rng.random() < 0.7]
    who = pd.factorize(np.array([c for _, c, _ in rows]), sort=True)[0]
    day, y = np.array([d for d, _, _ in rows]), np.array([bool(v) for _, _, v in rows])
    found = fates(who, day, y, label_days=60)
    newest = day.max()
    for c in range(who.max() + 1):
        mine = [(d, v) for d, v, w in zip(day, y, who, strict=True) if w == c]
        trailing = []
        for d, v in reversed(mine):
            if not v:
                break
            trailing.append(d)
        last, label = mine[-1][0], np.timedelta64(60, "D")
        left = bool(trailing) and (last - trailing[-1] >= label or last < newest - label)
        stop = min(trailing[-1] if trailing else last, newest - label)
        assert found.left[c] == left
        assert found.exposure[c] == max((stop - mine[0][0]).astype(int), 0)


def test_the_ratio_of_carriers_is_the_formula():
    frame, y, gone = leavers()
    who, days = frame["customer_id"].astype(int).to_numpy(), frame["as_of"].to_numpy("datetime64[D]")
    found = fates(who, days, y, label_days=90)
    marked = gone < 20
    said = carriers(marked.astype(np.int64), who, days, y, found)
    risky = marked[found.first]
    left, others = found.left[risky].sum(), found.left[~risky].sum()
    assert (said.customers, said.left, said.others_left) == (risky.sum(), left, others)
    per_day = (left + 0.5) / (found.exposure[risky].sum() + 30), (others + 0.5) / (found.exposure[~risky].sum() + 30)
    assert said.ratio == pytest.approx(per_day[0] / per_day[1])
    assert said.low == pytest.approx(said.ratio * np.exp(-2 * np.sqrt(1 / (left + 0.5) + 1 / (others + 0.5))))
    assert said.share_before > said.share_after


def test_a_trait_that_doubles_the_risk_is_not_named():
    rng = np.random.default_rng(8)
    for _ in range(10):
        wild = rng.random(500) < 0.2
        gone = np.where(wild, rng.geometric(0.03, 500), rng.geometric(0.015, 500))
        frame, y = panel(500, 24, gone)
        data = made(frame.assign(attribute_wild=wild[frame["customer_id"].astype(int)] * 1.0), y)
        assert find_leaks(data).held_back == ()


def test_one_that_is_only_known_afterwards_is():
    frame, y, gone = leavers()
    data = made(frame.assign(note=np.where(gone < 25, "left us", None)), y)
    report = find_leaks(data)
    assert report.held_back == ("note",)
    assert "customers with any value" in report.findings[0].message
    assert report.without_leaks(data).features == ()


def test_a_column_that_restates_the_label_is_held_back_whatever_its_name():
    frame, y, _ = leavers()
    rng = np.random.default_rng(0)
    report = find_leaks(made(frame.assign(revenue_next_quarter=np.where(y, 0.0, rng.lognormal(size=len(y)))), y))
    assert report.held_back == ("revenue_next_quarter",)
    assert "almost perfectly (AUC 1.000)" in report.findings[0].message


def test_a_feature_computed_from_events_is_told_but_not_held_back():
    frame, y, _ = leavers()
    report = find_leaks(made(frame.assign(days_since_last_order=y * 100.0), y))
    assert report.held_back == ()
    assert [(f.code, f.examples) for f in report.findings] == [("suspicious_feature", ("days_since_last_order",))]


def test_what_is_computed_of_leads_is_told_but_not_held_back():
    frame, y, _ = leavers()
    data = made(frame.assign(lead_stage_rank=y * 3.0, lead_source_won_share=y * 0.5, lead_has_phone=y * 1.0), y)
    report = find_leaks(data, terms=LEAD_TERMS)
    assert report.held_back == ("lead_has_phone",)  # the source says it as of today
    computed = next(f for f in report.findings if f.code == "suspicious_feature")
    assert computed.examples == ("lead_stage_rank", "lead_source_won_share")
    behaviours = report.table.set_index("feature")["behaviour"]
    assert (behaviours == "computed").to_dict() == {
        "lead_stage_rank": True,
        "lead_source_won_share": True,
        "lead_has_phone": False,
    }


def test_what_hangs_on_the_link_to_a_customer_is_held_back_together():
    frame, y, _ = leavers()
    rng = np.random.default_rng(4)
    orders = rng.poisson(2, len(y)) * 1.0
    data = made(frame.assign(lead_is_customer=y * 1.0, lead_customer_orders_365d=orders), y)
    report = find_leaks(data, terms=LEAD_TERMS)
    assert report.held_back == ("lead_is_customer", "lead_customer_orders_365d")
    assert "the same column as lead_is_customer" in report.findings[1].message
    allowed = find_leaks(data, allow=["customer_id"], terms=LEAD_TERMS)
    assert (allowed.held_back, allowed.allowed) == ((), ("lead_is_customer", "lead_customer_orders_365d"))


def test_an_attribute_without_which_the_auc_collapses_is_held_back_on_a_single_snapshot():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"customer_id": np.arange(900).astype(str), "as_of": dt.date(2026, 1, 1)})
    y = rng.random(900) < 0.3
    told = np.where(rng.random(900) < 0.9, y, ~y) * 1.0
    frame = frame.assign(orders_count_90d=y * 0.5 + rng.normal(size=900), attribute_flag=told + 0.1 * y)
    report = find_leaks(made(frame, y))
    assert report.held_back == ("attribute_flag",)
    assert "without any suspected feature" in report.findings[0].message


@pytest.mark.parametrize(
    ("column", "held"),
    # of the catalogue or not, an attribute is said as of today; what is computed of touches was known
    [("attribute_flag", True), ("lead_employees", True), ("lead_call_count", False)],
)
def test_an_attribute_of_leads_without_which_the_auc_collapses_is_held_back(column, held):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"customer_id": np.arange(900).astype(str), "as_of": dt.date(2026, 1, 1)})
    y = rng.random(900) < 0.3
    told = np.where(rng.random(900) < 0.9, y, ~y) * 1.0
    frame = frame.assign(lead_page_view_count=y * 0.5 + rng.normal(size=900), **{column: told})
    report = find_leaks(made(frame, y), terms=LEAD_TERMS)
    assert report.held_back == ((column,) if held else ())
    assert held == any("without any suspected feature" in finding.message for finding in report.findings)


def test_of_two_leaks_that_say_the_same_each_is_seen():
    frame, y, _ = leavers()
    rng = np.random.default_rng(2)
    twin = y + rng.normal(0, 0.2, len(y))
    data = made(frame.assign(one=twin, two=twin, noise=rng.normal(size=len(y))), y)
    gains = auc_gain(data, ["one", "two"], parts=dealt(data.frame["customer_id"]))
    assert gains["one"][1].low > 0.2
    assert gains["one"] == gains["two"]


def test_leak_allow_takes_columns_and_ids_and_says_what_it_does_not_know():
    frame, y, gone = leavers()
    data = made(frame.assign(attribute_status_text=np.where(gone < 25, "lost", "good")), y)
    for name in ("Status-Text", "attribute_status_text"):
        report = find_leaks(data, allow=[name])
        assert (report.held_back, report.allowed) == ((), ("attribute_status_text",))
        assert [(f.severity, f.code) for f in report.findings] == [("info", "leak_allowed")]
    report = find_leaks(data, allow=["status_txt"])
    assert report.held_back == ("attribute_status_text",)
    assert 'Did you mean "attribute_status_text"?' in report.findings[-1].message


def test_leak_allow_takes_the_column_behind_a_feature():
    frame, y, gone = leavers()
    day = (frame["as_of"] - pd.Timestamp("2023-01-01")).dt.days
    since = np.where((gone < 25) & (day > 30 * gone), day - 30 * gone, np.nan)
    data = made(frame.assign(days_since_customer_since=since), y)
    assert find_leaks(data).held_back == ("days_since_customer_since",)
    assert find_leaks(data, allow=["customer_since"]).held_back == ()


def test_leak_allow_takes_the_column_behind_features_of_leads():
    frame, y, _ = leavers()
    data = made(
        frame.assign(lead_has_phone=y * 1.0, lead_employees=y * 5.0, lead_company_size=np.where(y, "1-9", "10-49")), y
    )
    report = find_leaks(data, allow=["phone", "employees"], terms=LEAD_TERMS)
    assert report.held_back == ()
    assert sorted(report.allowed) == ["lead_company_size", "lead_employees", "lead_has_phone"]
    assert {f.code for f in report.findings} == {"leak_allowed"}


def test_no_value_of_an_attribute_stands_in_a_finding():
    frame, y, gone = leavers()
    report = find_leaks(made(frame.assign(attribute_owner=np.where(gone < 25, "Sabine Muster", "Max Probe")), y))
    assert report.held_back == ("attribute_owner",)
    said = str(report.findings) + report.table.to_csv()
    assert "Sabine" not in said
    assert "Probe" not in said


def test_order_of_rows_changes_nothing():
    frame, y, gone = leavers()
    frame = frame.assign(attribute_a=np.where(gone < 25, "x", None), attribute_b=gone % 7 * 1.0)
    order = np.random.default_rng(3).permutation(len(frame))
    one, other = find_leaks(made(frame, y)), find_leaks(made(frame.iloc[order], y[order]))
    pd.testing.assert_frame_equal(one.table, other.table)
    assert one.findings == other.findings


@pytest.mark.parametrize("value", [True, False])
def test_one_class_or_no_rows_says_nothing(value):
    frame, y, _ = leavers()
    data = made(frame.assign(x=1.0), np.full(len(y), value))
    assert find_leaks(data).findings == ()
    assert find_leaks(data.take(np.zeros(len(data), bool))).findings == ()


def test_codes_of_texts_and_numbers():
    who = np.arange(30)
    keys = np.array([f"K{i}" for i in range(20)] + [None] * 10, dtype=object)
    assert coded(keys, who).tolist() == [1] * 20 + [0] * 10  # a key of everyone's own says "filled"
    numbers = np.r_[np.zeros(15), np.arange(1, 11), np.full(5, np.nan)]
    codes = coded(numbers, who)
    assert set(codes[25:]) == {0}
    assert len(set(codes[:15])) == 1
    assert not set(codes[:15]) & set(codes[15:25])
    assert (np.diff(codes[15:25]) >= 0).all()


def test_a_value_that_moves_is_neither_fixed_nor_a_time():
    days = np.array(["2026-01-01", "2026-01-31", "2026-03-02"], dtype="datetime64[D]")
    who = np.zeros(3, np.int64)
    assert trait(np.array([1.0, 31.0, 61.0]), who, days).behaviour == "stamp"
    assert trait(np.array([1.0, 31.0, 60.0]), who, days).behaviour == "moving"
    assert trait(np.array([None, "a", "a"], dtype=object), who, days).arriving.tolist() == [True]
    assert trait(np.array(["b", "a", "a"], dtype=object), who, days).behaviour == "moving"
    assert trait(np.array([4.0, 4.0]), np.array([0, 1]), days[:2]).behaviour == "moving"


# in a training --------------------------------------------------------------------------------------------------------


def train(data, **how):
    return train_churn(data, train_as_of=AT, gap_days=0, horizon_days=90, replicates=50, **how)


@pytest.fixture(scope="module")
def with_leak(firm):
    data = firm(customers=150, count=12)
    rng = np.random.default_rng(1)
    told = np.where(data.y, "lost", "kept")
    told[rng.random(len(told)) < 0.002] = "kept"
    return replace(data, frame=data.frame.assign(attribute_end=told), features=(*data.features, "attribute_end"))


def test_a_training_leaves_the_leak_out_and_says_so(with_leak, firm):
    got, sound = train(with_leak), train(firm(customers=150, count=12))
    assert got.leaks.held_back == ("attribute_end",)
    assert "attribute_end" not in got.model.features
    assert next(f for f in got.findings if f.code == "leak_suspected").severity == "warning"
    assert got.summary()["held_back_features"] == ["attribute_end"]
    assert got.metrics == sound.metrics  # as if it had never been there
    assert got.parameters["leak_allow"] == "none"


def test_a_training_uses_what_leak_allow_names(with_leak):
    got = train(with_leak, leak_allow=["end"])
    assert "attribute_end" in got.model.features
    assert auc(got.evaluation["y"], got.evaluation["margin"]) > 0.98
    assert [f.code for f in got.findings if f.column == "attribute_end"] == ["leak_allowed"]


def test_outcomes_of_the_evaluation_do_not_move_the_guard(with_leak):
    got = train(with_leak)
    newest = np.isin(with_leak.frame["as_of"], got.evaluated_on)
    y = np.where(newest, np.random.default_rng(3).permutation(with_leak.y), with_leak.y)
    pd.testing.assert_frame_equal(got.leaks.table, train(replace(with_leak, y=y)).leaks.table)


@pytest.mark.stress
@pytest.mark.parametrize("link", ["made at the win", "made at the enquiry"])
def test_links_to_customers_that_are_made_at_the_win_are_held_back_and_sound_ones_are_not(link):
    frames = firm(3000, 3).frames
    leads = frames["leads"]
    if link == "made at the enquiry":
        ids = np.random.default_rng(1).choice(frames["customers"]["customer_id"].to_numpy(object), len(leads))
        old = leads["marketing_basis"] == "existing_customer"
        leads = leads.assign(customer_id=pd.Series(ids, index=leads.index, dtype="str").where(old))
    names = ("lead_events", "lead_stages", "order_lines", "customers")
    tables = from_frames({"leads": leads, **{name: frames[name] for name in names}})
    tables = replace(tables, known_from={"leads": {"customer_id": "created_at"}})
    newest = UNTIL - dt.timedelta(days=90)
    rows = lead_training_rows(tables, newest=newest, oldest=newest - dt.timedelta(days=700), every_days=30)
    end = cutoff_us(UNTIL, tables.zone)
    y = lead_labels(tables, rows, gap_days=0, horizon_days=90, known_until=end)
    frame = build_features(tables, rows.drop(columns="snapshot"), of=LEAD).rename(columns={"lead_id": "customer_id"})
    linked = frame["lead_is_customer"].to_numpy() == 1
    held = find_leaks(make_dataset(frame, y, gap_days=0, horizon_days=90), terms=LEAD_TERMS).held_back
    if link == "made at the win":
        assert (round(y[linked].mean(), 2), round(y[~linked].mean(), 2)) == (0.93, 0.31)
        assert held == ("lead_is_customer", "lead_customer_orders_365d", "lead_customer_days_since_order")
    else:
        assert linked.sum() > 500
        assert held == ()
