"""Sentences about features: the value stands in them, no two features share one, and they say good things of good."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crm_ml.errors import UsageError
from crm_ml.features import CATALOGUE, AttributeFeature, Feature, add_feature, remove_feature
from crm_ml.models.explain import texts_de, texts_en
from crm_ml.models.explain.tones import LIMITS, NOW, USUAL, supported, tone_of
from crm_ml.models.explain.wording import CONTEXT_FEATURES, sentence, texts_of

IDS = [feature.id for feature in CATALOGUE]
NUMBERS = [0.0, 1.0, 2.0, 1.5, 1234567.89, 5.0, 30.0, 90.0, 365.0, 0.25, 0.5, 12.0, 1e18]
BESIDE = dict(zip(sorted(CONTEXT_FEATURES), np.linspace(7, 90, len(CONTEXT_FEATURES)).tolist(), strict=True))
WORDS = {
    "de": {0: r"kein|heute|immer gleich|genau|nicht|ohne|nie|null|wie im|nichts|mehrmals|beginnt|sofort",
           1: r"einmal|jeden Tag|so lang|so hoch|so groß|gleich viele", 2: r"zweimal|doppelt"},
    "en": {0: r"\bno\b|none|nothing|today|equal|exactly|not|zero|as in|several|begun|at once|without",
           1: r"once|every day|as long as|as high as|as large as|as many", 2: "twice"},
}  # fmt: skip


def said(id: str, value: float | str | None, *, beside: bool = False) -> list[str]:
    context = {other: known for other, known in BESIDE.items() if other != id} if beside else {}
    return [
        sentence(id, value, raises=raises, language=language, context=context)
        for language in ("de", "en")
        for raises in (True, False)
    ]


def test_every_feature_has_texts_of_its_own_in_both_languages() -> None:
    for id in IDS:
        for language in ("de", "en"):
            texts = texts_of(id, language)
            assert texts is not None, id
            assert "null" in texts, id
            assert all(text.endswith(".") and "  " not in text for text in texts.values()), id
    for book in (texts_de.TEXTS, texts_en.TEXTS):
        used = {stem for stem in book if any(id == stem or re.fullmatch(rf"{stem}_\d+d", id) for id in IDS)}
        assert set(book) == used
    assert {id: set(texts) for id, texts in texts_de.TEXTS.items()} == {
        id: set(texts) for id, texts in texts_en.TEXTS.items()
    }


def test_no_two_features_share_a_sentence() -> None:
    owner: dict[str, str] = {}
    for feature in CATALOGUE:
        values = ["DE", None] if feature.unit == "category" else [*NUMBERS, -1.0, -2.5, None]
        for value in values:
            for text in (*said(feature.id, value), *said(feature.id, value, beside=True)):
                assert owner.setdefault(text, feature.id) == feature.id, text


@given(st.sampled_from(IDS), st.sampled_from(IDS), st.floats(-500, 5000), st.floats(-500, 5000))
@example("orders_count_90d_ago_275d", "orders_count_trend_90d", 0.0, 2.2250738585e-313)
@example("days_since_last_order_over_own_gap", "orders_count_30d", 2.2250738585e-313, 0.0)
def test_no_two_features_share_a_sentence_at_any_values(one: str, other: str, x: float, y: float) -> None:
    if one != other:
        assert not set(said(one, x)) & set(said(other, y))
        assert not set(said(one, x, beside=True)) & set(said(other, y, beside=True))


def shown_forms(unit: str, value: float, *, ratio: bool) -> list[float]:
    """The numbers one of which must stand in the text, worked out apart from the code that writes them."""
    if unit == "share":
        return [value * 100]
    forms = [value, value * 100, abs(value - 1) * 100] if ratio else [value]
    if unit == "days":
        forms += [value / 30.44, value / 365.25]
    return [*forms, value / 24] if unit == "hours" else forms


def numbers_in(text: str, language: str) -> list[float]:
    thousands, decimal = (".", ",") if language == "de" else (",", ".")
    found = re.findall(rf"\d{{1,3}}(?:\{thousands}\d{{3}})+(?:\{decimal}\d+)?|\d+(?:\{decimal}\d+)?", text)
    return [float(number.replace(thousands, "").replace(decimal, ".")) for number in found]


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("value", [0.0, 1.0, 2.0, 1.5, 3.4, 17.0, 1234567.89])
def test_the_value_stands_in_the_sentence(value: float, language: str) -> None:
    for feature in CATALOGUE:
        if feature.unit == "category" or feature.family == "calendar":
            continue
        for raises in (True, False):
            text = sentence(feature.id, value, raises=raises, language=language)
            for words in ("90 Tagen", "90 days", "30 Tagen", "30 days", "180 Tagen", "180 days", "12 Mon", "12 mon"):
                text = text.replace(words, "")
            forms = shown_forms(feature.unit, value, ratio=feature.unit == "ratio")
            found = numbers_in(text, language)
            stands = any(
                abs(number - form) <= max(0.051, 0.005 * form) + (form >= 3) * 0.5 for number in found for form in forms
            )
            word = WORDS[language].get(int(value)) if value == int(value) else None
            assert stands or (word and re.search(word, text, re.IGNORECASE)), (feature.id, text)


@pytest.mark.parametrize("id", IDS)
def test_no_ids_no_technical_words(id: str) -> None:
    for value in (*NUMBERS, None):
        for text in said(id, value, beside=True):
            assert "_" not in text
            assert not re.search(r"\b(log|logit|shap|nan|None(?! of)|inf|feature|Merkmal)\b|[{}]", text), text
            assert text[0].isupper() or text[0].isdigit() or text[0] in "-€"
            assert text.endswith(".")
            assert ".." not in text


@pytest.mark.parametrize(
    ("id", "value", "raises", "de", "en"),
    [
        ("orders_count_90d", 5, False, "Bestellt regelmäßig: 5 Bestellungen in den letzten 90 Tagen.",
         "Orders regularly: 5 orders in the last 90 days."),
        ("orders_count_90d", 5, True, "5 Bestellungen in den letzten 90 Tagen.", "5 orders in the last 90 days."),
        ("orders_count_90d", 1, True, "Nur 1 Bestellung in den letzten 90 Tagen.",
         "Only 1 order in the last 90 days."),
        ("orders_count_90d", 0, True, "Keine Bestellung in den letzten 90 Tagen.", "No orders in the last 90 days."),
        ("invoices_days_late_mean_365d", -2, False,
         "Zahlt pünktlich: in den letzten 12 Monaten im Mittel 2 Tage vor Fälligkeit.",
         "Pays on time: 2 days before the due date on average in the last 12 months."),
        ("invoices_days_late_mean_365d", 12, True,
         "Zahlt spät: in den letzten 12 Monaten im Mittel 12 Tage nach Fälligkeit.",
         "Pays late: 12 days after the due date on average in the last 12 months."),
        ("invoices_days_late_mean_365d", 12, False,
         "Zahlte in den letzten 12 Monaten im Mittel 12 Tage nach Fälligkeit.",
         "Paid 12 days after the due date on average in the last 12 months."),
        ("invoices_open_amount", 12340.2, True, "Offener Rechnungsbetrag: 12.340\xa0€.",
         "Open invoice amount: €12,340."),
        ("industry", "Bau", True, "Branche Bau: Solche Kunden gehen eher verloren.",
         "Industry Bau: such customers are lost more often."),
        ("legal_form", None, True, "Rechtsform nicht bekannt.", "Legal form not known."),
        ("season_cos", -0.9, True, "Jahreszeit: Im Sommerhalbjahr setzen Kunden eher mit Bestellungen aus.",
         "Time of year: customers are more likely to stop ordering in the summer half-year."),
    ],
)  # fmt: skip
def test_good_bad_and_neutral(id: str, value: float | str | None, raises: bool, de: str, en: str) -> None:
    assert sentence(id, value, raises=raises, language="de") == de
    assert sentence(id, value, raises=raises, language="en") == en


@pytest.mark.parametrize(
    ("id", "value", "context", "de"),
    [
        ("days_since_last_order", 12, {"order_gap_days_mean": 31.2},
         "Im gewohnten Rhythmus: letzte Bestellung vor 12 Tagen, sonst alle 31 Tage."),
        ("days_since_last_order", 12, {"order_gap_days_mean": math.nan},
         "Hat kürzlich bestellt: letzte Bestellung vor 12 Tagen."),
        ("days_since_last_order", 12, {"order_gap_days_mean": 0.5},
         "Hat kürzlich bestellt: letzte Bestellung vor 12 Tagen."),
        ("orders_count_90d", 3, {"orders_count_365d": 24.0}, "3 Bestellungen in den letzten 90 Tagen."),
        ("orders_count_90d", 6, {"orders_count_365d": 24.0},
         "Bestellt regelmäßig: 6 Bestellungen in den letzten 90 Tagen."),
        ("orders_count_trend_90d", 0.5, {"orders_count_90d": 3.0},
         "50\xa0% weniger Bestellungen in den letzten 90 Tagen als in den 90 Tagen davor (3 statt 6)."),
        ("orders_count_trend_90d", 0.5, {"orders_count_90d": 0.0},
         "50\xa0% weniger Bestellungen in den letzten 90 Tagen als in den 90 Tagen davor."),
    ],
)  # fmt: skip
def test_what_is_usual_is_said_where_it_is_known(id: str, value: float, context: dict[str, float], de: str) -> None:
    assert sentence(id, value, raises=False, language="de", context=context) == de


def test_tone_for_many_values_is_the_tone_of_each() -> None:
    values = np.array([0.0, 0.3, 1.0, 2.0, 5.0, 40.0, 100.0, np.nan])
    usual = np.array([np.nan, 0.5, 1.0, 2.0, 8.0, 10.0, 500.0, 3.0])
    for id in IDS:
        for raises in (True, False):
            for some in (None, usual):
                found = supported(id, values, some, raises=raises).tolist()
                alone = [
                    not math.isnan(v)
                    and tone_of(id, v, raises=raises, usual=None if some is None or not u >= 1 else u) != ""
                    for v, u in zip(values.tolist(), usual.tolist(), strict=True)
                ]
                assert found == alone, (id, raises)


def test_limits_and_context_name_features_of_the_catalogue() -> None:
    assert {*LIMITS, *USUAL, *NOW, *NOW.values(), *CONTEXT_FEATURES} <= set(IDS)
    assert all(limits.worse in ("low", "high") for limits in LIMITS.values())


def test_an_own_feature_speaks_by_its_label_and_unit() -> None:
    calls = Feature(
        id="interactions_phone_count_7d", source="interactions", window_days=7, where={"channel": "phone"},
        unit="count", text_de="Telefonate in den letzten 7 Tagen", text_en="phone calls in the last 7 days",
    )  # fmt: skip
    add_feature(calls)
    try:
        assert said(calls.id, 3) == [
            "Telefonate in den letzten 7 Tagen: 3 (erhöht das Risiko).",
            "Telefonate in den letzten 7 Tagen: 3 (senkt das Risiko).",
            "Phone calls in the last 7 days: 3 (raises the risk).",
            "Phone calls in the last 7 days: 3 (lowers the risk).",
        ]
        assert said(calls.id, None)[::2] == ["Telefonate in den letzten 7 Tagen: nicht bekannt.",
                                             "Phone calls in the last 7 days: not known."]  # fmt: skip
    finally:
        remove_feature(calls.id)


def test_an_own_feature_named_like_one_of_ours_keeps_its_own_words() -> None:
    own = Feature(id="orders_count_45d", source="orders", window_days=45, unit="count", text_de="Eilaufträge")
    assert sentence(own, 2, raises=True, language="de") == "Eilaufträge: 2 (erhöht das Risiko)."


def test_an_own_attribute_speaks_by_its_column() -> None:
    size = AttributeFeature(id="attribute_groesse_m2", column="Größe (m²)", unit="number", text_de="Größe (m²)")
    assert sentence(size, 1200.0, raises=False, language="de") == "Größe (m²): 1.200 (senkt das Risiko)."
    assert sentence(size.id, 1200.0, raises=True, language="en") == "Groesse m2: 1,200 (raises the risk)."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\t c", "Region a b c:"),
        ("x" * 100_000, f"Region {'x' * 59}…:"),
        ("<b>&", "Region <b>&:"),
        ("\u202egnp.exe\x00", "Region gnp.exe:"),
    ],
)
def test_a_category_is_one_short_line(text: str, shown: str) -> None:
    assert sentence("region", text, raises=True, language="en").startswith(shown)


def test_a_blank_category_is_not_known() -> None:
    assert sentence("region", " \n", raises=True, language="en") == "Region not known."


def test_a_text_where_a_number_belongs_is_refused() -> None:
    with pytest.raises(UsageError, match="orders_count_90d holds numbers, found 'many'"):
        sentence("orders_count_90d", "many", raises=True, language="de")


@given(st.sampled_from(IDS), st.one_of(st.none(), st.floats()), st.booleans(), st.sampled_from(["de", "en"]))
def test_any_number_gives_a_sentence(id: str, value: float | None, raises: bool, language: str) -> None:
    text = sentence(id, value, raises=raises, language=language, context=dict.fromkeys(CONTEXT_FEATURES, value))
    assert text.endswith(".")
    assert len(text) < 220
