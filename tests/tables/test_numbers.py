from __future__ import annotations

import decimal
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_ml.tables.parsing import TextRules, parse_number
from crm_ml.tables.place import Place
from crm_ml.tables.values import to_bool, to_int, to_money, to_text


def _place(**more) -> Place:
    return Place("order_lines", "net_amount", "Europe/Berlin", **more)


@pytest.mark.parametrize(
    ("values", "kind", "units"),
    [
        ([1.25, -1.25, 0.1, 1e14, -0.0], pa.float64(), [12500, -12500, 1000, 10**18, 0]),
        ([0.00005, -0.00005, 0.00004999, 1.00005, 2.00015], pa.float64(), [1, -1, 0, 10001, 20002]),
        ([Decimal("1.00005"), Decimal("-1.00005"), Decimal("0.0000499")], pa.decimal128(20, 7), [10001, -10001, 0]),
        ([Decimal("12.3"), None], pa.decimal128(38, 2), [123000, None]),
        ([3, -4, None], pa.int8(), [30000, -40000, None]),
        ([7], pa.uint64(), [70000]),
        (["1.00005", "-1.00005", " 12 ", "", "1e-4", "12,5-"], pa.string(), None),
        ([9_007_199_254_740.992], pa.float64(), [90_071_992_547_409_920]),
    ],
)
def test_amounts_are_rounded_half_away_from_zero(values, kind, units):
    if units is None:
        place = _place(rules=TextRules(decimal=","))
        out, bad = to_money(pa.array(["1,00005", "-1,00005", " 12 ", "", "1e-4", "12,5-"]), place)
        assert out.to_pylist() == [10001, -10001, 120000, None, 1, -125000]
    else:
        place = _place()
        out, bad = to_money(pa.array(values, kind), place)
        assert out.to_pylist() == units
    assert out.type == pa.int64()
    assert not bad.any()
    assert place.findings == []


@pytest.mark.parametrize(
    ("values", "code", "shown"),
    [
        (pa.array([1.0, float("nan")], pa.float64()), "not_finite", ("nan",)),
        (pa.array([1.0, float("inf")], pa.float64()), "not_finite", ("inf",)),
        (pa.array([1.0, -1.1e14], pa.float64()), "amount_overflow", ("-110000000000000.0",)),
        (pa.array([1, 2**62], pa.int64()), "amount_overflow", (str(2**62),)),
        (pa.array([Decimal(1), Decimal(10) ** 30], pa.decimal128(38, 0)), "amount_overflow", None),
        (pa.array(["1", "abc"]), "not_a_number", ("abc",)),
        (pa.array(["1", "NaN"]), "not_finite", ("NaN",)),
        (pa.array(["1", "1.234"]), "ambiguous_number", ("1.234",)),
        (pa.array(["1", "1.234,56"]), "wrong_decimal", ("1.234,56",)),
        (pa.array(["1", "1e15"]), "amount_overflow", ("1e15",)),
        (pa.array([True, False]), "wrong_type", ("True", "False")),
        (pa.array([[1], [2]]), "wrong_type", None),
    ],
)
def test_what_is_no_amount_is_an_error(values, code, shown):
    place = _place()
    out, bad = to_money(values, place)
    assert [(finding.severity, finding.code) for finding in place.findings] == [("error", code)]
    assert place.findings[0].count == bad.sum() > 0
    assert out.is_null().to_pylist() == bad.tolist()
    assert shown is None or place.findings[0].examples == shown
    assert place.findings[0].remedy


def test_undeclared_decimals_say_what_to_declare():
    place = _place(origin="Betrag")
    to_money(pa.array(["1.234,56"]), place)
    assert '"Betrag" has numbers in a notation that is not declared' in place.findings[0].message
    assert 'decimal: ","' in place.findings[0].remedy


NOTATIONS = {",": ".", ".": ","}


@settings(max_examples=1000, deadline=None)
@given(
    st.decimals(-(Decimal(10) ** 12), Decimal(10) ** 12, places=2),
    st.sampled_from([",", "."]),
    st.booleans(),
    st.sampled_from([None, "'", " "]),
)
def test_declared_notations_round_trip(number, mark, grouped, thousands):
    plain = f"{number:,.2f}" if grouped else f"{number:.2f}"
    group = NOTATIONS[mark] if thousands is None else thousands
    text = plain.replace(",", "G").replace(".", mark).replace("G", group)
    assert parse_number(text, TextRules(mark, thousands)) == number


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=12), st.sampled_from(["", ",", "."]))
def test_any_text_is_a_number_or_a_problem_and_never_nan(text, mark):
    found = parse_number(text, TextRules(mark))
    assert found is None or isinstance(found, str) or (isinstance(found, Decimal) and found.is_finite())


@pytest.mark.parametrize("text", ["1.23", "12.34.567", "1.2345", "1.234.56", ".234", "1.234.5678,0"])
def test_misplaced_thousands_are_refused(text):
    assert parse_number(text, TextRules(",")) == "not_a_number"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(-1e13, 1e13), min_size=1, max_size=30))
def test_doubles_and_their_text_give_the_same_units(values):
    texts = [np.format_float_positional(value, trim="0") for value in values]
    doubles, _ = to_money(pa.array(values), _place())
    written, _ = to_money(pa.array(texts), _place(rules=TextRules(".")))
    assert doubles.to_pylist() == written.to_pylist()
    with decimal.localcontext(decimal.Context(prec=80)):
        exact = [int((Decimal(repr(v)) * 10000).quantize(Decimal(1), decimal.ROUND_HALF_UP)) for v in values]
    assert doubles.to_pylist() == exact


def test_identifiers_keep_what_they_are():
    assert to_text(pa.array(["007", "", "u\u0308"]), _place(), is_id=True)[0].to_pylist() == ["007", None, "\u00fc"]
    assert to_text(pa.array([17, None]), _place(), is_id=True)[0].to_pylist() == ["17", None]
    place = _place()
    assert to_text(pa.array([17.0, None]), place, is_id=True)[0].to_pylist() == ["17", None]
    assert [(f.severity, f.code) for f in place.findings] == [("info", "id_from_float")]
    assert to_text(pa.array([Decimal("17.00")]), _place(), is_id=True)[0].to_pylist() == ["17"]
    assert to_text(pa.array(["", "a"]), _place())[0].to_pylist() == ["", "a"]


@pytest.mark.parametrize("value", [17.5, 1e17, float("inf"), float("nan")])
def test_identifiers_that_lost_digits_are_an_error(value):
    place = _place()
    out, bad = to_text(pa.array([value, 1.0], pa.float64()), place, is_id=True)
    assert place.findings[0].code == "id_not_lossless"
    assert bad.tolist() == [True, False]
    assert out.to_pylist() == [None, "1"]


def test_truth_values():
    assert to_bool(pa.array([1, 0, None]), _place())[0].to_pylist() == [True, False, None]
    assert to_bool(pa.array(["ja", "Nein", ""]), _place())[0].to_pylist() == [True, False, None]
    place = _place()
    assert to_bool(pa.array(["ja", "vielleicht"]), place)[0].to_pylist() == [True, None]
    assert place.findings[0].code == "not_a_bool"


def test_whole_numbers():
    assert to_int(pa.array([5.0, None]), _place())[0].to_pylist() == [5, None]
    assert to_int(pa.array(["12"]), _place())[0].to_pylist() == [12]
    place = _place()
    assert to_int(pa.array([1.5]), place)[0].to_pylist() == [None]
    assert place.findings[0].code == "not_whole"
