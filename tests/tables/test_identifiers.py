"""Texts as codes: whatever they look like, they come back letter by letter, and codes ascend with them."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_ml.tables import identifiers
from crm_ml.tables.frame import Frames
from crm_ml.tables.identifiers import (
    coded,
    coded_numbers,
    decoded,
    is_among,
    looked_up,
    numbered,
    places_among,
    put_back,
    ranked,
    short_places_among,
    used_levels,
)

NUMBERS = st.integers(0, 2000)
WORDS = st.one_of(
    st.text("aZ0 1ü9", max_size=4),
    NUMBERS.map(str),
    NUMBERS.map("C{:05d}".format),
    st.integers(0, 10**18 - 1).map(str),
    st.integers(-50, 50).map(str),
)
COLUMNS = st.one_of(
    *(
        st.lists(st.one_of(st.none(), words), max_size=30)
        for words in (WORDS, NUMBERS.map(str), NUMBERS.map("R-2026-{:04d}".format), NUMBERS.map("K{}".format))
    )
)


def by_length(texts):
    return sorted(texts, key=lambda text: (len(text.encode()), text.encode()))


def descending(texts):
    return sorted(texts, reverse=True)


def shuffled(texts):
    return texts[::2] + texts[1::2]


@given(COLUMNS)
def test_texts_come_back_and_codes_ascend_with_them(texts):
    found = coded(pa.array(texts, pa.string()))
    assert found.to_pylist() == texts
    assert found.dictionary.to_pylist() == by_length({text for text in texts if text is not None})


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(0, 300)), max_size=30))
def test_numbers_are_coded_like_their_texts(values):
    array = pa.array(values, pa.int64())
    assert coded_numbers(array).equals(coded(array.cast(pa.string())))


def test_negative_numbers_are_ordered_like_their_texts():
    assert coded_numbers(pa.array([-1, 5, 10])).dictionary.to_pylist() == ["5", "-1", "10"]


def test_numbers_beyond_the_signed_ones_are_coded_too():
    assert coded_numbers(pa.array([2**64 - 1, 3], pa.uint64())).to_pylist() == [str(2**64 - 1), "3"]


@given(COLUMNS, COLUMNS)
def test_places_are_those_of_a_dictionary(texts, others):
    distinct = by_length({text for text in others if text is not None})
    place = {text: at for at, text in enumerate(distinct)}
    asked, among = pa.array(texts, pa.string()), pa.array(distinct, pa.string())
    expected = [place.get(text, -1) for text in texts]
    for column in (asked, coded(asked), pa.chunked_array([coded(asked)])):
        assert places_among(column, among).tolist() == expected
        assert is_among(column, among).tolist() == [at >= 0 for at in expected]


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("{}", "{}"),  # 9, 10, 100
        ("{:07d}", "{:07d}"),
        ("{}", "{:03d}"),  # one side has leading zeros
        ("{:03d}", "{}"),
        ("{:03d}", "{:04d}"),
        ("{:04d}", "{:03d}"),
        ("C{}", "K{}"),
        ("K{}", "C{}"),
        ("C{:04d}", "C{:04d}"),
        ("C{}", "x{}y"),  # no numbers on one side
        ("x{}y", "C{}"),
    ],
)
@pytest.mark.parametrize(
    "arranged", [sorted, lambda texts: sorted(texts, reverse=True), lambda texts: texts[::2] + texts[1::2]]
)
def test_places_among_many_are_found_by_number(mine, theirs, arranged, monkeypatch):
    monkeypatch.setattr(identifiers, "_BLOCK", 8)  # what is many
    those = arranged([theirs.format(number) for number in (range(90, 130) if "3" in theirs else range(0, 990, 7))])
    some = coded(pa.array([mine.format(number) for number in range(140)]))
    place = {text: at for at, text in enumerate(those)}
    assert places_among(some, pa.array(those)).tolist() == [place.get(text, -1) for text in some.to_pylist()]


@pytest.mark.parametrize("arranged", [sorted, shuffled])
def test_one_or_two_digits_are_found_among_numbers_of_any_width_and_these_among_them(arranged, monkeypatch):
    monkeypatch.setattr(identifiers, "_BLOCK", 8)
    digits, numbers = arranged(list("0123456789")), arranged([str(number) for number in range(25)])
    pairs = arranged([f"{number:02d}" for number in range(25)])
    for mine, theirs in ((digits, numbers), (numbers, digits), (pairs, numbers), (numbers, pairs), (digits, pairs)):
        some = coded(pa.array(mine))
        place = {text: at for at, text in enumerate(theirs)}
        assert places_among(some, pa.array(theirs)).tolist() == [place.get(text, -1) for text in mine]


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["C007", "C123"], ("C", 3, [7, 123])),
        (["9", "10", "0"], ("", 0, [9, 10, 0])),
        (["A9", "A10"], ("A", 0, [9, 10])),
        (["7", "07"], None),  # two texts, one number
        (["A9", "B10"], None),
        (["A9", "B1"], None),
        (["A1x", "A2x"], None),
        (["abc", "abc"], None),
        (["B1", "A1"], None),
        (["C12", "C1:"], None),  # the letter behind 9
        (["C12", "C1/"], None),  # the one before 0
        (["C19", "C98"], ("C", 2, [19, 98])),
        (["ABC1", "ABC" + "1" * 18], ("ABC", 0, [1, int("1" * 18)])),
        (["1" * 18], ("", 18, [int("1" * 18)])),
        (["1" * 19], None),  # too long to be told apart by a number
        (["1", "1" * 19], None),
        (["ü1", "ü2"], None),
        (["\u0661", "1"], None),  # a digit, but not one of ours
        (["1", "\u0661\u0661"], None),
        (["", "1"], None),
        ([], None),
    ],
)
def test_what_counts_as_a_number(texts, told):
    found = numbered(pa.array(texts, pa.string()))
    assert (None if found is None else (found.prefix, found.width, found.values.tolist())) == told


def test_a_slice_of_texts_is_told_by_itself():
    whole = pa.array(["xyz", "C1", "C2", "zz"])
    assert numbered(whole.slice(1, 2)).values.tolist() == [1, 2]
    assert coded(whole.slice(1, 2)).to_pylist() == ["C1", "C2"]
    assert numbered(pa.array(["xx", "C1", "C2", "zz"]).slice(1, 2)).width == 1


@given(st.lists(st.integers(-(2**40), 2**40), max_size=40), st.sampled_from([1, 2**40]))
def test_ranks_are_those_of_numpy(values, spread):
    array = np.array(values, np.int64) // spread
    rank, distinct = ranked(array)
    expected, inverse = np.unique(array, return_inverse=True)
    assert distinct.tolist() == expected.tolist()
    assert rank.tolist() == inverse.tolist()


def test_texts_of_no_row_are_left_out():
    column = coded(pa.array(["b", None, "a", "c"])).filter(pa.array([True, True, False, False]))
    assert column.dictionary.to_pylist() == ["a", "b", "c"]
    assert used_levels(column).to_pylist() == ["b"]
    assert used_levels(pa.array(["b", None, "b"])).to_pylist() == ["b"]


def test_frames_write_out_texts_when_they_are_asked_for():
    table = pa.table({"lead_id": coded(pa.array(["9", "10", None])), "score": pa.array([1, 2, 3])})
    frames = Frames({"leads": table})
    assert frames["leads"].equals(pa.table({"lead_id": pa.array(["9", "10", None]), "score": pa.array([1, 2, 3])}))
    assert frames["leads"] is frames["leads"]
    assert frames.stored["leads"] is table
    assert decoded(frames["leads"]).equals(frames["leads"])
    assert list(frames) == ["leads"]
    assert "customers" not in frames


def test_places_of_many_levels_with_a_null_among_them():
    """Texts of numbers are looked up as numbers; a null is no number, and no other text's place."""
    many = 70_000
    levels = pa.array([None, *(str(k) for k in range(many))])
    texts = pa.array([str(k) for k in range(1, many + 5)])
    found = identifiers._places(levels, texts)
    assert found.tolist() == [-1, -1, *range(many - 1)]


@pytest.mark.parametrize("block", [1, 3, 1 << 16])
@given(st.lists(st.integers(-1, 4), max_size=12), st.sampled_from([np.int32, np.int64]), st.randoms())
def test_values_are_looked_up_and_put_back_whatever_the_blocks(block, codes, kind, random):
    values = np.array([5, 3, 8, 1, 9], np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identifiers, "_BLOCK", block)
        found = looked_up(values, np.array(codes, kind))
        assert found.dtype == np.int32
        assert found.tolist() == [values[code] for code in codes]
        places = random.sample(range(20), len(codes))
        back = put_back(found, np.array(places, kind), 20)
        expected = dict(zip(places, found.tolist(), strict=True))
        assert back.tolist() == [expected.get(place, 0) for place in range(20)]
        some = coded(pa.array([None if code < 0 else f"t{code}" for code in codes], pa.string()))
        used = [f"t{code}" for code in sorted({*codes} - {-1})]
        assert sorted(used_levels(some).to_pylist()) == used
        assert ranked(np.array(codes, np.int64))[1].tolist() == sorted({*codes})
        assert [sorted({*codes})[rank] for rank in ranked(np.array(codes, np.int64))[0]] == codes
        among = pa.array(["t3", "t0", "x"])
        for column in (some, pa.array(some.to_pylist(), pa.string())):
            short = short_places_among(column, among)
            assert short.dtype == np.int32
            assert short.tolist() == places_among(column, among).tolist()
