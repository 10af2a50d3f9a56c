"""Every feature of leads has a sentence in both languages, whatever its value; what raises the chance is good news."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_ml.features import LEAD_CATALOGUE
from crm_ml.features.job_titles import FUNCTIONS, SENIORITIES
from crm_ml.models.explain import texts_de_leads as german
from crm_ml.models.explain import texts_en_leads as english
from crm_ml.models.explain.tones import supported, tone_of
from crm_ml.models.explain.tones_leads import LEAD_LIMITS, WAITS
from crm_ml.models.explain.wording import sentence

FEATURES = {feature.id: feature for feature in LEAD_CATALOGUE}
IDS = list(FEATURES)
CATEGORIES = {id for id, feature in FEATURES.items() if feature.unit == "category"}
FLAGS = {"lead_free_mail", "lead_has_phone", "lead_has_company", "lead_is_customer"}
STAGES = {"lead_stage_rank", "lead_stage_rank_max"}
NUMBERS = [0.0, 1.0, 2.0, 3.0, 1.5, 0.037, 26.0, 90.0, 1234.5, 1e6, 1e18, -1.0, -100.0, None, math.nan, math.inf]
TEXTS = ["Messe", "x" * 300, "1000+", "purchasing", "head", "unknown", None, " "]
ONE = {
    True: {
        "Tag", "Minute", "Stunde", "Seite", "E-Mail", "Formular", "Webinar", "Termin", "Antwort", "Inhalt",
        "Ansprechperson", "Zeichen", "Stufe", "Anfrage", "offenen", "neuen", "Beschäftigten",
        "Bestellung",
    },
    False: {
        "day", "minute", "hour", "page", "of", "form", "webinar", "meeting", "reply", "piece", "contact", "sign",
        "stage", "lead", "open lead", "new lead", "employee", "order",
    },
}  # fmt: skip
"""Nouns that may follow a one, in German and in English."""
NUMERALS = {
    "de": {"einmal": "1", "zweimal": "2", "keine": "0"},
    "en": {"once": "1", "twice": "2", "no": "0"},
}


def values_of(id: str) -> list[float | str | None]:
    return TEXTS if id in CATEGORIES else NUMBERS


def said(id: str, value: float | str | None, *, since: float | None = None) -> list[str]:
    context = {} if since is None else dict.fromkeys(WAITS.values(), since)
    return [
        sentence(id, value, raises=raises, language=language, context=context, leads=True)
        for language in ("de", "en")
        for raises in (True, False)
    ]


def test_every_feature_has_texts_and_no_others_do():
    assert set(german.TEXTS) == set(english.TEXTS) == set(IDS)
    for id in IDS:
        assert set(german.TEXTS[id]) == set(english.TEXTS[id]), id
        assert "null" in german.TEXTS[id], id
    assert set(german.OWN) == set(english.OWN)
    assert set(german.REST) == set(english.REST)
    assert len(german.STAGES) == len(english.STAGES)


@pytest.mark.parametrize("id", IDS)
def test_values_read_as_sentences(id):
    for value in values_of(id):
        for since in (None, 40.0):
            for place, text in enumerate(said(id, value, since=since)):
                assert text[0].isupper() or text[0].isdigit() or text[0] == "-", text
                assert text.endswith("."), text
                assert ".." not in text, text
                assert "  " not in text, text
                assert not re.search(r"[{}<>_]|\b(nan|None|inf|Risiko|risk|Kunde|customer)\b", text), text
                assert len(text) < 140, text
                wrong = r"\d\.\d(?!\d\d)" if place < 2 else r"\d,\d(?!\d\d)"
                assert not re.search(wrong, text), text


def test_no_two_features_share_a_sentence():
    owner: dict[str, str] = {}
    for id in IDS:
        for value in [*values_of(id), 72.0, 2400.0]:
            if id in CATEGORIES and isinstance(value, float):
                continue
            for since in (None, 5000.0):
                for text in said(id, value, since=since):
                    assert owner.setdefault(text, id) == id, text


@given(st.sampled_from(sorted(set(IDS) - CATEGORIES)), st.one_of(st.none(), st.floats()), st.floats(allow_nan=True))
def test_any_number_gives_sentences(id, value, since):
    for text in said(id, value, since=since):
        assert text.endswith(".")
        assert not re.search(r"\bnan\b", text), text
        assert len(text) < 180


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("value", [1.0, 2.0, 3.4, 17.0, 123456.0])
def test_the_value_stands_in_the_sentence(value, language):
    for id in sorted(set(IDS) - CATEGORIES - FLAGS - STAGES):
        forms = [value * 100] if FEATURES[id].unit == "share" else [value]
        if FEATURES[id].unit in ("hours", "days"):
            days = value / 24 if FEATURES[id].unit == "hours" else value
            forms += [days, days / 30.44, days / 365.25]
        for raises in (True, False):
            text = sentence(id, value, raises=raises, language=language, leads=True)
            text = re.sub(r"(letzten|last|In|in) (3|7|14|30) (Tagen|Tage|days)", "", text)
            for word, numeral in NUMERALS[language].items():
                text = re.sub(rf"\b{word}\b", numeral, text)
            thousands, decimal = (".", ",") if language == "de" else (",", ".")
            found = [
                float(number.replace(thousands, "").replace(decimal, "."))
                for number in re.findall(r"\d[\d.,]*\d|\d", text)
            ]
            assert any(abs(number - form) <= max(0.051, (form >= 3) * 0.6) for number in found for form in forms), text


@pytest.mark.parametrize("id", sorted(set(IDS) - CATEGORIES))
def test_one_is_singular(id):
    values = (1.0, 1 / 60, 24.0 * 400, 24.0 * 365.25 * 3) if FEATURES[id].unit == "hours" else (1.0,)
    for value in values:
        for place, text in enumerate(said(id, value)):
            for noun in re.findall(r"(?<![\d.,])1 ((?:offene |neue |different |open |new )?[\w-]+)", text):
                assert noun in ONE[place < 2], text


@pytest.mark.parametrize(
    ("id", "value", "raises", "de", "en"),
    [
        ("lead_pricing_view_count_14d", 3, True, "Hat in den letzten 14 Tagen 3-mal die Preise angesehen.",
         "Has looked at the prices 3 times in the last 14 days."),
        ("lead_pricing_view_count_14d", 1, False, "Hat in den letzten 14 Tagen einmal die Preise angesehen.",
         "Has looked at the prices once in the last 14 days."),
        ("lead_call_count", 0, False, "Wir haben bisher nicht telefoniert.", "We have not talked on the phone so far."),
        ("lead_webinar_count", 2, True, "War bisher in 2 Webinaren.", "Has attended 2 webinars so far."),
        ("lead_interest_count_30d", 6, True, "Zeigt Interesse: in den letzten 30 Tagen 6-mal.",
         "Shows interest: 6 times in the last 30 days."),
        ("lead_interest_count_30d", 6, False, "Zeigte in den letzten 30 Tagen 6-mal Interesse.",
         "Has shown interest 6 times in the last 30 days."),
        ("lead_interest_count_30d", 1, False, "Zeigte in den letzten 30 Tagen nur einmal Interesse.",
         "Has shown interest only once in the last 30 days."),
        ("lead_hours_since_theirs", 26.4, True, "Bleibt dran: zuletzt vor 26 Stunden von sich aus aktiv.",
         "Keeps at it: last move 26 hours ago."),
        ("lead_hours_since_interest", 480, False, "Seit 20 Tagen kein Zeichen von Interesse mehr.",
         "No more sign of interest for 20 days."),
        ("lead_response_hours", 0.5, True, "Schnell beantwortet: nach 30 Minuten.",
         "Answered quickly: after 30 minutes."),
        ("lead_response_hours", 96, False, "Spät beantwortet: erst nach 4 Tagen.",
         "Answered late: only after 4 days."),
        ("lead_response_hours", -96, True, "Wir waren schon 4 Tage vor der Anfrage im Gespräch.",
         "We were in touch 4 days before the enquiry."),
        ("lead_response_hours", None, False, "Noch nicht beantwortet.", "Not answered yet."),
        ("lead_waiting_hours", 96, True, "Wurde 4 Tage nach unserem letzten Schritt wieder aktiv und wartet nun.",
         "Made a move 4 days after our last step and now waits."),
        ("lead_stage_rank", 3, True, "Schon weit gekommen: steht auf Stufe Chance.",
         "Has come far already: stands at stage opportunity."),
        ("lead_stage_days", 94, False, "Steht still: seit 94 Tagen auf derselben Stufe.",
         "Stands still: at the same stage for 94 days."),
        ("lead_source_won_share", 0.12, True, "Von Anfragen dieser Herkunft wurden bisher 12\xa0% gewonnen.",
         "Of leads from this source 12% have been won so far."),
        ("lead_company_size", "50-249", True,
         "Betrieb mit 50-249 Beschäftigten: Solche Anfragen werden öfter gewonnen.",
         "Company with 50-249 employees: such leads are won more often."),
        ("lead_company_size", "1000+", False,
         "Betrieb mit 1.000 oder mehr Beschäftigten: Solche Anfragen werden seltener gewonnen.",
         "Company with 1,000 or more employees: such leads are won less often."),
        ("lead_job_function", "purchasing", True, "Funktion Einkauf: Solche Anfragen werden öfter gewonnen.",
         "Function purchasing: such leads are won more often."),
        ("lead_job_seniority", "head", False, "Rang Bereichsleitung: Solche Anfragen werden seltener gewonnen.",
         "Rank head of an area: such leads are won less often."),
        ("lead_employees", 12345, True, "Betrieb mit 12.345 Beschäftigten.", "Company with 12,345 employees."),
        ("lead_replies_share", 1, False, "Im Mittel 1 Antwort auf jede von uns.",
         "1 reply to each of ours on average."),
        ("attribute_budget", "50 k", True, "Budget: 50 k (spricht für einen Abschluss).",
         "Budget: 50 k (speaks for winning)."),
        ("attribute_budget", 50.5, False, "Budget: 50,5 (spricht eher dagegen).",
         "Budget: 50.5 (rather speaks against it)."),
        ("attribute_budget", None, False, "Budget: nicht bekannt.", "Budget: not known."),
    ],
)  # fmt: skip
def test_sentences_by_hand(id, value, raises, de, en):
    assert sentence(id, value, raises=raises, language="de", leads=True) == de
    assert sentence(id, value, raises=raises, language="en", leads=True) == en


@pytest.mark.parametrize(
    ("id", "value", "since", "de"),
    [
        # the last move was theirs, 26 hours ago; ours was before it, or after it
        ("lead_hours_since_theirs", 26.0, 50.0, "Wartet seit 26 Stunden auf eine Reaktion von uns."),
        ("lead_hours_since_theirs", 480.0, 500.0, "Wartet seit 20 Tagen auf eine Reaktion von uns."),
        ("lead_hours_since_theirs", 480.0, 20.0, "Seit 20 Tagen nicht mehr von sich aus aktiv."),
        ("lead_hours_since_theirs", 480.0, math.nan, "Seit 20 Tagen nicht mehr von sich aus aktiv."),
        # never answered, and the enquiry came so long ago
        ("lead_response_hours", None, 26.0, "Wartet seit 26 Stunden auf eine erste Antwort."),
        ("lead_response_hours", None, math.nan, "Noch nicht beantwortet."),
        ("lead_response_hours", 5.0, 26.0, "Nach 5 Stunden beantwortet."),
    ],
)
def test_who_waits_for_us_is_said_where_it_is_known(id, value, since, de):
    assert sentence(id, value, raises=False, language="de", context={WAITS[id]: since}, leads=True) == de


def test_what_raises_the_chance_is_good_news():
    assert set(LEAD_LIMITS) <= set(IDS)
    for id, limits in LEAD_LIMITS.items():
        direction = FEATURES[id].direction
        assert direction == {"low": 1, "high": -1}[limits.worse] or id == "lead_age_hours", id
        for value in (0.0, 0.2, 1.0, 3.0, 10.0, 50.0, 2000.0):
            assert tone_of(id, value, raises=True) in ("good", ""), id
            assert tone_of(id, value, raises=False) in ("bad", ""), id
            assert not (tone_of(id, value, raises=True) and tone_of(id, value, raises=False)), id
    assert tone_of("lead_response_hours", 30, raises=False) == "bad"
    assert tone_of("lead_response_hours", 30, raises=True) == ""


def test_tone_for_many_values_is_the_tone_of_each():
    values = np.array([0.0, 0.3, 1.0, 2.0, 5.0, 40.0, 2000.0, np.nan])
    for id in IDS:
        for raises in (True, False):
            found = supported(id, values, None, raises=raises).tolist()
            assert found == [tone_of(id, v, raises=raises) != "" for v in values.tolist()], id


def test_the_packages_own_codes_have_names():
    assert tuple(german.NAMES["lead_job_function"]) == FUNCTIONS
    assert tuple(german.NAMES["lead_job_seniority"]) == SENIORITIES
    assert set(english.NAMES["lead_job_function"]) <= set(FUNCTIONS)
    assert set(english.NAMES["lead_job_seniority"]) <= set(SENIORITIES)
    # a firm's own text is left as it is, though it may be called like one of our codes
    assert sentence("lead_source", "sales", raises=True, language="de", leads=True).startswith("Herkunft sales:")
