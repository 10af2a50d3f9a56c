"""The consent truth table of docs/policy.md: every combination, and the documented action for each."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from pathlib import Path

import pandas as pd
import pytest

from crm_ml.actions.policy import HELD_BY, decide, default_policy

PAGE = Path(__file__).parents[2] / "docs" / "policy.md"
DAY = dt.date(2026, 3, 2)
YES_NO = {"yes": True, "no": False}
DIMENSIONS = {
    "objects": YES_NO,
    "tier": {name: name for name in ("high", "medium", "low")},
    "complaint": YES_NO,
    "dispute": YES_NO,
    "cool-down runs": YES_NO,
    "e-mail address": YES_NO,
    "marketing basis": {
        "consent": "consent",
        "existing_customer": "existing_customer",
        "none": "none",
        "unknown": None,
    },
    "natural person": {"yes": True, "no": False, "unknown": None},
}
OPEN = "complaint or dispute"


def documented():
    """The rows of the table in the page: for each column the values meant, the action, and why it is withheld."""
    lines = PAGE.read_text(encoding="utf-8").split("<!-- truth table -->")[1].strip().splitlines()
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert head == [
        "objects",
        "tier",
        OPEN,
        "cool-down runs",
        "e-mail address",
        "marketing basis",
        "natural person",
        "action",
        "withheld because",
    ]
    for *cells, action, held_by in rows:
        meant = {
            name: None if cell == "any" else {word.strip(" `") for word in cell.split(",")}
            for name, cell in zip(head, cells, strict=False)
        }
        yield meant, action.strip("`"), held_by.strip("`") or None


def combinations():
    for case in itertools.product(*DIMENSIONS.values()):
        words = dict(zip(DIMENSIONS, case, strict=True))
        open_ = "yes" if "yes" in (words["complaint"], words["dispute"]) else "no"
        yield {**words, OPEN: open_}


def subject(words, number):
    seen = {name: values[words[name]] for name, values in DIMENSIONS.items()}
    return {
        "subject_type": "customer",
        "subject_id": f"{number:05d}",
        "p": {"high": 0.7, "medium": 0.4, "low": 0.1}[seen["tier"]],
        "risk_tier": seen["tier"],
        "value_at_stake": 10_000.0,
        "priority": 4_000.0,
        "phone": "0711 123",
        "email": "einkauf@example.org" if seen["e-mail address"] else None,
        "marketing_basis": seen["marketing basis"],
        "is_natural_person": seen["natural person"],
        "profiling_objection": seen["objects"],
        "open_complaint": seen["complaint"],
        "open_dispute": seen["dispute"],
        "last_action": "personal_talk" if seen["cool-down runs"] else None,
        "days_since_last_action": 5.0 if seen["cool-down runs"] else float("nan"),
    }


def test_every_combination_has_exactly_one_row_and_its_action():
    cases, table = list(combinations()), list(documented())
    assert len(cases) == 2 * 3 * 2 * 2 * 2 * 2 * 4 * 3
    done = decide(pd.DataFrame([subject(words, i) for i, words in enumerate(cases)]), default_policy(), as_of=DAY)
    used = set()
    for words, action, held_by in zip(cases, done["action"], done["held_by"], strict=True):
        rows = [
            number
            for number, (meant, _, _) in enumerate(table)
            if all(values is None or words[name] in values for name, values in meant.items())
        ]
        assert len(rows) == 1, f"{words}: rows {rows}"
        assert (action, held_by) == table[rows[0]][1:], words
        used |= set(rows)
    assert used == set(range(len(table)))


def test_the_words_of_the_table_exist():
    words = {name: set(values) for name, values in DIMENSIONS.items()} | {OPEN: set(YES_NO)}
    for meant, action, _ in documented():
        assert action in {"none", *default_policy().actions}
        for name, values in meant.items():
            assert values is None or values <= words[name]


@pytest.mark.parametrize("answer", ["done", "not_now", "wrong"])
def test_an_answer_withholds_every_action_of_the_table(answer):
    cases = [words for words in combinations() if words["objects"] == "no"]
    frame = pd.DataFrame([subject(words, i) for i, words in enumerate(cases)])
    free = decide(frame, default_policy(), as_of=DAY)
    held = decide(frame.assign(held_until=dt.date(2026, 3, 3), held_why=answer), default_policy(), as_of=DAY)
    assert (held["action"] == "none").all()
    assert held["rule"].equals(free["rule"])
    wanted = free["rule"] != "otherwise"
    name = {"done": "answered_done", "not_now": "snoozed", "wrong": "answered_wrong"}[answer]
    assert (held.loc[wanted, "held_by"] == name).all()
    assert held.loc[~wanted, "held_by"].isna().all()


def test_every_reason_to_withhold_is_explained():
    section = PAGE.read_text(encoding="utf-8").split("## Why an action is withheld")[1].split("\n## ")[0]
    rows = section.split("|---|---|\n")[1]
    assert tuple(re.findall(r"^\| `(\w+)` \|", rows, flags=re.MULTILINE)) == HELD_BY
