"""The margin from masks against LightGBM's own, bit by bit."""

from __future__ import annotations

import datetime as dt

import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.features import build_features, make_spine
from crm_ml.models import boosting
from crm_ml.models.boosting import Boosting, fit_boosting
from crm_ml.models.columns import Column, ColumnContract, select_columns
from crm_ml.models.explain import tree_margin as module
from crm_ml.models.explain.tree_margin import tree_margin
from crm_ml.tables import Tables, from_frames
from crm_ml.tables.synth import make_firm

CODES = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-35, -1e-35, 1.1e-35, -1.1e-35, 5e-324, 1e300, -1e300)
CODES = (*CODES, -1.0, -0.5, -0.999, 0.5, 3.7, 31.0, 32.0, 63.5, 64.0, 1e6, 2.0**31 - 0.5, 2.0**31, 2.0**40)
PLAIN = {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": 1, "deterministic": True}
PLAIN |= {"force_row_wise": True, "min_data_in_leaf": 5, "learning_rate": 0.2, "num_leaves": 31, "max_depth": 8}


def made(rows: int, *, levels: int = 12, seed: int = 0, missing: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Counts, a tail, zeros, a plain number and a category with the given number of levels."""
    rng = np.random.default_rng(seed)
    x = np.column_stack(
        [
            rng.poisson(2.0, rows),
            np.exp(rng.normal(size=rows)),
            rng.normal(size=rows) * (rng.random(rows) < 0.5),
            rng.normal(size=rows),
            rng.integers(0, levels, rows),
        ]
    )
    x[rng.random(x.shape) < missing] = np.nan
    effect = np.random.default_rng(99).normal(size=levels)[np.nan_to_num(x[:, 4]).astype(int)]
    z = np.nan_to_num(x[:, 0]) * np.nan_to_num(x[:, 2]) + np.nan_to_num(x[:, 1]) - 1.5 + np.isnan(x[:, 3]) + effect
    return x, rng.random(rows) < 1 / (1 + np.exp(-z))


def trained(x: np.ndarray, y: np.ndarray, rounds: int = 20, **how: object) -> str:
    params = {**PLAIN, **how}
    made_of = lightgbm.Dataset(x, label=y.astype(float), categorical_feature=[4], params=params)
    return lightgbm.train(params, made_of, num_boost_round=rounds).model_to_string()


def asked(text: str, x: np.ndarray, seed: int = 3) -> np.ndarray:
    """Rows of x, then such whose values are half strange ones, then the model's thresholds and their neighbours."""
    rng = np.random.default_rng(seed)
    strange = x[:500].copy()
    hit = rng.random(strange.shape) < 0.5
    strange[hit] = rng.choice(np.array(CODES), hit.sum())
    trees = module.read_trees(text)
    number = trees.decision & 1 == 0
    ends = np.repeat(trees.threshold[number], 3)
    with np.errstate(over="ignore"):  # thresholds may be the largest number there is
        ends[1::3], ends[2::3] = np.nextafter(ends[1::3], -np.inf), np.nextafter(ends[2::3], np.inf)
    at = x[np.arange(len(ends)) % len(x)].copy()
    at[np.arange(len(ends)), np.repeat(trees.feature[number], 3)] = ends
    return np.concatenate([x[:500], strange, at])


def same_bits(text: str, rows: np.ndarray, *, threads: int = 2) -> None:
    masks = tree_margin(text)
    assert masks is not None
    want = lightgbm.Booster(model_str=text).predict(rows, raw_score=True, num_threads=1)
    got = masks.margin(list(rows.T), threads=threads)
    assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"zero_as_missing": True},
        {"use_missing": False},
        {"num_leaves": 2},
        {"num_leaves": 32},
        {"num_leaves": 33},
        {"num_leaves": 64, "max_depth": -1},
        {"max_depth": 1},
        {"max_depth": -1},
        {"monotone_constraints": [1, -1, 0, 1, 0]},
        {"objective": "regression", "lambda_l2": 3.0},
        {"extra_trees": True},
        {"max_bin": 7},
        {"max_bin": 1000, "min_data_in_leaf": 1},
        {"boosting": "dart"},
    ],
    ids=str,
)
def test_ways_of_training(how):
    x, y = made(3000)
    text = trained(x, y, **how)
    same_bits(text, asked(text, x))


@pytest.mark.parametrize("levels", [2, 3, 65, 257, 700])
@pytest.mark.parametrize("onehot", [1, 1000])
def test_categories_of_any_width(levels, onehot):
    x, y = made(4000, levels=levels)
    text = trained(x, y, max_cat_to_onehot=onehot, cat_smooth=1.0, cat_l2=1.0, min_data_per_group=5)
    assert "num_cat=1" in text
    same_bits(text, asked(text, x))


def test_values_may_be_infinite_or_never_missing_in_training():
    x, y = made(2000, missing=0.0)
    same_bits(trained(x, y), asked(trained(x, y), x))
    x[::7, 1], x[::11, 3] = np.inf, -np.inf
    same_bits(trained(x, y), asked(trained(x, y), x))


def test_trees_of_one_leaf():
    x = made(400)[0]
    text = trained(x, np.arange(400) % 3 == 0, rounds=3, min_data_in_leaf=390, objective="regression")
    assert "num_leaves=1" in text
    same_bits(text, asked(text, x))


def test_a_tree_of_one_leaf_between_others():
    x, y = made(1500)
    head, *trees = trained(x, y, rounds=3).split("\nTree=")
    single = "\nTree=1\nnum_leaves=1\nnum_cat=0\nsplit_feature=\nleaf_value=0.12345678901234567\nis_linear=0\n"
    single += "shrinkage=1\n\n"
    text = head + "\nTree=" + trees[0] + single.replace("split_feature=\n", "") + "\nTree=" + trees[2]
    text = "\n".join(line for line in text.split("\n") if not line.startswith("tree_sizes"))
    same_bits(text, asked(trained(x, y, rounds=3), x))


@pytest.mark.parametrize("rows", [0, 1, 4095, 4096, 4097, 9000])
def test_any_number_of_rows_and_threads(rows):
    x, y = made(9000)
    text = trained(x[:2000], y[:2000], rounds=5)
    same_bits(text, x[:rows], threads=1) if rows else None
    same_bits(text, x[:rows], threads=3) if rows else None
    assert len(tree_margin(text).margin(list(x[:rows].T))) == rows


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_hypothesis_rows_of_any_values(data):
    levels, leaves = data.draw(st.sampled_from([3, 40])), data.draw(st.sampled_from([2, 5, 31, 32, 40, 64]))
    x, y = made(600, levels=levels, seed=data.draw(st.integers(0, 5)), missing=data.draw(st.sampled_from([0.0, 0.3])))
    how = data.draw(st.sampled_from([{}, {"zero_as_missing": True}, {"use_missing": False}, {"boosting": "dart"}]))
    text = trained(x, y, rounds=data.draw(st.integers(1, 6)), num_leaves=leaves, max_depth=-1, **how)
    value = st.one_of(st.floats(width=64), st.sampled_from(CODES), st.sampled_from(x[~np.isnan(x)][:50].tolist()))
    rows = data.draw(st.lists(st.lists(value, min_size=5, max_size=5), min_size=1, max_size=20))
    same_bits(text, np.array(rows))


@pytest.mark.parametrize(
    "how",
    [
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
        {"linear_tree": True, "objective": "regression"},
        {"objective": "multiclass", "num_class": 3},
        {"num_leaves": 65, "max_depth": -1},
    ],
    ids=str,
)
def test_other_models_have_no_masks_and_are_predicted_all_the_same(how, monkeypatch):
    x, y = made(4000)
    if "num_class" in how:
        assert tree_margin(trained(x, y.astype(int) + (x[:, 1] > 1), **how)) is None
        return
    how = {**how, "min_data_in_leaf": 2}
    text = trained(x, y, **how)
    assert tree_margin(text) is None
    monkeypatch.setattr(boosting, "MANY_ROWS", 1)
    model = Boosting(text)
    want = lightgbm.Booster(model_str=text).predict(x, raw_score=True)
    assert model.margin(dict(zip(model.needs, x.T, strict=True))).tobytes() == want.tobytes()


def test_many_rows_take_the_masks_and_few_do_not(monkeypatch):
    asked_for = []
    monkeypatch.setattr(module, "tree_margin", lambda text: asked_for.append(text) or tree_margin(text))
    monkeypatch.setattr(boosting, "MANY_ROWS", 1000)
    x, y = made(1000)
    ids = [f"f{j}" for j in range(5)]
    kinds = [*(Column(name, "number") for name in ids[:4]), Column(ids[4], "category", tuple("abcdefghijkl"))]
    encoded = dict(zip(ids, x.T, strict=True))
    model = fit_boosting(encoded, y, ColumnContract(tuple(kinds)), rounds=12, seed=1, threads=1)
    few = np.concatenate([model.margin({name: v[part] for name, v in encoded.items()}) for part in (slice(999), [999])])
    assert not asked_for
    assert model.margin(encoded).tobytes() == few.tobytes()
    assert asked_for == [model.text]


def test_the_number_of_columns_is_checked():
    x, y = made(300)
    with pytest.raises(ValueError, match="The model has 5 features; found 4 columns"):
        tree_margin(trained(x, y, rounds=1)).margin(list(x.T[:4]))


def check_on_features(tables: Tables, days: list[dt.date]) -> None:
    """A model of the default features, numbers and categories: rows of the firm, strange values and thresholds."""
    rows = build_features(tables, make_spine(tables, days, active_days=730))
    y = np.random.default_rng(1).random(len(rows)) < 0.2 + 0.6 * (rows["days_since_last_order"] > 60)
    features = [name for name in rows.columns if name not in ("customer_id", "as_of")]
    contract = select_columns(rows, features, rows["customer_id"]).contract
    encoded = contract.encode(rows)
    model = fit_boosting(encoded, y.to_numpy(), contract, rounds=60, seed=1, threads=1)
    assert len(contract.ids) > 20
    same_bits(model.text, asked(model.text, np.column_stack([encoded[name] for name in model.needs])))


def test_on_a_firm():
    tables = from_frames(make_firm(customers=400, seed=3, years=3, until=dt.date(2026, 1, 1)).frames, currency="EUR")
    check_on_features(tables, [dt.date(2025, 12, 1), dt.date(2025, 6, 1)])


@pytest.mark.real
def test_on_real_orders(real_data):
    lines = pd.read_parquet(real_data / "online_retail_ii_until_2011-05-31.parquet").dropna(subset=["Customer ID"])
    frame = pd.DataFrame(
        {
            "order_id": lines["Invoice"].astype(str),
            "customer_id": lines["Customer ID"].astype(int).astype(str),
            "ordered_at": pd.to_datetime(lines["InvoiceDate"]),
            "product_id": lines["StockCode"].astype(str),
            "quantity": lines["Quantity"],
            "net_amount": (lines["Quantity"] * lines["Price"]).round(2),
        }
    )
    tables = from_frames({"order_lines": frame}, zone="Europe/London", currency="GBP")
    check_on_features(tables, [dt.date(2011, 3, 1), dt.date(2010, 12, 1)])
