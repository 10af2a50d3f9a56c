"""The compiled loops against plain Python that says what they return, on small cases with ties, gaps and edges.

The cases come from seeds, not from strategies: on these loops a hundred generated examples were mostly variations of a
few, missed mistakes that as many seeded cases see, and took ten times as long.
"""

import random
from collections import Counter
from itertools import groupby, pairwise

import numpy as np
import pytest

from crm_ml.features import kernels
from crm_ml.features.timeline import FOREVER, NULL

CASES = 300
ROWS = 9
OWNERS = ((0, 4), (4, 4), (4, 9))  # the rows of three subjects; the second has none


def ints(values, kind=np.int64):
    return np.array(list(values), kind)


def chances():
    return (random.Random(seed) for seed in range(CASES))


def runs(chance, most=9):
    """Events of three subjects as (subject, start, end, x), runs within the subject's rows; an end may lie too low."""
    made = []
    for subject in sorted(chance.choices((0, 1, 2), (4, 1, 4), k=chance.randint(0, most))):
        start, end = (chance.randint(*OWNERS[subject]) for _ in range(2))
        if chance.random() < 0.8:
            start, end = sorted((start, end))
        made.append((subject, start, end, chance.randint(-3, 3)))
    return made


def arrays(events):
    """Start, end and x of events."""
    return ints((e[1] for e in events), np.int32), ints((e[2] for e in events), np.int32), ints(e[3] for e in events)


def at(events, row):
    return [event for event in events if event[1] <= row < event[2]]


def test_rows_above_is_the_first_row_of_the_subject_beyond_the_value():
    for chance in chances():
        keys = [sorted(chance.choices(range(7), k=chance.randint(0, 4))) for _ in range(chance.randint(1, 4))]
        asked = [(chance.randrange(len(keys)), chance.randint(-1, 7)) for _ in range(8)]
        row_from = np.concatenate(([0], np.cumsum([len(own) for own in keys])))
        found = kernels.rows_above(
            row_from, ints(key for own in keys for key in own), ints(s for s, _ in asked), ints(v for _, v in asked)
        )
        assert found.dtype == np.int32
        assert found.tolist() == [row_from[s] + sum(key <= value for key in keys[s]) for s, value in asked]


def test_running_sum_adds_up_the_runs():
    for chance in chances():
        events = runs(chance)
        start, end, x = arrays(events)
        expected = [sum(e[3] for e in at(events, row)) for row in range(ROWS)]
        assert kernels.running_sum(start, end, x, ROWS).tolist() == expected


def test_running_max_is_the_greatest_of_the_runs():
    for chance in chances():
        events = runs(chance)
        start, end, x = arrays(events)
        expected = [max((e[3] for e in at(events, row)), default=NULL) for row in range(ROWS)]
        assert kernels.running_max(start, end, x, ROWS).tolist() == expected


@pytest.mark.parametrize(
    ("kernel", "columns"),
    [
        ("running_sum", "se."),
        ("running_max", "se."),
        ("latest", "sss.."),
        ("distinct", ".ss"),
        ("greatest_sum", ".ss.."),
    ],
)
def test_without_rows_nothing_is_returned(kernel, columns):
    empty = [ints([], np.int64 if column == "." else np.int32) for column in columns]
    assert getattr(kernels, kernel)(*empty, 0).tolist() == []


def test_latest_is_the_last_event_of_the_row():
    for chance in chances():
        events = runs(chance)
        times = chance.choices(range(3), k=9)
        events = sorted(((*event, t) for event, t in zip(events, times, strict=False)), key=lambda e: (e[0], e[4]))
        start, end, x = arrays(events)
        stop, t = ints((OWNERS[e[0]][1] for e in events), np.int32), ints(e[4] for e in events)
        expected = [
            max(((e[4], e[3], i) for i, e in enumerate(events) if e[1] <= row < e[2]), default=(0, 0, -1))[2]
            for row in range(ROWS)
        ]
        assert kernels.latest(start, end, stop, t, x, ROWS).tolist() == expected


def test_distinct_counts_each_group_once():
    for chance in chances():
        events = runs(chance, most=12)
        number = chance.sample(range(7), 7)
        # groups are next to one another, their numbers in no order
        events.sort(key=lambda e: (e[0], number[e[3] + 3]))
        start, end, _ = arrays(events)
        group = ints(e[0] * 10 + e[3] for e in events)
        expected = [len({(e[0], e[3]) for e in at(events, row)}) for row in range(ROWS)]
        assert kernels.distinct(group, start, end, ROWS).tolist() == expected


def test_greatest_sum_is_that_of_the_groups_that_count():
    for chance in chances():
        events = runs(chance, most=12)
        more = [(chance.randint(0, 1), chance.randint(0, 2)) for _ in events]
        number = chance.sample(range(3), 3)
        events = sorted(((*e, *c) for e, c in zip(events, more, strict=False)), key=lambda e: (e[0], number[e[5]]))
        start, end, x = arrays(events)
        group, counts = ints(e[0] * 10 + e[5] for e in events), ints(e[4] for e in events)
        expected = []
        for row in range(ROWS):
            sums, counting = Counter(), Counter()
            for e in at(events, row):
                sums[e[0], e[5]] += e[3]
                counting[e[0], e[5]] += e[4]
            expected.append(max((sums[g] for g in sums if counting[g] > 0), default=NULL))
        assert kernels.greatest_sum(group, start, end, x, counts, ROWS).tolist() == expected


def test_supersede_ends_a_version_with_the_first_newer_one_seen():
    for chance in chances():
        rows = [(chance.randint(0, 2), chance.randint(0, 3), chance.randint(0, 5)) for _ in range(chance.randint(0, 9))]
        rows.sort(key=lambda row: row[:2])
        expected = []
        for i, (key, known, seen) in enumerate(rows):
            if i and rows[i - 1][:2] == (key, known):
                expected.append(seen)  # a twin of the row before: it ends before it begins
                continue
            newer = [r[2] for j, r in enumerate(rows) if r[0] == key and r[1] > known and rows[j - 1][:2] != r[:2]]
            expected.append(min(newer, default=FOREVER))
        found = kernels.supersede(*(ints(row[k] for row in rows) for k in range(3)))
        assert found.tolist() == expected


def spans(chance, groups=3, most=8, latest=6):
    """(group, first, until, t, x, y): rows of groups, seen from `first` until before `until`, which may be never."""
    made = []
    for group in sorted(chance.choices(range(groups), k=chance.randint(0, most))):
        first = chance.randint(0, latest - 1)
        until = chance.randint(first + 1, latest + 1)
        until = FOREVER if until > latest else until
        made.append((group, first, until, chance.randint(0, 3), chance.randint(-2, 2), chance.randint(0, 1)))
    return made


def test_group_states_are_what_is_visible_between_changes():
    for chance in chances():
        rows = spans(chance)
        rows.sort(key=lambda row: row[:2])
        ending = sorted((i for i, row in enumerate(rows) if row[2] < FOREVER), key=lambda i: (rows[i][0], rows[i][2]))
        expected = []
        for group in sorted({row[0] for row in rows}):
            own = [row for row in rows if row[0] == group]
            instants = sorted({row[1] for row in own} | {row[2] for row in own if row[2] < FOREVER})
            for now, after in pairwise([*instants, FOREVER]):
                seen = [row for row in own if row[1] <= now < row[2]]
                if seen:
                    first = next(i for i, row in enumerate(rows) if row[0] == group)
                    sums = [sum(row[k] for row in seen) for k in (4, 5)]
                    expected.append((first, min(row[3] for row in seen), now, after, len(seen), *sums))
        group, first, until, t, x, y = (ints(row[k] for row in rows) for k in range(6))
        *found, sums = kernels.group_states(group, t, first, until, ints(ending), np.stack((x, y)))
        assert list(zip(*(a.tolist() for a in found), *sums.tolist(), strict=True)) == expected


def test_gap_states_are_the_gaps_between_visible_days():
    for chance in chances():
        rows = spans(chance, groups=2, most=11)
        days = chance.choices(range(4), k=11)
        # (subject, day, t, seen from, seen until), in order
        rows = sorted((row[0], day, row[3], row[1], row[2]) for row, day in zip(rows, days, strict=False))
        changes = [(s, first, i, i) for i, (s, _, _, first, _) in enumerate(rows)]
        changes += [(s, until, i, -1 - i) for i, (s, _, _, _, until) in enumerate(rows) if until < FOREVER]
        changes.sort(key=lambda change: change[:3])
        subject, day, t, _, _ = (ints(row[k] for row in rows) for k in range(5))
        found = kernels.gap_states(subject, day, t, ints(c[1] for c in changes), ints(c[3] for c in changes))
        found = list(zip(*(a.tolist() for a in found), strict=True))
        assert all(begins < ends for *_, begins, ends in found)
        instants = sorted({c[1] for c in changes})
        assert {begins for *_, begins, _ in found} <= set(instants)
        for now in instants:
            expected = []
            for s in sorted({row[0] for row in rows}):
                seen = sorted((row[1], row[2]) for row in rows if row[0] == s and row[3] <= now < row[4])
                firsts = [(d, min(of_day)[1]) for d, of_day in ((d, list(g)) for d, g in groupby(seen, lambda e: e[0]))]
                for (before, _), (later, first) in pairwise(firsts):
                    slot = next(i for i, row in enumerate(rows) if row[:2] == (s, later))
                    expected.append((slot, first, later - before))
            assert sorted(each[:3] for each in found if each[3] <= now < each[4]) == expected


def ledger_of(chance):
    """Versions and payments of some invoices: (invoice, seen from, until, amount) and the same with paid_at."""
    groups = chance.randint(1, 3)
    versions = [(*v[:3], chance.randint(0, 3)) for v in spans(chance, groups, most=5, latest=5)]
    payments = [(*p[:3], chance.randint(-2, 3), p[3]) for p in spans(chance, groups, most=6, latest=5)]
    return groups, versions, payments


def test_balance_states_are_what_is_owed_between_changes():
    for chance in chances():
        ledger = ledger_of(chance)
        more = chance.choices(range(7), k=chance.randint(0, 3))
        groups, versions, payments = ledger
        payments.sort(key=lambda p: (p[0], p[4]))
        expected, all_instants, at_from = [], [], [0]
        for group in range(groups):
            own = [(i, v) for i, v in enumerate(versions) if v[0] == group]
            paid = [(i, p) for i, p in enumerate(payments) if p[0] == group]
            instants = {at for _, row in own + paid for at in row[1:3] if at < FOREVER} | set(more)
            all_instants += sorted(instants)
            at_from.append(len(all_instants))
            for now, after in pairwise([*sorted(instants), FOREVER]):
                seen = [(i, v) for i, v in own if v[1] <= now < v[2]]
                if not seen:
                    continue
                version, (_, _, _, due) = seen[-1]
                visible = [(i, p) for i, p in paid if p[1] <= now < p[2]]
                total, settled, reached = 0, -1, False
                for _, same in groupby(visible, lambda entry: entry[1][4]):
                    same = list(same)
                    total += sum(p[3] for _, p in same)
                    if total >= due and not reached:
                        settled, reached = same[-1][0], True
                expected.append((version, now, after, total, settled if total >= due else -1))
        found = kernels.balance_states(
            groups,
            ints(at_from),
            ints(all_instants),
            ints(np.searchsorted([v[0] for v in versions], range(groups + 1))),
            np.stack([ints(v[k] for v in versions) for k in (1, 2, 3)]),
            ints(np.searchsorted([p[0] for p in payments], range(groups + 1))),
            np.stack([ints(p[k] for p in payments) for k in (1, 2, 3, 4)]),
        )
        assert list(zip(*(a.tolist() for a in found), strict=True)) == expected
