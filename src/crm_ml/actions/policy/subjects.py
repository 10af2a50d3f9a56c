"""What rules look at, as arrays: the columns of the subjects, missing ones unknown, strange values unknown."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml.actions.policy.schema import TIERS
from crm_ml.errors import Finding, UsageError

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[Any]

NEEDED = ("subject_type", "subject_id", "p", "risk_tier", "value_at_stake", "priority")
BASES = ("consent", "existing_customer", "none", "unknown")
UNKNOWN = "unknown"
_ADDRESS = re.compile(r"^[^@\s]+@[^@\s]+\Z")
# beyond ASCII, blanks and digits are not the same for both
_PLAIN_ADDRESS = r"^[\t-\r\x1c- ]*[^@\t-\r\x1c- ]+@[^@\t-\r\x1c- ]+[\t-\r\x1c- ]*$"
_DIGITS = re.compile(r"\d\D*\d\D*\d")


@dataclass(frozen=True)
class Coded:
    """Values of which few differ: for each the place of its value among those that differ."""

    codes: npt.NDArray[np.intp]
    values: tuple[Any, ...]

    def mapped(self, value_of: Callable[[Any], Any]) -> Words:
        """Return a value for each value, computed once for each that differs."""
        found = np.empty(len(self.values), dtype=object)
        for at, value in enumerate(self.values):
            found[at] = value_of(value)
        return found[self.codes]


def coded(values: Words) -> Coded:
    """Return values by those that differ.

    Examples
    --------
    >>> coded(np.array(["a", None, "a"], object))
    Coded(codes=array([0, 1, 0]), values=('a', None))
    """
    plain = values.tolist()
    place = {value: at for at, value in enumerate(dict.fromkeys(plain))}
    return Coded(np.fromiter(map(place.__getitem__, plain), np.intp, len(plain)), tuple(place))


@dataclass(frozen=True)
class Subjects:
    """The table of subjects, column by column; what is computed once is kept."""

    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    def numbers(self, column: str) -> Floats:
        """Return a column as numbers, NaN where unknown; all unknown where there is no such column."""
        if column not in self._numbers:
            self._numbers[column] = self._read_numbers(column)
        return self._numbers[column]

    def _read_numbers(self, column: str) -> Floats:
        if column not in self.frame:
            return np.full(len(self), np.nan)
        return pd.to_numeric(self.frame[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)

    def flags(self, column: str) -> Mask:
        """Return where a column is true; unknown counts as false."""
        if column in self.frame and self.frame[column].dtype == np.bool_:
            return self.frame[column].to_numpy()
        return np.asarray(self._states(column) == "yes", dtype=bool)

    def words(self, column: str) -> Words:
        """Return a column as texts, None where unknown."""
        if column not in self._words:
            self._words[column] = self._read_words(column)
        return self._words[column]

    def _read_words(self, column: str) -> Words:
        if column not in self.frame:
            return np.full(len(self), None, dtype=object)
        values = self.frame[column].to_numpy(dtype=object, copy=True)
        values[pd.isna(values)] = None
        return values

    def _states(self, column: str) -> Words:
        words = pd.Series(self.words(column), dtype=object)
        return words.map({True: "yes", False: "no"}).fillna(UNKNOWN).to_numpy(dtype=object)

    @cached_property
    def _numbers(self) -> dict[str, Floats]:
        return {}

    @cached_property
    def _words(self) -> dict[str, Words]:
        return {}

    @cached_property
    def objects(self) -> Mask:
        """Who objects to profiling."""
        return self.flags("profiling_objection")

    @cached_property
    def natural_person(self) -> Words:
        """``yes``, ``no`` or ``unknown``."""
        return self._states("is_natural_person")

    @cached_property
    def basis(self) -> Words:
        """The marketing basis; ``unknown`` where it is missing or another word."""
        values = self.words("marketing_basis")
        return np.where(pd.Series(values).isin(BASES).to_numpy(), values, UNKNOWN)

    @cached_property
    def status(self) -> Words:
        """The state of the customer; active where it is missing."""
        values = self.words("status")
        return np.where(pd.isna(values), "active", values)

    @cached_property
    def complaint(self) -> Mask:
        """Who has an open complaint."""
        return self.flags("open_complaint")

    @cached_property
    def dispute(self) -> Mask:
        """Who has an open dispute."""
        return self.flags("open_dispute")

    @cached_property
    def notes(self) -> list[frozenset[str]]:
        """The notes of each."""
        if "notes" not in self.frame:
            return [frozenset()] * len(self)
        return [frozenset() if isinstance(each, float | None) else frozenset(each) for each in self.frame["notes"]]

    @cached_property
    def has_email(self) -> Mask:
        """Who has something that looks like an e-mail address."""
        return self._matches("email", _ADDRESS, _PLAIN_ADDRESS)

    @cached_property
    def has_phone(self) -> Mask:
        """Who has a phone number: at least three digits."""
        return self._matches("phone", _DIGITS, _DIGITS.pattern)

    @cached_property
    def held_until(self) -> Words:
        """The first day on which a subject may return, None where nothing holds it."""
        days = self.words("held_until")
        found = np.full(len(days), None, dtype=object)
        for at in np.flatnonzero(pd.notna(days)):
            found[at] = pd.Timestamp(days[at]).date()
        return found

    def held_after(self, as_of: dt.date) -> Mask:
        """Return who may not return on a day yet."""
        found = np.zeros(len(self), dtype=bool)
        for at in np.flatnonzero(pd.notna(self.held_until)):
            found[at] = as_of < self.held_until[at]
        return found

    def _matches(self, column: str, pattern: re.Pattern[str], plain: str) -> Mask:
        """Return where a text, without the blanks around it, matches; `plain` says the same of a whole ASCII text."""
        words = self.words(column)
        found, slow = np.zeros(len(words), bool), np.ones(len(words), bool)
        try:
            texts = pa.array(words, pa.string())
        except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
            pass  # no texts, or half a surrogate pair
        else:
            found = pc.match_substring_regex(texts, plain).fill_null(False).to_numpy(zero_copy_only=False).copy()
            slow = ~pc.string_is_ascii(texts).fill_null(True).to_numpy(zero_copy_only=False)
        found[slow] = [pattern.search(str(text or "").strip()) is not None for text in words[slow]]
        return found


def check_subjects(frame: pd.DataFrame, features: tuple[str, ...], as_of: dt.date) -> Subjects:
    """Return the subjects if the table can be decided on.

    Raises
    ------
    UsageError
        If columns are missing, or a value is outside what it may be: all faults at once.
    """
    findings, subjects = [], Subjects(frame)
    missing = [name for name in (*NEEDED, *features) if name not in frame.columns]
    if missing:
        message = f"the subjects of {as_of} must have the columns {', '.join(missing)}"
        remedy = "Give every column that the policy looks at; null where a value is not known."
        findings.append(Finding("error", "missing_column", message, remedy, count=len(missing), examples=missing))
    for name in ("p", "value_at_stake", "priority"):
        if name in frame.columns:
            values = subjects.numbers(name)
            bad = ~np.isfinite(values) | ((name == "p") & ~((values >= 0) & (values <= 1)))
            if bad.any():
                message = f"{name} must be a finite number{' in [0, 1]' if name == 'p' else ''} in each row"
                shown = frame[name][bad].tolist()
                findings.append(Finding("error", "bad_value", message, "Score again.", "", name, int(bad.sum()), shown))
    if "risk_tier" in frame.columns:
        strange = ~frame["risk_tier"].isin(TIERS)
        if strange.any():
            message, shown = f"risk_tier must be one of {', '.join(TIERS)}", frame["risk_tier"][strange].tolist()
            remedy = "Use `assign_tiers`."
            findings.append(Finding("error", "bad_value", message, remedy, "", "risk_tier", int(strange.sum()), shown))
    if findings:
        raise UsageError(
            "The subjects cannot be decided on: " + "; ".join(map(str, findings)),
            findings=findings,
            code="bad_subjects",
        )
    return subjects
