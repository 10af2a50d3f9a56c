"""The compiled loops against plain Python on small random runs."""

import numpy as np
import pytest

from crm_ml.features import kernels
from crm_ml.features.timeline import FOREVER, NULL


@pytest.fixture(params=range(25))
def runs(request):
    """Events of two subjects with five rows each: (start, end, stop, t, x), sorted by (subject, t)."""
    random = np.random.default_rng(request.param)
    size = int(random.integers(0, 14))
    subject = np.sort(random.integers(0, 2, size))
    t = random.integers(0, 6, size)
    t = t[np.lexsort((t, subject))]
    start = subject * 5 + random.integers(0, 6, size)
    end = np.minimum(start + random.integers(0, 6, size), subject * 5 + 5)
    x = random.integers(-5, 6, size)
    stop = subject * 5 + 5
    return [a.astype(np.int32) for a in (start, end, stop)] + [a.astype(np.int64) for a in (t, x)]


def counting(runs, row):
    start, end, _, _, _ = runs
    return [i for i in range(len(start)) if start[i] <= row < end[i]]


def test_sums_and_maxima(runs):
    start, end, _, _, x = runs
    sums, most = kernels.running_sum(start, end, x, 10), kernels.running_max(start, end, x, 10)
    for row in range(10):
        values = [int(x[i]) for i in counting(runs, row)]
        assert sums[row] == sum(values)
        assert most[row] == max(values, default=NULL)


def test_the_latest(runs):
    start, end, stop, t, x = runs
    found = kernels.latest(start, end, stop, t, x, 10)
    for row in range(10):
        values = [(int(t[i]), int(x[i])) for i in counting(runs, row)]
        assert (found[row] < 0) == (not values)
        if values:
            assert (t[found[row]], x[found[row]]) == max(values)


def test_distinct_groups(runs):
    start, end, _, _, x = runs
    order = np.lexsort((x, start // 5))
    found = kernels.distinct((start // 5 * 100 + x)[order].astype(np.int64), start[order], end[order], 10)
    for row in range(10):
        assert found[row] == len({(int(start[i]) // 5, int(x[i])) for i in counting(runs, row)})


def test_rows_above():
    row_from, keys = np.array([0, 3, 3, 5]), np.array([10, 20, 30, 5, 15])
    subject, values = np.array([0, 0, 0, 0, 1, 2, 2]), np.array([9, 10, 25, 30, 1, 5, 99])
    assert kernels.rows_above(row_from, keys, subject, values).tolist() == [0, 1, 2, 3, 3, 4, 5]


def test_a_version_ends_with_the_first_newer_one_that_is_seen():
    # key 1: the newest version (known 3) is seen before the middle one: that one never shows
    key, known = np.array([1, 1, 1, 2, 2]), np.array([1, 2, 3, 7, 7])
    seen = np.array([10, 40, 30, 7, 8])
    assert kernels.supersede(key, known, seen).tolist() == [30, 30, FOREVER, FOREVER, 8]
