"""SHAP values from tables against LightGBM's own, against Shapley's definition, and against themselves."""

from __future__ import annotations

import itertools
import math
import re

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.models import boosting
from crm_ml.models.boosting import Boosting, fit_binned, fit_boosting
from crm_ml.models.columns import Column, ColumnContract
from crm_ml.models.explain import tree_bins, tree_cells, tree_tables, treeshap
from crm_ml.models.explain.tree_tables import MOST_CONDITIONS, leaf_table, quadrature
from crm_ml.models.explain.tree_text import read_trees
from crm_ml.models.explain.treeshap import tree_shap

STRANGE = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-35, -1e-35, 1.1e-35, -1.1e-35, 5e-324, 1e300, -1e300)
CODES = (*STRANGE, -1.0, -0.5, -0.999, 0.5, 3.7, 31.0, 32.0, 63.5, 64.0, 1e6, 2.0**31 - 0.5, 2.0**31, 2.0**40)
PLAIN = {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": 1, "deterministic": True}
PLAIN |= {"force_row_wise": True, "min_data_in_leaf": 5, "learning_rate": 0.2, "num_leaves": 31, "max_depth": 8}


def made(rows: int, *, levels: int = 12, seed: int = 0, missing: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Five numbers (counts, a tail, zeros, a rare one, a plain one) and a category with the given number of levels."""
    rng = np.random.default_rng(seed)
    x = np.column_stack(
        [
            rng.poisson(2.0, rows),
            np.exp(rng.normal(size=rows)),
            rng.normal(size=rows) * (rng.random(rows) < 0.5),
            np.where(rng.random(rows) < 0.02, rng.normal(size=rows), 0.0),
            rng.normal(size=rows),
            rng.integers(0, levels, rows),
        ]
    )
    x[rng.random(x.shape) < missing] = np.nan
    effect = np.random.default_rng(99).normal(size=levels)[np.nan_to_num(x[:, 5]).astype(int)]
    z = np.nan_to_num(x[:, 0]) * np.nan_to_num(x[:, 2]) + np.nan_to_num(x[:, 1]) - 1.5 + np.isnan(x[:, 4]) + effect
    return x, rng.random(rows) < 1 / (1 + np.exp(-z))


def strange(x: np.ndarray, seed: int = 3) -> np.ndarray:
    """Rows of x, half of whose values are replaced by such as no training row holds, and by thresholds' neighbours."""
    rng = np.random.default_rng(seed)
    out = x.copy()
    hit = rng.random(x.shape) < 0.5
    out[hit] = rng.choice(np.array(CODES), hit.sum())
    return out


def trained(x: np.ndarray, y: np.ndarray, rounds: int = 20, data: dict | None = None, **how: object) -> str:
    params = {**PLAIN, **how}
    made_of = lightgbm.Dataset(x, label=y.astype(float), categorical_feature=[5], params={**params, **(data or {})})
    return lightgbm.train(params, made_of, num_boost_round=rounds).model_to_string()


def at_thresholds(text: str, x: np.ndarray) -> np.ndarray:
    """One row per threshold of the model and one on either side of it, other values as in the first rows of x."""
    trees = read_trees(text)
    rows = []
    for feature, threshold, kind in zip(trees.feature, trees.threshold, trees.decision, strict=True):
        for value in (threshold, math.nextafter(threshold, -math.inf), math.nextafter(threshold, math.inf)):
            if not kind & 1:
                row = x[len(rows) % len(x)].copy()
                row[feature] = value
                rows.append(row)
    return np.array(rows[:900]).reshape(-1, x.shape[1])


def check(text: str, x: np.ndarray, within: float = 1e-9) -> treeshap.TreeShap:
    """The tables say what LightGBM says, and add up to the margin."""
    tables = tree_shap(text)
    assert tables is not None
    booster = lightgbm.Booster(model_str=text)
    rows = np.concatenate([x[:200], strange(x[:400]), at_thresholds(text, x)])
    want = booster.predict(rows, pred_contrib=True, num_threads=1)
    got = tables.contributions(list(rows.T))
    assert np.abs(got.T - want[:, :-1]).max() <= within
    assert tables.base == pytest.approx(want[0, -1], abs=1e-12)
    margin = booster.predict(rows, raw_score=True, num_threads=1)
    assert np.abs(tables.base + got.sum(axis=0) - margin).max() <= within
    return tables


@pytest.mark.parametrize("depth", range(1, 9))
def test_depths(depth):
    x, y = made(1500)
    check(trained(x, y, max_depth=depth), x)


@pytest.mark.parametrize("levels", [2, 3, 65, 257, 700])
@pytest.mark.parametrize("onehot", [1, 4, 1000])
def test_categories_of_any_width(levels, onehot):
    x, y = made(4000, levels=levels)
    text = trained(x, y, max_cat_to_onehot=onehot, cat_smooth=1.0, cat_l2=1.0, min_data_per_group=5, max_depth=6)
    assert re.search(r"num_cat=[1-9]", text)
    check(text, x)


@pytest.mark.parametrize(
    "how",
    [
        {"zero_as_missing": True},
        {"use_missing": False},
        {"num_leaves": 2},
        {"num_leaves": 63},
        {"monotone_constraints": [1, -1, 0, 1, 0, 0]},
        {"monotone_constraints": [1, -1, 0, 1, 0, 0], "monotone_constraints_method": "advanced"},
        {"use_quantized_grad": True, "num_grad_quant_bins": 4},
        {"objective": "regression", "lambda_l2": 3.0},
        {"bagging_fraction": 0.5, "bagging_freq": 1, "feature_fraction": 0.5},
        {"extra_trees": True},
        {"max_bin": 7},
        {"boosting": "dart"},
        {"max_depth": -1, "num_leaves": 15},
    ],
    ids=str,
)
def test_ways_of_training(how):
    x, y = made(2000)
    check(trained(x, y, **how), x)


def test_without_missing_values_nan_counts_as_zero():
    x, y = made(1500, missing=0.0)
    text = trained(x, y)
    assert not any(kind >> 2 for kind in read_trees(text).decision & ~1)
    check(text, x)


def test_values_may_be_infinite_in_training():
    x, y = made(1500)
    x[::7, 1], x[::11, 4] = np.inf, -np.inf
    check(trained(x, y), x)


def test_weights_that_make_counts_estimates():
    x, y = made(1500)
    data = lightgbm.Dataset(x, label=y.astype(float), weight=np.exp(np.random.default_rng(1).normal(size=1500)))
    check(lightgbm.train(PLAIN, data, num_boost_round=20).model_to_string(), x)


SOME = st.sampled_from([1, 2, 3, 4, 6, 8])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    depth=SOME,
    leaves=st.integers(2, 40),
    levels=st.integers(2, 300),
    missing=st.sampled_from([0.0, 0.02, 0.4]),
    zero=st.booleans(),
    onehot=st.sampled_from([1, 4, 50]),
)
def test_any_small_model(seed, depth, leaves, levels, missing, zero, onehot):
    x, y = made(600, levels=levels, seed=seed, missing=missing)
    how = {"max_depth": depth, "num_leaves": leaves, "zero_as_missing": zero, "max_cat_to_onehot": onehot}
    text = trained(x, y, rounds=6, cat_smooth=1.0, min_data_per_group=3, **how)
    check(text, x)


def test_constant_models():
    for rows, y in ((50, np.ones(50)), (50, np.arange(50) % 2)):
        x = np.zeros((rows, 6))
        text = lightgbm.train({**PLAIN, "feature_pre_filter": False}, lightgbm.Dataset(x, label=y), 3).model_to_string()
        tables = tree_shap(text)
        want = lightgbm.Booster(model_str=text).predict(x, pred_contrib=True)
        assert tables.contributions(list(x.T)).tolist() == np.zeros((6, rows)).tolist()
        assert tables.base == pytest.approx(want[0, -1], abs=1e-12)


# --- Shapley's definition, by hand ---------------------------------------------------------------------------------


def expectation(trees, row: np.ndarray, known: frozenset, node: int = 0) -> float:
    """The first tree's mean over the training rows, branches on known features taken as the row goes."""
    if node < 0:
        return float(trees.value[-1 - node])
    left, right = int(trees.left[node]), int(trees.right[node])
    if trees.feature[node] in known:
        goes_left = row[trees.feature[node]] <= trees.threshold[node]
        return expectation(trees, row, known, left if goes_left else right)
    size = [trees.rows[-1 - child] if child < 0 else trees.count[child] for child in (left, right)]
    parts = [expectation(trees, row, known, child) for child in (left, right)]
    return float(np.dot(size, parts) / trees.count[node])


def test_shapleys_definition_on_a_tree_small_enough_to_enumerate():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 4))
    y = x[:, 0] * x[:, 1] + x[:, 2] ** 2 + (x[:, 0] > 0.5)
    how = {**PLAIN, "objective": "regression", "num_leaves": 12, "max_depth": 5}
    text = lightgbm.train(how, lightgbm.Dataset(x, label=y), num_boost_round=1).model_to_string()
    trees, tables = read_trees(text), tree_shap(text)
    assert len(set(trees.feature.tolist())) >= 3
    for row in x[:20]:
        got = tables.contributions([np.array([value]) for value in row])[:, 0]
        for j in range(4):
            others = [i for i in range(4) if i != j]
            want = 0.0
            for size in range(4):
                weight = math.factorial(size) * math.factorial(3 - size) / math.factorial(4)
                for known in itertools.combinations(others, size):
                    with_it = expectation(trees, row, frozenset({*known, j}))
                    want += weight * (with_it - expectation(trees, row, frozenset(known)))
            assert got[j] == pytest.approx(want, abs=1e-12)
        assert tables.base == pytest.approx(expectation(trees, row, frozenset()), abs=1e-12)


def test_a_leafs_table_by_hand():
    # value 8, conditions kept by 1/4 and 1/2 of the rows. Who fulfils both gains 8 - 1 = 7: the first condition
    # brings 1 -> 4 or (after the second) 2 -> 8, the mean of 3 and 6; the second 1 -> 2 or 4 -> 8
    table = leaf_table(np.array([0.25, 0.5]), 8.0, *quadrature())
    assert table[:, 3] == pytest.approx([4.5, 2.5])
    # who fulfils neither: 1 -> 0 or 0 -> 0 for each
    assert table[:, 0] == pytest.approx([-0.5, -0.5])


@pytest.mark.parametrize("k", range(1, MOST_CONDITIONS + 1))
def test_a_leafs_table_shares_out_the_whole_difference(k):
    share = np.random.default_rng(k).uniform(1e-4, 1.0, k)
    table = leaf_table(share, 2.0, *quadrature())
    want = np.full(2**k, -2.0 * share.prod())
    want[-1] += 2.0
    assert table.sum(axis=0) == pytest.approx(want, abs=1e-13)


# --- the same bit by bit -------------------------------------------------------------------------------------------


def test_alone_in_a_batch_and_with_any_threads(monkeypatch):
    x, y = made(3000, levels=70)
    tables = tree_shap(trained(x, y))
    rows = np.concatenate([x, strange(x)])
    want = tables.contributions(list(rows.T), threads=1)
    for at_once in (7, 64, 5999, 10_000):
        monkeypatch.setattr(treeshap, "ROWS_AT_ONCE", at_once)
        for threads in (1, 2, 5):
            assert (tables.contributions(list(rows.T), threads=threads) == want).all()
    for i in (0, 17, 5999):
        assert (tables.contributions(list(rows[i : i + 1].T))[:, 0] == want[:, i]).all()
    assert tables.contributions(list(rows[:0].T)).shape == (6, 0)


def test_tables_made_again_are_the_same():
    x, y = made(800)
    text = trained(x, y)
    one, two = tree_shap(text), tree_shap(text)
    assert (one.table == two.table).all()
    assert (one.step == two.step).all()


def test_columns_may_be_of_any_layout():
    x, y = made(500)
    tables = tree_shap(trained(x, y))
    want = tables.contributions(list(x.T))
    assert (tables.contributions([np.ascontiguousarray(column) for column in x.T]) == want).all()
    with pytest.raises(ValueError, match="6 features; found 5 columns"):
        tables.contributions(list(x.T)[:5])


@pytest.mark.parametrize("module", [tree_bins, tree_cells, tree_tables, treeshap], ids=lambda m: m.__name__)
def test_compiled_functions_call_such_of_their_own_module_only(module):
    # numba keeps a compiled caller on disk although its callee in another file has changed
    for name, function in vars(module).items():
        if hasattr(function, "py_func") and function.py_func.__module__ == module.__name__:
            called = [getattr(module, other, None) for other in function.py_func.__code__.co_names]
            owners = {other.py_func.__module__ for other in called if hasattr(other, "py_func")}
            assert owners <= {module.__name__}, name


# --- the product's model -------------------------------------------------------------------------------------------

CONTRACT = ColumnContract(
    (*(Column(f"x{j}", "number") for j in range(5)), Column("c", "category", tuple(map(str, range(12)))))
)


def encoded(x: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(x[:, j]) for j, name in enumerate(CONTRACT.ids)}


def by_lightgbm(model: Boosting, x: np.ndarray) -> np.ndarray:
    return lightgbm.Booster(model_str=model.text).predict(x, pred_contrib=True)


@pytest.mark.parametrize("directions", [None, {"x0": 1, "x1": -1}])
def test_the_models_contributions(directions):
    x, y = made(2500)
    binned = boosting.bin_rows(encoded(x), y, CONTRACT, threads=1)
    model = fit_binned(binned, rounds=60, seed=1, threads=1, directions=directions)
    assert "\nparameters:" not in model.text
    assert model._tree_shap is not None
    for each in (model, model.cut(7), Boosting(model.text)):
        parts, base = each.contributions(encoded(x))
        want = by_lightgbm(each, x)
        assert np.abs(np.column_stack(list(parts.values())) - want[:, :-1]).max() <= 1e-9
        assert base == pytest.approx(want[0, -1], abs=1e-12)
        assert base + sum(parts.values()) == pytest.approx(each.margin(encoded(x)), abs=1e-9)
        alone, _ = each.contributions(encoded(x[3:4]))
        assert all(alone[name][0] == parts[name][3] for name in parts)


def test_without_room_lightgbm_does_the_work(monkeypatch):
    x, y = made(800)
    model = fit_boosting(encoded(x), y, CONTRACT, rounds=20, seed=1, threads=1)
    bytes_needed = tree_shap(model.text).nbytes
    monkeypatch.setattr(treeshap, "MOST_BYTES", bytes_needed)
    assert tree_shap(model.text) is not None
    monkeypatch.setattr(treeshap, "MOST_BYTES", bytes_needed - 1)
    assert tree_shap(model.text) is None
    slow = Boosting(model.text)
    parts, base = slow.contributions(encoded(x))
    want = by_lightgbm(model, x)
    assert (np.column_stack(list(parts.values())) == want[:, :-1]).all()
    assert base == want[0, -1]
    nothing, _ = slow.contributions(encoded(x[:0]))
    assert all(len(values) == 0 for values in nothing.values())


def test_too_many_features_on_a_path_are_left_to_lightgbm():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3000, 30))
    x[:, 5] = 0.0
    y = (x > -1.8).all(axis=1)  # a chain: each split cuts off a few rows by another feature
    how = {"max_depth": -1, "num_leaves": 40, "min_data_in_leaf": 1, "objective": "regression"}
    text = trained(x, y.astype(float), rounds=1, **how)
    assert tree_shap(text) is None
    columns = ColumnContract(tuple(Column(f"Column_{j}", "number") for j in range(30)))
    rows = {name: x[:50, j] for j, name in enumerate(columns.ids)}
    parts, _ = Boosting(text).contributions(rows)
    assert (np.column_stack(list(parts.values())) == by_lightgbm(Boosting(text), x[:50])[:, :-1]).all()


def test_other_kinds_of_models_are_left_to_lightgbm():
    x, y = made(600)
    forest = trained(x, y, boosting="rf", bagging_fraction=0.5, bagging_freq=1)
    classes = lightgbm.train(
        {**PLAIN, "objective": "multiclass", "num_class": 3}, lightgbm.Dataset(x, label=np.arange(600) % 3), 2
    ).model_to_string()
    linear = lightgbm.train(
        {**PLAIN, "linear_tree": True}, lightgbm.Dataset(np.nan_to_num(x), label=y, params={"linear_tree": True}), 2
    ).model_to_string()
    assert [tree_shap(text) for text in (forest, classes, linear)] == [None, None, None]


@pytest.mark.parametrize(
    ("found", "put"),
    [
        (r"decision_type=\d+", "decision_type=12"),
        (r"decision_type=\d+", "decision_type=16"),
        (r"decision_type=\d+", "decision_type=x"),
        (r"leaf_count=\d+", "leaf_count=0"),
        (r"internal_count=\d+", "internal_count=-3"),
        (r"leaf_count=\d+ ", "leaf_count="),
        (r"leaf_count=", "leaf_counts="),
        (r"leaf_value=\S+", "leaf_value=nan"),
        (r"leaf_value=\S+", "leaf_value=inf"),
        (r"threshold=\S+", "threshold=nan"),
        (r"left_child=\S+", "left_child=900"),
        (r"left_child=\S+", "left_child=0"),
        (r"left_child=\S+ \S+", "left_child=2 2"),
        (r"split_feature=\S+", "split_feature=6"),
        (r"split_feature=\S+", "split_feature=1.5"),
        (r"num_cat=\d+", "num_cat=0"),
        (r"cat_boundaries=0 \d+", "cat_boundaries=1 0"),
        (r"is_linear=0", "is_linear=1"),
        (r"is_linear=0\n", ""),
        (r"end of trees", "end"),
        (r"version=v4", "version=v9"),
        (r"num_class=1\n", ""),
        (r"feature_names", "average_output\nfeature_names"),
        (r"^tree\n", "forest\n"),
        (r"(?s)\nTree=.*end of trees", "end of trees"),
    ],
)
def test_a_text_that_is_not_understood_has_no_tables(found, put):
    x, y = made(600)
    x[:, :5] = 0.0  # splits on the category alone would not show thresholds: give it one number
    x[:, 1] = np.arange(600.0) % 37
    text = trained(x, y, rounds=3, cat_smooth=1.0, min_data_per_group=3)
    assert tree_shap(text) is not None
    first_tree = text.index("Tree=0") if "leaf" in found or "_child" in found else 0
    changed = text[:first_tree] + re.sub(found, put, text[first_tree:], count=1)
    assert changed != text
    assert tree_shap(changed) is None
