"""Who is on which list, in which order, and what changed since the last one: worked out by hand."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from listed_day import BEFORE, DAY, LATE, PAYS, REST, before, customer, entries_of, manager, reason, staff, tables

from crm_ml.actions.lists import Gathering, action_key, make_entries, responsible
from crm_ml.actions.lists.entries import raising_reasons
from crm_ml.errors import UsageError

D = dt.date


def ids(entries, list_id):
    return entries.of(list_id)["subject_id"].tolist()


def whys(entries, list_id="AM1"):
    rows = entries.gone_from(list_id)
    return dict(zip(rows["subject_id"], rows["why"], strict=True))


# --- who is responsible


@pytest.mark.parametrize(
    ("active_from", "active_to", "works"),
    [
        (None, None, True),
        (D(2026, 3, 2), None, True),
        (D(2026, 3, 3), None, False),
        (None, D(2026, 3, 3), True),
        (None, D(2026, 3, 2), False),
        # a leave from the first to the second day
        (D(2026, 3, 3), D(2026, 3, 2), False),
        (D(2026, 3, 2), D(2026, 2, 20), True),
        (D(2026, 3, 20), D(2026, 3, 3), True),
        (pd.Timestamp("2026-03-02"), pd.NaT, True),
        (float("nan"), pd.Timestamp("2026-03-02"), False),
    ],
)
def test_a_manager_works_from_the_first_day_to_the_day_before_the_last(active_from, active_to, works) -> None:
    found = responsible(staff(manager("A", active_from=active_from, active_to=active_to)), ["A"], as_of=DAY)
    assert found == {"A": ("A", None) if works else ("unassigned", "Manager A")}


def test_deputies_of_deputies_are_followed_and_circles_end() -> None:
    away = {"active_to": D(2026, 3, 1)}
    people = staff(
        manager("A", deputy_id="B", **away),
        manager("B", deputy_id="C", **away),
        manager("C"),
        manager("X", deputy_id="Y", **away),
        manager("Y", deputy_id="X", **away),
        manager("S", deputy_id="S", **away),
        manager("G", deputy_id="ghost", **away),
        manager("N", name=None, **away),
    )
    assert responsible(people, ["A", "B", "C", "X", "S", "G", "N", "unknown", None], as_of=DAY) == {
        "A": ("C", "Manager A"),
        "B": ("C", "Manager B"),
        "C": ("C", None),
        "X": ("unassigned", "Manager X"),
        "S": ("unassigned", "Manager S"),
        "G": ("unassigned", "Manager G"),
        "N": ("unassigned", "N"),
        "unknown": ("unassigned", None),
        None: ("unassigned", None),
    }


def test_without_a_table_of_managers_each_id_has_a_list() -> None:
    assert responsible(None, ["7", None, "7"], as_of=DAY) == {"7": ("7", None), None: ("unassigned", None)}


# --- which lists, and who is on them


def test_lists_are_ranked_by_expected_gain_and_end_at_the_capacity() -> None:
    rows = [
        customer("c", value_at_stake=1_000.0),
        customer("b", value_at_stake=9_000.0),
        customer("a", value_at_stake=1_000.0),
        customer("d", value_at_stake=500.0),
        customer("n", action="none"),
    ]
    made = entries_of(rows, staff(manager("AM1", daily_capacity=3)))
    assert ids(made, "AM1") == ["b", "a", "c"]
    assert made.of("AM1")["rank"].tolist() == [1, 2, 3]
    assert [(head.list_id, head.waiting) for head in made.heads] == [("AM1", 1)]


@pytest.mark.parametrize(
    ("capacity", "count"), [(2, 2), (0, 0), (None, 4), (float("nan"), 4), (pd.NA, 4), (-1, 4), (np.int64(3), 3)]
)
def test_the_capacity_is_the_managers_or_the_default(capacity, count) -> None:
    rows = [customer(str(number)) for number in range(6)]
    made = entries_of(rows, staff(manager("AM1", daily_capacity=capacity)), default_capacity=4)
    assert len(made.of("AM1")) == count


def test_every_active_manager_has_a_list_and_nobody_else() -> None:
    people = staff(manager("AM1"), manager("AM2"), manager("LEFT", active_to=D(2026, 1, 1)))
    made = entries_of([customer("a")], people)
    assert [head.list_id for head in made.heads] == ["AM1", "AM2"]
    assert ids(made, "AM2") == []


def test_customers_of_the_absent_are_on_the_deputys_list_within_the_deputys_capacity() -> None:
    people = staff(manager("AM1", daily_capacity=2), manager("AM2", active_to=D(2026, 3, 1), deputy_id="AM1"))
    rows = [
        customer("own", value_at_stake=5_000.0),
        customer("theirs", account_manager_id="AM2", value_at_stake=8_000.0),
        customer("small", value_at_stake=2_000.0),
    ]
    made = entries_of(rows, people)
    assert ids(made, "AM1") == ["theirs", "own"]
    assert made.of("AM1")["on_behalf_of"].tolist() == ["Manager AM2", None]
    assert made.heads[0].stands_in_for == ("Manager AM2",)
    assert made.heads[0].waiting == 1


def test_whoever_has_nobody_is_unassigned_and_that_list_comes_only_then() -> None:
    people = staff(manager("AM1"))
    rows = [customer("a"), customer("b", account_manager_id="AM9"), customer("c", account_manager_id=None)]
    assert ids(entries_of(rows, people), "unassigned") == ["b", "c"]
    assert [head.list_id for head in entries_of(rows[:1], people).heads] == ["AM1"]


def test_without_managers_and_customers_there_is_one_empty_list() -> None:
    made = entries_of([customer("a", account_manager_id=None)], None)
    assert ids(made, "unassigned") == ["a"]
    empty = entries_of([], None)
    assert [head.list_id for head in empty.heads] == ["unassigned"]
    assert len(empty.entries) == 0


def test_an_objector_who_was_decided_on_is_named_nowhere() -> None:
    row = customer("a", action="none", held_by="objection", rule="objection")
    made = entries_of([row, customer("b")], None, previous=[before("a")])
    assert "a" not in set(made.decided["subject_id"].to_pylist())
    assert whys(made) == {}


def test_decisions_about_others_are_refused() -> None:
    subjects, decisions = tables([customer("a"), customer("b")])
    with pytest.raises(UsageError, match=r"same customers as subjects.*found 2 decisions for 2 subjects"):
        make_entries(subjects, decisions.iloc[::-1], None, as_of=DAY, default_capacity=5)


def test_the_order_of_the_customers_does_not_matter() -> None:
    rows = [customer(str(number), value_at_stake=1_000.0 * (number % 3)) for number in range(9)]
    one, other = entries_of(rows), entries_of(rows[::-1])
    pd.testing.assert_frame_equal(one.entries, other.entries)


# --- keys and reasons


def test_a_key_is_the_day_and_a_hash_of_what_is_proposed_for_whom() -> None:
    key = action_key(DAY, "customer", "00017", "personal_talk")
    assert key == "20260302-YSFNRNT4ZQMI"
    others = [
        action_key(dt.date(2026, 3, 3), "customer", "00017", "personal_talk"),
        action_key(DAY, "lead", "00017", "personal_talk"),
        action_key(DAY, "customer", "0001", "7personal_talk"),
        action_key(DAY, "customer", "00017", "offer_email"),
    ]
    assert len({key, *others}) == 5
    assert entries_of([customer("00017")]).entries["action_id"].tolist() == [
        action_key(DAY, "customer", "00017", "talk")
    ]


def test_at_most_three_raising_reasons_are_read() -> None:
    lowering = reason("Viele Gespräche.", "Many talks.", -0.4, "contacts")
    more = [reason(f"Grund {number}.", f"Reason {number}.", 0.2, f"g{number}") for number in range(3)]
    assert raising_reasons([LATE, PAYS, lowering, *more, REST], "en") == [LATE["text_en"], PAYS["text_en"], "Reason 0."]
    assert raising_reasons([lowering, REST], "de") == ["Kein einzelner Grund sticht heraus."]


# --- what changed


@pytest.mark.parametrize(
    ("p", "tier", "was_p", "was_tier", "kind", "text"),
    [
        (0.70, "high", 0.70, "high", "same", "unverändert"),
        (0.7199, "high", 0.70, "high", "same", "unverändert"),
        (0.72, "high", 0.70, "high", "up", "Risiko gestiegen: 70 % → 72 %"),
        (0.68, "high", 0.70, "high", "down", "Risiko gesunken: 70 % → 68 %"),
        (0.61, "high", 0.595, "medium", "up", "Risiko gestiegen: mittel → hoch"),
        (0.59, "medium", 0.605, "high", "down", "Risiko gesunken: hoch → mittel"),
        (0.65, "high", 0.65, "medium", "up", "Risiko gestiegen: mittel → hoch"),  # the value did it
        (0.999, "high", 0.9955, "high", "same", "unverändert"),
        (0.65, "high", 0.60, "watch", "up", "Risiko gestiegen: watch → hoch"),  # a tier that is no more
    ],
)
def test_moves_are_told_from_two_points_on(p, tier, was_p, was_tier, kind, text) -> None:
    made = entries_of([customer("a", p=p, risk_tier=tier)], previous=[before("a", p=was_p, tier=was_tier)])
    row = made.entries.iloc[0]
    assert row["change"] == kind
    assert row["change_de"].replace("\u00a0", " ") == text


def test_new_first_and_moved_entries_say_so() -> None:
    people = staff(manager("AM1"), manager("AM2"))
    assert entries_of([customer("a")]).entries["change"].tolist() == ["first"]
    new = entries_of([customer("a")], people, previous=[])
    assert new.entries[["change", "change_de", "change_en"]].to_numpy().tolist() == [["new", "neu", "new"]]
    moved = entries_of([customer("a")], people, previous=[before("a", list_id="AM2", p=0.7)])
    assert moved.entries["change_en"].tolist() == ["new here, before with Manager AM2"]
    assert moved.gone[["list_id", "why", "text_de"]].to_numpy().tolist() == [
        ["AM2", "moved", "Jetzt auf der Liste von Manager AM1."]
    ]
    assert moved.previous_as_of == BEFORE


# --- who is gone, and why


def none(subject_id, **changed):
    return customer(subject_id, action="none", **changed)


@pytest.mark.parametrize(
    ("row", "why", "text"),
    [
        (none("a", held_by="answered_done", held_until=D(2026, 4, 1)), "done", "frühestens wieder am 01.04.2026"),
        (none("a", held_by="answered_done"), "done", "Als erledigt gemeldet."),
        (none("a", held_by="snoozed", held_until=D(2026, 3, 9)), "not_now", "Auf Wiedervorlage zum 09.03.2026."),
        (none("a", held_by="answered_wrong", held_until=D(2026, 6, 1)), "wrong", "frühestens wieder am 01.06.2026"),
        # the last list was of 27 February: 3 days before
        (none("a", p=0.1, days_since_last_order=3.0), "ordered", "Hat wieder bestellt."),
        (none("a", p=0.1, days_since_last_order=4.0), "risk_fell", "hoch → niedrig (70\u00a0% → 10\u00a0%)"),
        (none("a", p=0.1, days_since_last_order=float("nan")), "risk_fell", "Risiko gesunken"),
        (none("a", p=0.7, held_by="no_phone"), "held", "Es ist keine Telefonnummer hinterlegt."),
        (none("a", p=0.7, held_by="of_ones_own"), "held", "Aus einem anderen Grund zurückgestellt."),
        (none("a", p=0.7), "other", "Zurzeit ist kein Schritt vorgesehen."),
        (customer("a", account_manager_id=None), "moved", "Jetzt auf der Liste ohne Betreuer."),
    ],
)
def test_whoever_is_gone_is_named_with_the_reason(row, why, text) -> None:
    made = entries_of([row], staff(manager("AM1")), previous=[before("a")])
    assert whys(made) == {"a": why}
    assert text in made.gone["text_de"].iloc[0]


def test_those_who_do_not_fit_any_more_are_named() -> None:
    rows = [customer("a", value_at_stake=100.0 * 10), customer("b", value_at_stake=9_000.0)]
    made = entries_of(rows, staff(manager("AM1", daily_capacity=1)), previous=[before("a")])
    assert whys(made) == {"a": "capacity"}


def test_whoever_is_not_scored_is_named_only_if_that_is_allowed() -> None:
    past = [before("objector", rank=1), before("blocked", rank=2)]
    made = entries_of([customer("b")], previous=past, may_be_named={"blocked": "Alt & Söhne"})
    assert whys(made) == {"blocked": "not_scored"}
    assert made.gone["name"].tolist() == ["Alt & Söhne"]


def test_customers_that_stay_are_not_gone() -> None:
    assert whys(entries_of([customer("a")], previous=[before("a")])) == {}


def test_blocks_of_any_size_give_the_lists_of_all_at_once() -> None:
    rows = [
        customer(f"k{at:02}", account_manager_id=f"AM{at % 3}", expected_gain=float(at * 7 % 11)) for at in range(30)
    ]
    subjects, decisions = tables(rows)
    people = staff(*(manager(f"AM{number}", daily_capacity=4 + number) for number in range(3)))
    last = pd.DataFrame([before("k01"), before("k07", list_id="AM2"), before("gone", list_id="AM0")])
    how = {"as_of": DAY, "default_capacity": 10, "previous": last}
    whole = make_entries(subjects, decisions, people, may_be_named={"gone": "Gone"}, **how)
    assert [head.waiting for head in whole.heads] == [6, 5, 4]
    for size in (1, 7):
        gathering = Gathering(people, **how)
        for begin in range(0, len(subjects), size):
            gathering.add(subjects.iloc[begin : begin + size], decisions.iloc[begin : begin + size])
        parts = gathering.entries(may_be_named={"gone": "Gone"})
        pd.testing.assert_frame_equal(parts.entries, whole.entries)
        pd.testing.assert_frame_equal(parts.gone, whole.gone)
        assert parts.heads == whole.heads
        assert parts.decided.equals(whole.decided.combine_chunks())


def test_reasons_that_were_not_made_are_said_to_be_missing() -> None:
    assert raising_reasons([], "de") == ["Gründe wurden hierfür nicht ermittelt."]
    assert raising_reasons([REST], "de") == ["Kein einzelner Grund sticht heraus."]
