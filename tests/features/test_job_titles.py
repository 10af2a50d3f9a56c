"""Job titles: the hand-made sets, and what must not change the answer."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.features.job_titles import (
    FUNCTIONS,
    MAX_LENGTH,
    SENIORITIES,
    UNKNOWN,
    JobTitle,
    normalise_title,
    normalise_titles,
)
from crm_ml.tables.synth.lead_words import TITLES

NOTHING = JobTitle(UNKNOWN, UNKNOWN)


def read_set(name: str) -> dict[str, JobTitle]:
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as file:
        return {row["title"]: JobTitle(row["function"], row["seniority"]) for row in csv.DictReader(file)}


FIRST, SECOND = read_set("job_titles.csv"), read_set("job_titles_second.csv")
HELD_BACK, THIRD = read_set("job_titles_held_back.csv"), read_set("job_titles_third.csv")
ALL = sorted({**FIRST, **SECOND, **HELD_BACK, **THIRD})
some_title = st.sampled_from(ALL)


# the two held-back sets were never looked at to change a rule, and must not be: measured at .963, .991 and .963 after
# the words were widened from general knowledge (before: .899, .927 and .872), and on first sight at .947, .980 and .941
@pytest.mark.parametrize(
    ("titles", "function", "seniority", "both"),
    [(FIRST, 0.99, 0.99, 0.99), (SECOND, 0.97, 0.97, 0.97), (HELD_BACK, 0.95, 0.97, 0.94), (THIRD, 0.94, 0.97, 0.93)],
    ids=["first", "second", "held back", "third"],
)
def test_share_of_right_answers(titles: dict[str, JobTitle], function: float, seniority: float, both: float) -> None:
    found = {title: normalise_title(title) for title in titles}
    assert np.mean([found[t].function == expected.function for t, expected in titles.items()]) >= function
    assert np.mean([found[t].seniority == expected.seniority for t, expected in titles.items()]) >= seniority
    assert np.mean([found[t] == expected for t, expected in titles.items()]) >= both


def test_the_sets_are_large_apart_and_in_the_vocabulary() -> None:
    assert len(FIRST) >= 300
    assert len(HELD_BACK) >= 100
    assert len(THIRD) >= 150
    sets = [FIRST, SECOND, HELD_BACK, THIRD]
    assert len(ALL) == sum(len(titles) for titles in sets)
    assert sum(expected == NOTHING for expected in THIRD.values()) >= len(THIRD) // 10
    named = [expected for titles in sets for expected in titles.values()]
    assert {title.function for title in named} == set(FUNCTIONS)
    assert {title.seniority for title in named} == set(SENIORITIES)


@pytest.mark.parametrize(
    ("title", "function", "seniority"),
    [
        # a superior named in the title does not promote
        ("Assistant to the CEO", "office", "assistant"),
        ("Referent der Geschäftsführung", "office", "specialist"),
        ("Mitglied der Geschäftsleitung", "management", "executive"),
        # the first named function wins, unless it says little
        ("Leiter Vertrieb und Marketing", "sales", "head"),
        ("Technischer Einkäufer", "purchasing", "specialist"),
        ("Kaufmännischer Leiter", "finance", "head"),
        ("Kaufmännischer Geschäftsführer", "management", "executive"),
        # words that only look like a rank or a function
        ("Einkäufer Leiterplatten", "purchasing", "specialist"),
        ("Entwicklungsingenieurin Halbleiter", "engineering", "specialist"),
        ("Product Owner", "it", "specialist"),
        ("HR Business Partner", "hr", "specialist"),
        ("Ausbildungsleiter", "hr", "head"),
        ("Hausmeister", "maintenance", "specialist"),
        ("Sales Manager", "sales", "specialist"),
        ("Purchasing Manager", "purchasing", "lead"),
    ],
)
def test_worked_out(title: str, function: str, seniority: str) -> None:
    assert normalise_title(title) == JobTitle(function, seniority)


@pytest.mark.parametrize(
    "text", [None, "", " ", "-", "n/a", "test", "asdf", "0815", "Frau Müller", "主任", "\x00", "🙂"]
)
def test_what_is_no_title_is_unknown(text: str | None) -> None:
    assert normalise_title(text) == NOTHING


def test_a_text_longer_than_a_title_is_unknown() -> None:
    title = "Leiter Einkauf".ljust(MAX_LENGTH, "!")
    assert normalise_title(title) == JobTitle("purchasing", "head")
    assert normalise_title(title + "!") == NOTHING
    # would take minutes if it were composed first
    assert normalise_title("a" + "\u0301\u0323" * 1_000_000) == NOTHING


def test_every_title_of_the_synthetic_firm_says_something() -> None:
    titles = [title for levels in TITLES.values() for level in levels for language in level for title in language]
    nothing = [title for title in titles if normalise_title(title) == NOTHING]
    assert nothing == []


def test_many_titles_are_read_in_their_order_and_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    from crm_ml.features import job_titles

    read = []
    monkeypatch.setattr(job_titles, "normalise_title", lambda text: read.append(text) or normalise_title(text))
    values = pd.Series(["Buyer", None, "CEO", "Buyer", "CEO"])
    assert normalise_titles(values) == (
        ["purchasing", UNKNOWN, "management", "purchasing", "management"],
        ["specialist", UNKNOWN, "executive", "specialist", "executive"],
    )
    assert len(read) == 3
    assert normalise_titles([]) == ([], [])
    assert normalise_titles(np.array(["CEO", np.nan], dtype=object)) == (
        ["management", UNKNOWN],
        ["executive", UNKNOWN],
    )


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80) | st.text(alphabet="aeinrtLGF.&/-()?:*ÄöüßÃ¤\u0308 ", max_size=300))
def test_any_text_gets_an_answer_and_its_composition_does_not_matter(text: str) -> None:
    found = normalise_title(text)
    assert found.function in FUNCTIONS
    assert found.seniority in SENIORITIES
    for form in ("NFC", "NFD"):
        assert normalise_title(unicodedata.normalize(form, text)) == found


@pytest.mark.parametrize("title", [title for title in ALL if "Ã" not in title])
def test_writing_does_not_matter(title: str) -> None:
    found = normalise_title(title)
    written_out = title
    for umlaut, plain in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("Ä", "Ae"), ("Ö", "Oe"), ("Ü", "Ue")):
        written_out = written_out.replace(umlaut, plain)
    lost = "".join(c for c in unicodedata.normalize("NFD", title) if not unicodedata.combining(c))
    for other in (title.upper(), title.lower(), written_out, lost, f"\t{title}\u00a0", title.replace(" ", "   ")):
        assert normalise_title(other) == found, other


@settings(max_examples=200, deadline=None)
@given(some_title, st.sampled_from(["(m/w/d)", "(w/m/d)", "m/w/d", "(M/F/D)", "(m|w|d)", "(m, w, d)", "(gn)"]))
def test_a_gender_suffix_does_not_matter(title: str, suffix: str) -> None:
    assert normalise_title(f"{title} {suffix}") == normalise_title(title)


@pytest.mark.parametrize("sign", ["/", ":", "*", "_", "/-", "("])
@pytest.mark.parametrize("title", ["Leiter{} Einkauf", "Einkäufer{}", "Vertriebsmitarbeiter{} Nord", "Ingenieur{}"])
def test_gendered_forms_are_the_plain_form(title: str, sign: str) -> None:
    ending = f"{sign}in" + ")" * (sign == "(")
    assert (
        normalise_title(title.format(ending))
        == normalise_title(title.format(""))
        == normalise_title(title.format("in"))
    )


def test_the_vocabulary_means_itself() -> None:
    assert [normalise_title(function).function for function in FUNCTIONS] == list(FUNCTIONS)
    assert [normalise_title(seniority).seniority for seniority in SENIORITIES] == list(SENIORITIES)
