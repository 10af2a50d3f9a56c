from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from crm_ml.errors import UsageError
from crm_ml.tables.schemas import SCHEMAS
from crm_ml.tables.synth import Firm, make_firm, write_firm
from crm_ml.tables.synth.world import BURN_IN_DAYS

LATE_DAYS = (date(2025, 9, 1), date(2025, 12, 1), date(2026, 2, 2))
EVENT_TIMES = {
    "order_lines": "ordered_at",
    "invoices": "issued_at",
    "payments": "paid_at",
    "interactions": "occurred_at",
    "surveys": "answered_at",
    "action_log": "decided_at",
    "leads": "created_at",
    "lead_events": "occurred_at",
    "lead_stages": "entered_at",
    "deals": "created_at",
    "deal_stages": "entered_at",
}
# what these tables held before there were calls and leads
OLD_TABLES = {
    "customers": "ae3551c1fea55935",
    "products": "f2394f9e35fc91b4",
    "order_lines": "9c64fffac4e90f7a",
    "payments": "843ad61ac2ca37cb",
    "surveys": "8947952a5f1e2576",
}
OLD_TRUTH = "14a2b1851dd2334b"


@pytest.fixture(scope="module")
def firm() -> Firm:
    return make_firm(customers=1200, seed=5)


def hashed(frame: pd.DataFrame) -> str:
    return f"{int(pd.util.hash_pandas_object(frame, index=False).sum()):x}"


def digest(firm: Firm) -> str:
    return "|".join(f"{name}:{hashed(frame)}" for name, frame in firm.frames.items())


def test_new_tables_left_the_old_ones_as_they_were():
    firm = make_firm(customers=120, seed=3, years=2, trial=False)
    assert {name: hashed(firm.frames[name]) for name in OLD_TABLES} == OLD_TABLES
    assert hashed(firm.truth(date(2026, 1, 5), simulations=20)) == OLD_TRUTH
    assert "action_log" not in firm.frames


def test_same_seed_same_tables_other_seed_other_tables():
    one, again, other = (digest(make_firm(customers=60, seed=seed, years=2)) for seed in (3, 3, 4))
    assert one == again
    for table_one, table_other in zip(one.split("|"), other.split("|"), strict=True):
        assert table_one != table_other


def test_tables_do_not_depend_on_the_hash_seed_or_the_machine_zone():
    code = (
        "import pandas as pd\nfrom crm_ml.tables.synth import make_firm\n"
        "firm = make_firm(customers=40, seed=3, years=1)\n"
        "print([int(pd.util.hash_pandas_object(f, index=False).sum()) for f in firm.frames.values()])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": hash_seed, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed, zone in (("1", "UTC"), ("2", "Asia/Kathmandu"))
    }
    assert len(found) == 1


def test_truth_is_the_same_when_asked_twice_and_in_another_order(firm: Firm):
    first = firm.truth(LATE_DAYS[0], simulations=20)
    firm.truth(LATE_DAYS[1], simulations=20)
    pd.testing.assert_frame_equal(first, firm.truth(LATE_DAYS[0], simulations=20))


def test_columns_are_canonical_and_typed(firm: Firm):
    for name, frame in firm.frames.items():
        schema = SCHEMAS[name]
        assert set(frame.columns) <= set(schema.column_names), name
        for column in frame.columns:
            kind, dtype = schema.column(column).type, frame[column].dtype
            if kind == "instant":
                assert dtype == np.dtype("datetime64[us]"), (name, column, dtype)
            elif kind == "text":
                assert dtype == "str", (name, column, dtype)
            elif kind == "money":
                assert dtype == np.float64, (name, column, dtype)
                assert (frame[column] * 100 - (frame[column] * 100).round()).abs().max() < 1e-3, (name, column)
            values = schema.column(column).values
            if values:
                assert set(frame[column].dropna()) <= set(values), (name, column)
        for column in schema.columns:
            if column.required:
                assert frame[column.name].notna().all(), (name, column.name)
        assert not frame.duplicated(list(schema.key)).any(), name


def test_everything_the_schema_of_the_firm_can_hold_is_there(firm: Firm):
    missing = {
        (name, column)
        for name, frame in firm.frames.items()
        for column in SCHEMAS[name].column_names
        if column not in frame.columns or frame[column].isna().all()
    }
    assert missing == {("order_lines", "currency"), ("invoices", "currency"), ("payments", "currency")}


def test_references_hold(firm: Firm):
    frames = firm.frames
    for name, frame in frames.items():
        for reference in SCHEMAS[name].references:
            known = frames[reference.table][reference.target]
            assert frame[reference.column].dropna().isin(known).all(), (name, reference)
    assert frames["invoices"]["order_id"].isin(frames["order_lines"]["order_id"]).all()
    customers = frames["customers"].set_index("customer_id")
    parents = customers["parent_id"].dropna()
    assert len(parents)
    assert customers.loc[parents, "parent_id"].isna().all()
    owners = frames["order_lines"].groupby("order_id")["customer_id"].nunique()
    assert owners.max() == 1


def test_times_are_in_order_and_nothing_lies_beyond_the_end(firm: Firm):
    start, until = pd.Timestamp(firm.start), pd.Timestamp(firm.until)
    for name, event in EVENT_TIMES.items():
        frame = firm.frames[name]
        assert frame[event].between(start, until, inclusive="left").all(), name
        assert (frame["known_at"] >= frame[event]).all(), name
        assert (frame["known_at"] < until).all(), name
        for later, earlier in SCHEMAS[name].not_before:
            both = frame[[later, earlier]].dropna()
            assert (both[later] >= both[earlier]).all(), (name, later)
    lines = firm.frames["order_lines"].dropna(subset="delivery_at")
    assert (lines["delivery_at"] > lines["ordered_at"]).all()
    for name in ("order_lines", "interactions", "invoices", "customers"):
        for column in {"delivery_at", "responded_at", "resolved_at", "disputed_at", "status_from", "customer_since"}:
            if column in firm.frames[name]:
                assert (firm.frames[name][column].dropna() < until).all(), (name, column)


def test_the_awkward_rows_are_there(firm: Firm):
    lines, invoices, payments = (firm.frames[name] for name in ("order_lines", "invoices", "payments"))
    net = lines.groupby("order_id")["net_amount"].agg(["sum", "min", "size"])
    assert (lines["known_at"] > lines["ordered_at"] + pd.Timedelta(days=1)).mean() > 0.005
    assert ((net["min"] < 0) & (net["sum"] > 0)).sum() > 50, "returns within the order"
    assert (net["sum"] < 0).sum() > 50, "returns under their own number"
    assert ((lines["quantity"] == 0) & (lines["net_amount"] < 0)).sum() > 50, "credit lines"
    later = lines["ordered_at"] - lines.groupby("order_id")["ordered_at"].transform("min")
    assert (lines.loc[(later > pd.Timedelta(days=1)), "net_amount"] < 0).all()
    assert (invoices["amount"] < 0).sum() > 50, "credit notes"
    assert invoices["disputed_at"].notna().sum() > 50
    terms = (invoices["due_at"].dt.normalize() - invoices["issued_at"].dt.normalize()).dt.days
    assert set(terms) == {14, 30, 60}
    assert payments.groupby("invoice_id").size().max() == 2, "part payments"
    paid = payments.groupby("invoice_id")["amount"].sum().reindex(invoices["invoice_id"]).to_numpy()
    amount = invoices["amount"].to_numpy()
    old = (invoices["due_at"] < pd.Timestamp(2026, 1, 1)).to_numpy() & (amount > 0)
    assert np.isnan(paid[old]).mean() > 0.003, "some are never paid"
    assert (paid[old] > amount[old] + 1).any(), "some pay too much"
    assert ((payments["known_at"] - payments["paid_at"]) > pd.Timedelta(hours=12)).mean() > 0.1
    late = payments.merge(invoices[["invoice_id", "due_at"]])
    assert 0.2 < (late["paid_at"] > late["due_at"] + pd.Timedelta(days=1)).mean() < 0.9


def test_an_order_that_was_bought_stays_a_purchase(firm: Firm):
    lines = firm.frames["order_lines"]
    net = lines.groupby("order_id")["net_amount"].sum()
    own_number = net.index.str.startswith("RET")
    assert (net[~own_number] > 0).all()
    assert (net[own_number] < 0).all()


def test_people(firm: Firm):
    customers, managers = firm.frames["customers"], firm.frames["account_managers"]
    assert customers["customer_id"].str.fullmatch(r"0\d{5}").all()
    assert customers["name"].is_unique
    assert 0.003 < customers["profiling_objection"].mean() < 0.04
    assert set(customers["status"]) == {"active", "blocked", "terminated", "insolvent"}
    assert (customers["status"] == "active").mean() > 0.9
    assert (customers["status_from"].isna() == (customers["status"] == "active")).all()
    assert (customers["is_natural_person"] == (customers["legal_form"] == "e. K.")).all()
    assert 6 <= len(managers) <= 10
    here = set(managers.loc[managers["active_to"].isna(), "account_manager_id"])
    left = managers[managers["active_to"] > managers["active_from"]]
    assert len(left) == 1
    assert left["active_to"].iloc[0] < pd.Timestamp(firm.until)
    assert left["deputy_id"].iloc[0] in here
    away = managers[managers["active_to"] < managers["active_from"]]
    assert len(away) == 1
    shown = pd.Timestamp(firm.until) - pd.Timedelta(days=90)
    assert away["active_to"].iloc[0] < shown - pd.Timedelta(days=5)
    assert away["active_from"].iloc[0] > shown + pd.Timedelta(days=5)
    assert away["deputy_id"].iloc[0] in here


def test_first_orders_come_on_the_day_a_customer_joins(firm: Firm):
    customers = firm.frames["customers"].set_index("customer_id")["customer_since"]
    first = firm.frames["order_lines"].groupby("customer_id")["ordered_at"].min().dt.normalize()
    newcomers = customers[customers >= pd.Timestamp(firm.start)]
    assert 0.2 < len(newcomers) / len(customers) < 0.5
    same = first.reindex(newcomers.index) == newcomers
    assert same.mean() > 0.97  # the others' first order was entered after the export, or late


def test_no_column_tells_the_hidden_state(firm: Firm):
    hidden = ("mood", "satisf", "defect", "churn", "left", "progress", "truth", "hazard", "latent")
    columns = {column.lower() for frame in firm.frames.values() for column in frame.columns}
    assert not [column for column in columns for word in hidden if word in column]
    # nothing but a few statuses set long after tells who has gone
    world, life = firm._world, firm._life
    gone = life.left < world.end
    customers = firm.frames["customers"]
    assert (customers["status"][~gone] == "active").all()
    marked = customers["status"] != "active"
    assert marked[gone].mean() < 0.25
    since = (customers["status_from"][marked].to_numpy().astype("datetime64[D]") - world.days[0]).astype(np.int64)
    assert (since >= life.left[marked] + 20).all()


def test_those_who_left_buy_no_more_but_are_still_called_and_pay(firm: Firm):
    world, life = firm._world, firm._life
    frames = firm.frames
    left = pd.Series(np.where(life.left < world.end, life.left, -1), index=frames["customers"]["customer_id"])
    left = left[left >= 0].map(lambda day: pd.Timestamp(world.days[day]))
    orders = frames["order_lines"].query("net_amount > 0")
    assert (orders["ordered_at"] < orders["customer_id"].map(left).fillna(pd.Timestamp(firm.until))).all()
    contacts = frames["interactions"]
    after = contacts[contacts["occurred_at"] > contacts["customer_id"].map(left) + pd.Timedelta(days=30)]
    assert (after["direction"] == "outbound").mean() > 0.97  # the rest: complaints about the last delivery
    assert len(after) > 100
    payments = frames["payments"].merge(frames["invoices"][["invoice_id", "customer_id"]])
    assert (payments["paid_at"] > payments["customer_id"].map(left)).sum() > 100


def test_discontent_shows_in_gaps_payments_complaints_and_surveys(firm: Firm):
    world, life, frames = firm._world, firm._life, firm.frames
    ids = pd.Index(frames["customers"]["customer_id"])

    def mood(customer: pd.Series, at: pd.Series) -> np.ndarray:
        day = (at.to_numpy().astype("datetime64[D]") - world.days[BURN_IN_DAYS]).astype(np.int64)
        return life.mood[np.clip(day, 0, len(life.mood) - 1), ids.get_indexer(customer)]

    bills = frames["payments"].merge(frames["invoices"], on="invoice_id", suffixes=("", "_bill"))
    late = (bills["paid_at"] - bills["due_at"]).dt.days
    bill_mood = mood(bills["customer_id"], bills["due_at"])
    assert late[bill_mood < -1].mean() > late[bill_mood > 0.5].mean() + 6

    nps = frames["surveys"].query("kind == 'nps'")
    assert np.corrcoef(mood(nps["customer_id"], nps["answered_at"]), nps["score"])[0, 1] > 0.4

    complaints = frames["interactions"].query("topic == 'complaint'")
    assert mood(complaints["customer_id"], complaints["occurred_at"]).mean() < life.mood.mean() - 0.25

    first, second = life.mood[:900].mean(axis=0), life.mood[900:1800].mean(axis=0)
    early = np.bincount(life.order_who[life.order_day < BURN_IN_DAYS + 900], minlength=world.customers)
    late_orders = np.bincount(
        life.order_who[(life.order_day >= BURN_IN_DAYS + 900) & (life.order_day < BURN_IN_DAYS + 1800)],
        minlength=world.customers,
    )
    there = (world.joins < 0) & (life.left > BURN_IN_DAYS + 1800) & (early > 10)
    change, ratio = (second - first)[there], np.log((late_orders + 0.5) / (early + 0.5))[there]
    assert ratio[change < -0.5].mean() < ratio[change > 0.5].mean() - 0.15

    leaver = np.flatnonzero((life.left < world.end) & (life.left > BURN_IN_DAYS))
    at_leaving = life.mood[life.left[leaver] - BURN_IN_DAYS, leaver]
    assert at_leaving.mean() < life.mood.mean() - 0.7


def test_seasons_show_in_the_orders(firm: Firm):
    lines = firm.frames["order_lines"].query("net_amount > 0").drop_duplicates("order_id")
    industry = lines["customer_id"].map(firm.frames["customers"].set_index("customer_id")["industry"])
    month = lines["ordered_at"].dt.month
    share = pd.crosstab(industry, month, normalize="index")
    assert share.loc["Bau", [1, 2]].sum() < 0.75 * share.loc["Bau", [6, 7]].sum()
    assert share.loc["Landtechnik", [4, 5]].sum() > 1.4 * share.loc["Landtechnik", [10, 11]].sum()
    overall = month.value_counts(normalize=True)
    assert overall[12] < overall[11]
    assert overall[8] < overall[6]
    assert (lines["ordered_at"].dt.day_of_week < 5).all()


def test_truth_is_calibrated():
    firm = make_firm(customers=1500, seed=11)
    days = [date(2022, 3, 1) + timedelta(days=91 * k) for k in range(16)]
    truth = pd.concat([firm.truth(day, simulations=60) for day in days])
    p, y = truth["p_no_purchase"].to_numpy(float), truth["y"].to_numpy(bool)
    assert len(truth) > 10_000
    assert abs(p.mean() - y.mean()) < 0.012
    for rows in np.array_split(np.argsort(p, kind="stable"), 10):
        spread = np.sqrt(max(p[rows].mean() * (1 - p[rows].mean()), 0.002) / len(rows))
        assert abs(p[rows].mean() - y[rows].mean()) < 5 * spread


def recency_share(firm: Firm, day: date) -> tuple[float, float, float]:
    """Days since last order's share of the truth's (AUC - .5), the truth's AUC, and the rate."""
    lines = firm.frames["order_lines"]
    seen = lines[(lines["known_at"] < pd.Timestamp(day)) & (lines["ordered_at"] < pd.Timestamp(day))]
    orders = seen.groupby("order_id").agg(
        customer_id=("customer_id", "first"), at=("ordered_at", "min"), net=("net_amount", "sum")
    )
    last = orders[orders["net"] > 0].groupby("customer_id")["at"].max()
    since = (pd.Timestamp(day) - last.dt.normalize()).dt.days.rename("since")
    customers = firm.frames["customers"].set_index("customer_id")
    active = ~(customers["status_from"] < pd.Timestamp(day))
    truth = firm.truth(day).set_index("customer_id").join(since[since <= 365], how="inner")
    truth = truth[active.reindex(truth.index)]
    y = truth["y"].to_numpy(bool)
    auc, by_recency = roc_auc_score(y, truth["p_no_purchase"]), roc_auc_score(y, truth["since"])
    return (by_recency - 0.5) / (auc - 0.5), auc, y.mean()


def test_days_since_last_order_alone_is_not_enough(firm: Firm):
    for day in LATE_DAYS:
        share, auc, rate = recency_share(firm, day)
        assert share <= 0.85, (day, share)
        assert auc > 0.85, (day, auc)
        assert 0.12 < rate < 0.38, (day, rate)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(1, 7))
def test_difficulty_of_the_default_firm(seed: int):
    firm = make_firm(seed=seed)
    found = [recency_share(firm, day) for day in LATE_DAYS]
    assert max(share for share, _, _ in found) <= 0.85
    assert min(rate for *_, rate in found) > 0.13
    assert sum(len(firm.truth(day, simulations=1)) for day in LATE_DAYS) >= 5_700


def test_rate_stays_the_same_over_the_years(firm: Firm):
    rates = [firm.truth(date(year, 9, 1), simulations=1)["y"].astype(float).mean() for year in range(2022, 2026)]
    assert max(rates) - min(rates) < 0.06


def test_truth_has_no_outcome_beyond_the_end(firm: Firm):
    late = firm.truth(firm.until - timedelta(days=89), simulations=5)
    assert late["y"].isna().all()
    assert late["p_no_purchase"].notna().all()
    assert firm.truth(firm.until - timedelta(days=90), simulations=5)["y"].notna().all()
    assert len(firm.truth(firm.until, simulations=5))


@pytest.mark.parametrize("customers", [1, 2, 30])
@pytest.mark.parametrize("seed", [1, 2])
def test_small_firms(customers: int, seed: int):
    firm = make_firm(customers=customers, seed=seed, years=1)
    assert len(firm.frames["customers"]) == customers
    assert len(firm.frames["order_lines"]) > 0
    assert firm.truth(date(2026, 3, 1), simulations=5)["p_no_purchase"].between(0, 1).all()
    assert firm.lead_truth(date(2026, 3, 1), simulations=5)["p_win"].between(0, 1).all()
    assert len(firm.causes(date(2026, 3, 1))) == len(firm.call_effect(date(2026, 3, 1))) <= customers
    assert len(firm.causes(firm.start)) == 0
    for name, frame in firm.frames.items():
        assert not frame.duplicated(list(SCHEMAS[name].key)).any()


def test_years_and_end_are_kept():
    firm = make_firm(customers=20, seed=1, years=1, until=date(2024, 2, 29))
    assert (firm.start, firm.until) == (date(2023, 2, 28), date(2024, 2, 29))
    assert firm.frames["order_lines"]["ordered_at"].min() < pd.Timestamp(2023, 5, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"customers": 0}, "customers must be at least 1, found 0"),
        ({"seed": -1}, "seed must be 0 or more, found -1"),
        ({"years": 0}, "years must lie between 1 and 30, found 0"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, int], message: str):
    with pytest.raises(UsageError, match=message):
        make_firm(**arguments)


def test_truth_of_a_day_outside_the_years(firm: Firm):
    with pytest.raises(UsageError, match="as_of must lie between 2021-06-01 and 2026-06-01, found 2021-05-31"):
        firm.truth(date(2021, 5, 31))
    with pytest.raises(UsageError, match="horizon_days must be at least 1, found 0"):
        firm.truth(LATE_DAYS[0], horizon_days=0)
    for ask in (firm.lead_truth, firm.causes, firm.call_effect):
        with pytest.raises(UsageError, match="as_of must lie between 2021-06-01 and 2026-06-01, found 2026-06-02"):
            ask(date(2026, 6, 2))


def test_files_lie_apart_from_the_truth(tmp_path):
    firm = make_firm(customers=30, seed=2, years=2)
    written = write_firm(firm, tmp_path, truth_days=[date(2026, 1, 5)])
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert sorted(path.relative_to(tmp_path).as_posix() for path in written) == found
    assert found == [*(f"data/{name}.parquet" for name in sorted(firm.frames)), "truth/2026-01-05.parquet"]
    for name, frame in firm.frames.items():
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "data" / f"{name}.parquet"), frame)
    truth = pd.read_parquet(tmp_path / "truth" / "2026-01-05.parquet")
    assert list(truth.columns) == ["customer_id", "p_no_purchase", "y"]
