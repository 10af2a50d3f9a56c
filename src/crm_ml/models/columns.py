"""The fixed column contract: features by name, categories as codes, whatever is unknown as missing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_ml import names
from crm_ml.errors import DataError, Finding, did_you_mean

FloatArray = NDArray[np.float64]
Encoded = Mapping[str, FloatArray]
Kind = Literal["number", "category"]

MIN_CUSTOMERS_PER_LEVEL = 5
MAX_LEVELS = 200
EMPTY, CONSTANT, DUPLICATE = "empty", "constant", "duplicate"
"""Why a feature is left out of a training."""
_MAP_TABLES = "Map the tables they come from if you want them."
_NOTHING_LOST = "Nothing to do: nothing is lost."
_READ_BY_NAME = frozenset(
    (
        names.DAYS_SINCE_LAST_ORDER,
        names.DAYS_SINCE_FIRST_ORDER,
        names.DAYS_SINCE_LAST_ORDER_OVER_OWN_GAP,
        names.ORDER_DAYS_COUNT,
        names.ORDER_GAP_DAYS_MEAN,
        names.ORDERS_COUNT_365D,
        names.NET_REVENUE_365D,
        "lead_source",
        "lead_stage_rank",
    )
)
_NAME = re.compile(r"[A-Za-z0-9_.\-]+")


@dataclass(frozen=True)
class Column:
    """One feature: its id, whether it is a number or a category, and the category levels known from training."""

    id: str
    kind: Kind
    levels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ColumnContract:
    """The ordered features a model was fitted on.

    Examples
    --------
    >>> contract = ColumnContract((Column("x", "number"), Column("country", "category", ("AT", "DE"))))
    >>> frame = pd.DataFrame({"country": ["DE", "FR", None], "other": 1, "x": [1.0, float("nan"), 3.0]})
    >>> {name: values.tolist() for name, values in contract.encode(frame).items()}
    {'x': [1.0, nan, 3.0], 'country': [1.0, nan, nan]}
    """

    columns: tuple[Column, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Feature ids in order."""
        return tuple(column.id for column in self.columns)

    @property
    def categories(self) -> tuple[str, ...]:
        """Ids of the category features."""
        return tuple(column.id for column in self.columns if column.kind == "category")

    def only(self, ids: Iterable[str]) -> ColumnContract:
        """Return the contract of the named features, in this contract's order."""
        wanted = set(ids)
        return ColumnContract(tuple(column for column in self.columns if column.id in wanted))

    def encode(self, frame: pd.DataFrame) -> dict[str, FloatArray]:
        """Return each feature as float64 by name; missing, infinite and unknown values are NaN.

        The arrays are read-only: a column of finite float64 values is the frame's own memory, not a copy.

        Raises
        ------
        DataError
            If a feature is missing, stands there twice, or holds text where numbers are expected.
        """
        missing = [name for name in self.ids if name not in frame.columns]
        if missing:
            hint = did_you_mean(missing[0], map(str, frame.columns))
            shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            raise DataError(
                f"The model needs {len(self.ids)} features; missing: {shown}.{hint}",
                remedy="Build the features with the catalogue the model was trained with, or train again",
                code="missing_feature",
            )
        return {column.id: _encode(frame[column.id], column) for column in self.columns}

    def as_json(self) -> list[dict[str, Any]]:
        """Return plain JSON-ready values."""
        return [
            {"id": c.id, "kind": c.kind, "dtype": "float64" if c.kind == "number" else "str", "levels": list(c.levels)}
            for c in self.columns
        ]


def _encode(values: Any, column: Column) -> FloatArray:
    if isinstance(values, pd.DataFrame):
        raise DataError(
            f"Each feature must stand once; {column.id} stands {values.shape[1]} times",
            remedy="Remove the repeated columns.",
            code="duplicate_column",
        )
    if column.kind == "category":
        codes = pd.Index(list(column.levels), dtype=object).get_indexer(pd.Index(values.astype(object)))
        return _read_only(np.where(codes < 0, np.nan, codes).astype(np.float64))
    try:
        numbers = _numbers(values)
    except (TypeError, ValueError) as error:
        examples = [v for v in values.dropna().unique() if isinstance(v, str)][:5]
        raise DataError(
            f"Feature {column.id} must hold numbers; found {', '.join(map(repr, examples)) or values.dtype}",
            remedy="Give it as float64, or train again if it has become a category.",
            code="not_a_number",
        ) from error
    infinite = np.isinf(numbers)
    return _read_only(np.where(infinite, np.nan, numbers) if infinite.any() else numbers)


def _numbers(values: pd.Series[Any]) -> FloatArray:
    if values.dtype == np.float64:
        return np.ascontiguousarray(values.to_numpy())
    numbers = pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)
    return np.array(numbers, dtype=np.float64, order="C")


def _read_only(values: FloatArray) -> FloatArray:
    view = values.view()
    view.flags.writeable = False
    return view


def is_text(values: pd.Series[Any]) -> bool:
    """Return whether a feature is a category: it has values, and all of them are texts."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return False
    present = values.dropna()
    return len(present) > 0 and all(isinstance(v, str) for v in present.unique())


def _levels(values: pd.Series[Any], customers: pd.Series[Any]) -> tuple[str, ...]:
    pairs = pd.DataFrame({"level": values.astype(object).to_numpy(), "customer": customers.astype(str).to_numpy()})
    counts = pairs.dropna().drop_duplicates().groupby("level").size()
    counts = counts[counts >= MIN_CUSTOMERS_PER_LEVEL].sort_index().sort_values(ascending=False, kind="stable")
    return tuple(sorted(str(level) for level in counts.index[:MAX_LEVELS]))


@dataclass(frozen=True)
class Selection:
    """The contract of the usable features, and why each of the others was left out: empty, constant or duplicate."""

    contract: ColumnContract
    left_out: Mapping[str, str]

    def findings(self) -> list[Finding]:
        """Return one note per reason."""
        told = (
            ("empty_features", "have no value in the training rows", EMPTY, _MAP_TABLES),
            ("constant_features", "have one value only in the training rows", CONSTANT, _MAP_TABLES),
            ("duplicate_features", "say in every training row exactly what another one says", DUPLICATE, _NOTHING_LOST),
        )
        found = []
        for code, what, reason, remedy in told:
            names = [name for name, why in self.left_out.items() if why.startswith(reason)]
            if names:
                shown = [f"{name} ({self.left_out[name]})" for name in names] if reason == DUPLICATE else names
                message = f"{len(names)} features {what} and were left out"
                found.append(Finding("info", code, message, remedy, count=len(names), examples=shown))
        return found


def select_columns(frame: pd.DataFrame, features: Sequence[str], customers: pd.Series[Any]) -> Selection:
    """Return which features can be learnt from.

    A feature without any value, with a single value, or with exactly the values of an earlier one is dropped; what the
    rules and the logistic regression read is never the duplicate. Category levels held by fewer than five customers are
    not stored: they cannot be learnt from, and a model file must not name single persons.

    Raises
    ------
    DataError
        If a feature's name could not be stored safely.

    Examples
    --------
    >>> frame = pd.DataFrame({"x": [1.0, 2.0], "again": [1.0, 2.0], "same": [3.0, 3.0]})
    >>> select_columns(frame, ["x", "again", "same"], pd.Series(["a", "b"])).left_out
    {'again': 'duplicate of x', 'same': 'constant'}
    """
    unsafe = [name for name in features if not _NAME.fullmatch(name)]
    if unsafe:
        raise DataError(
            f"Feature ids must be made of ASCII letters, digits and _ . -; found {', '.join(map(repr, unsafe[:5]))}",
            remedy="Rename these features.",
            code="bad_feature_name",
        )
    usable: dict[str, Column] = {}
    left_out: dict[str, str] = {}
    seen: dict[tuple[object, ...], str] = {}
    # those that others read by name come first, so that they are never the duplicate
    for name in sorted(features, key=lambda name: name not in _READ_BY_NAME):
        values = frame[name]
        column = Column(name, "category", _levels(values, customers)) if is_text(values) else Column(name, "number")
        codes = _encode(values, column)
        present = codes[~np.isnan(codes)]
        if present.size == 0:
            left_out[name] = EMPTY
        elif present.size == codes.size and present.min() == present.max():
            left_out[name] = CONSTANT
        else:
            key = (column.kind, column.levels, _digest(codes))
            if key in seen and name not in _READ_BY_NAME:
                left_out[name] = f"{DUPLICATE} of {seen[key]}"
            else:
                seen.setdefault(key, name)
                usable[name] = column
    columns = tuple(usable[name] for name in features if name in usable)
    return Selection(ColumnContract(columns), {name: left_out[name] for name in features if name in left_out})


def _digest(codes: FloatArray) -> bytes:
    # one zero and one missing value, not several
    plain = np.where(np.isnan(codes), np.nan, codes + 0.0)
    return hashlib.sha256(plain.tobytes()).digest()


def learn_columns(
    frame: pd.DataFrame, features: Sequence[str], customers: pd.Series[Any]
) -> tuple[ColumnContract, list[Finding]]:
    """Return the contract of the usable features, and findings that name those dropped; see `select_columns`.

    Examples
    --------
    >>> frame = pd.DataFrame({"x": [1.0, 2.0], "empty": [None, None], "same": [3.0, 3.0]})
    >>> contract, findings = learn_columns(frame, ["x", "empty", "same"], pd.Series(["a", "b"]))
    >>> contract.ids, [(f.code, f.count, f.examples) for f in findings]
    (('x',), [('empty_features', 1, ('empty',)), ('constant_features', 1, ('same',))])
    """
    selection = select_columns(frame, features, customers)
    return selection.contract, selection.findings()
