"""What the compiled loops return, worked out by hand."""

import numpy as np

from crm_ml.features import kernels
from crm_ml.features.timeline import FOREVER, NULL


def a(*values):
    return np.array(values, np.int64)


def rows(*values):
    return np.array(values, np.int32)


def listed(arrays):
    return [array.tolist() for array in arrays]


def test_rows_above():
    row_from, keys = a(0, 3, 3, 5), a(10, 20, 30, 5, 15)
    subject, values = a(0, 0, 0, 0, 1, 2, 2), a(9, 10, 25, 30, 1, 5, 99)
    assert kernels.rows_above(row_from, keys, subject, values).tolist() == [0, 1, 2, 3, 3, 4, 5]


def test_running_sum():
    # the third event's end lies before its start: it counts nowhere
    assert kernels.running_sum(rows(0, 1, 3), rows(2, 4, 1), a(5, 7, 100), 5).tolist() == [5, 12, 7, 7, 0]


def test_running_max():
    found = kernels.running_max(rows(0, 1, 3), rows(2, 4, 1), a(-5, -7, 100), 5)
    assert found.tolist() == [-5, -5, -7, -7, NULL]


def test_latest():
    # subject 0 has the rows 0 to 3, subject 1 the rows 4 and 5
    start, end, stop = rows(0, 1, 1, 2, 4, 5), rows(4, 3, 4, 2, 6, 6), rows(4, 4, 4, 4, 6, 6)
    t, x = a(1, 5, 5, 9, 2, 2), a(0, 8, 3, 9, 4, 4)
    # rows 1 and 2: of the equal times the greater x; of equal x the later event
    assert kernels.latest(start, end, stop, t, x, 6).tolist() == [0, 1, 1, 2, 4, 5]


def test_distinct():
    # group 1: rows 0 to 3 in two overlapping runs and one that touches; group 2: two runs with a hole
    group = a(1, 1, 1, 2, 2, 2)
    found = kernels.distinct(group, rows(1, 0, 3, 4, 0, 2), rows(3, 2, 4, 5, 1, 2), 6)
    assert found.tolist() == [2, 1, 1, 1, 1, 0]


def test_supersede():
    # key 1: the newest version (known 3) is seen before the middle one: that one never shows
    key, known, seen = a(1, 1, 1, 2, 2), a(1, 2, 3, 7, 7), a(10, 40, 30, 7, 8)
    assert kernels.supersede(key, known, seen).tolist() == [30, 30, FOREVER, FOREVER, 8]


def test_group_states():
    # order 1: a line from 10 on and one from 20 to 30; order 2: a line from 5 to 9, nothing, then another from 12 on
    group, t = a(1, 1, 2, 2), a(8, 7, 5, 6)
    seen_from, seen_until, x = a(10, 20, 5, 12), a(FOREVER, 30, 9, FOREVER), np.array([[1, 2, 4, 8]])
    first, at, begins, ends, count, sums = kernels.group_states(group, t, seen_from, seen_until, a(1, 2), x)
    assert listed((first, at)) == [[0, 0, 0, 2, 2], [8, 7, 8, 5, 6]]
    assert listed((begins, ends)) == [[10, 20, 30, 5, 12], [20, 30, FOREVER, 9, FOREVER]]
    assert listed((count, sums[0])) == [[1, 2, 1, 1, 1], [1, 3, 1, 4, 8]]


def test_gap_states():
    # days 1, 4 (twice) and 9 of one subject; the first event of day 4 is seen late, and goes again
    day, t = a(1, 4, 4, 9, 2), a(10, 40, 41, 90, 20)
    when, which = a(10, 50, 60, 90, 99, 5), a(0, 2, 1, 3, -2, 4)
    found = kernels.gap_states(a(0, 0, 0, 0, 1), day, t, when, which)
    expected = [(1, 41, 3, 50, 60), (1, 40, 3, 60, 99), (1, 41, 3, 99, FOREVER), (3, 90, 5, 90, FOREVER)]
    assert set(zip(*listed(found), strict=True)) == set(expected)


def test_gap_states_when_a_day_between_goes():
    found = kernels.gap_states(a(0, 0, 0), a(1, 4, 9), a(10, 40, 90), a(10, 40, 90, 99), a(0, 1, 2, -2))
    expected = [(1, 40, 3, 40, 99), (2, 90, 5, 90, 99), (2, 90, 8, 99, FOREVER)]
    assert set(zip(*listed(found), strict=True)) == set(expected)


def test_gap_states_stay_whole_while_later_events_of_the_day_come_and_go():
    # days 1, 4 and 9; on day 9 a second event comes and goes, then an earlier one moves the time of the gap's end
    day, t = a(1, 4, 9, 9, 9), a(10, 40, 90, 91, 92)
    when, which = a(10, 40, 91, 92, 93, 94), a(0, 1, 3, 4, -5, 2)
    found = kernels.gap_states(a(0, 0, 0, 0, 0), day, t, when, which)
    expected = [(1, 40, 3, 40, FOREVER), (2, 91, 5, 91, 94), (2, 90, 5, 94, FOREVER)]
    assert set(zip(*listed(found), strict=True)) == set(expected)


def test_gap_states_have_room_for_many_changes():
    # between two days that stay, ten others come and go, each after the one before it
    n = 12
    days = np.arange(n) * 3
    which = [0, n - 1, *(change for k in range(1, n - 1) for change in (k, -1 - k))]
    found = kernels.gap_states(np.zeros(n, np.int64), days, days * 10, np.arange(len(which)), a(*which))
    assert len(found[0]) == 3 * (n - 2) + 1
    # the way across: at first, and after each has gone
    assert listed(found)[2].count(3 * (n - 1)) == n - 1


def test_balance_states():
    # invoice 0 over 5, from 20 on over 9; paid 3 on day 12, 2 on day 15, 4 on day 25; nothing of invoice 1
    invoices = np.array([[10, 20], [20, FOREVER], [5, 9]])
    payments = np.array([[12, 15, 25], [FOREVER] * 3, [3, 2, 4], [12, 15, 25]])
    instants = a(10, 12, 15, 20, 25, 30)
    found = kernels.balance_states(2, a(0, 5, 6), instants, a(0, 2, 2), invoices, a(0, 3, 3), payments)
    version, begins, ends, paid, settled = listed(found)
    assert version == [0, 0, 0, 1, 1]
    assert (begins, ends) == ([10, 12, 15, 20, 25], [12, 15, 20, 25, FOREVER])
    assert (paid, settled) == ([0, 3, 5, 5, 9], [-1, -1, 1, -1, 2])


def test_greatest_sum():
    # group 1 counts in rows 0 and 1, group 2 in row 1 alone: there the greater sum is -1
    group, start, end = a(1, 1, 2, 2), rows(0, 0, 0, 1), rows(2, 3, 3, 2)
    found = kernels.greatest_sum(group, start, end, a(-4, -2, 5, -6), a(1, 0, 0, 1), 4)
    assert found.tolist() == [-6, -1, NULL, NULL]
    # what one group leaves does not reach the next
    found = kernels.greatest_sum(a(1, 2), rows(0, 1), rows(2, 4), a(4, 3), a(1, 1), 5)
    assert found.tolist() == [4, 4, 3, 3, NULL]
