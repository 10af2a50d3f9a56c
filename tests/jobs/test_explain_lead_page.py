"""The page about one lead: whatever a CRM holds stands on it as text, and touches are told in words."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest

from crm_ml.errors import UsageError
from crm_ml.jobs.explain_lead import LeadExplanation
from crm_ml.jobs.explain_lead_page import STAGES, TOUCHES, event_word, page_html, write_page
from crm_ml.jobs.settings import Settings, Workspace
from crm_ml.tables.schemas import SCHEMAS

EVIL = '<script>alert("x")</script>'


class Seen(HTMLParser):
    """The tags and the text of a page; complains of a tag that is closed in the wrong place."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if self.open[-1:] != ["style"] else ""


def explained(**changed: object) -> LeadExplanation:
    reasons = [
        {"group": "lead_answers", "text_de": "Hat uns geantwortet.", "text_en": "Replied to us.", "contribution": 0.6},
        {"group": "rest", "text_de": EVIL, "text_en": EVIL, "contribution": -0.2},
    ]
    at = pd.to_datetime(["2026-02-01 09:05", "2026-02-02 10:00", "2026-02-03 11:30"])
    values = {
        "as_of": dt.date(2026, 3, 2),
        "lead_id": "L1",
        "p_win": 0.42,
        "grade": "A",
        "expected_value": 8_400.0,
        "base": -1.0,
        "margin": -0.6,
        "p_base": 0.2,
        "reasons": tuple(reasons),
        "contributions": (),
        "history": pd.DataFrame({"as_of": at, "p_win": [0.1, 0.2, 0.42]}),
        "touches": pd.DataFrame({"at": at, "what": ["pricing_view", "sql", EVIL], "is_stage": [False, True, False]}),
        "notes": ("waits_for_us",),
        "horizon_days": 90,
        "model_version": "7",
        "model_kind": "lightgbm",
        "model_sha256": "0" * 64,
        "train_as_of": dt.date(2026, 2, 1),
        "language": "de",
    }
    return LeadExplanation(**{**values, **changed})


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "de",
            ["02.03.2026", "Preise angesehen", "Stufe: SQL", "Wartet auf eine Antwort von uns.", "01.02.2026, 09:05"],
        ),
        ("en", ["2 March 2026", "viewed the prices", "stage: SQL", "Waits for an answer from us.", "boosted trees"]),
    ],
)
def test_the_page_tells_in_words_and_lets_nothing_in(language, words):
    page = page_html(explained(language=language, lead_id=f"L{EVIL}"), b"png")
    seen = Seen(page)
    assert seen.open == []
    assert [word for word in words if word not in seen.text] == []
    assert "script" not in seen.tags
    # the id, the reason and the kind of touch stand there as they are, as text
    assert seen.text.count("alert(") >= 3
    assert re.findall(r"pricing_view|reply_sent|waits_for_us|kund|customer|risik|\brisk", page, re.IGNORECASE) == []
    assert re.findall(r'(?:src|href)="(?!data:image/png)', page) == []


def test_every_kind_of_touch_and_every_stage_has_a_word():
    for table, column, known in (("lead_events", "kind", TOUCHES), ("lead_stages", "stage", STAGES)):
        (values,) = [one.values for one in SCHEMAS[table].columns if one.name == column]
        assert set(values) == set(known)
    assert event_word("site_visit", "de") == "site visit"
    # a firm's own kind of touch is no stage though it has the name of one
    assert (event_word("won", "de"), event_word("won", "de", is_stage=True)) == ("won", "Gewonnen")


@pytest.mark.parametrize(
    ("target", "words"), [("won", "Gewinn"), ("sql", "zum SQL zu werden"), ("opportunity", "auf eine Verkaufschance")]
)
def test_the_chance_is_that_of_the_target(target, words):
    assert words in Seen(page_html(explained(target=target), b"")).text


def test_a_long_story_is_cut_and_says_so_and_an_empty_one_too():
    at = pd.date_range("2026-01-01", periods=70, freq="h")
    long = pd.DataFrame({"at": at, "what": "email_open", "is_stage": False})
    text = Seen(page_html(explained(touches=long), b"")).text
    assert text.count("E-Mail geöffnet") == 40
    assert "die letzten 40 von 70" in text
    assert "Bis zu diesem Tag ist nichts vermerkt." in Seen(page_html(explained(touches=long.iloc[:0]), b"")).text


def test_the_page_and_its_picture_are_written(tmp_path):
    workspace = Workspace(tmp_path, Settings.model_construct())
    result = write_page(explained(lead_id="../L1"), workspace, None)
    assert result.page == tmp_path / "explained" / "2026-03-02-lead-%2E.%2FL1" / "index.html"
    assert {path.name for path in result.page.parent.iterdir()} == {"index.html", "waterfall.png"}
    other = write_page(replace(result, page=None), workspace, tmp_path / "mine")
    assert other.page.read_bytes() == result.page.read_bytes()
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="file is a file"):
        write_page(result, workspace, tmp_path / "file")
