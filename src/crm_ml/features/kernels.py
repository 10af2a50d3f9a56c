"""The compiled loops: each walks the events once and fills all cutoffs.

The spine's rows are sorted by (subject, cutoff); subject `s` owns the rows ``row_from[s]`` to ``row_from[s + 1] - 1``.
Whatever decides whether an event counts at a cutoff (its visibility, both ends of its window) grows with the cutoff, so
an event counts on one run of rows ``[start, end)``. Sums add +x where the run starts and -x where it ends; a running
total gives every cutoff. All values are int64: the result does not depend on the order of rows or on other cutoffs.
"""

from __future__ import annotations

import numpy as np

from crm_ml.compiled import compiled
from crm_ml.features.timeline import FOREVER, I32, I64, NULL

_FOREVER = np.int64(FOREVER)
_NULL = np.int64(NULL)


@compiled
def rows_above(row_from: I64, keys: I64, subject: I64, values: I64) -> I32:
    """Return for each event the first row of its subject whose key is greater than the value."""
    out = np.empty(len(values), np.int32)
    for i in range(len(values)):
        low = row_from[subject[i]]
        high = row_from[subject[i] + 1]
        x = values[i]
        while low < high:
            middle = (low + high) >> 1
            if keys[middle] > x:
                high = middle
            else:
                low = middle + 1
        out[i] = low
    return out


@compiled
def running_sum(start: I32, end: I32, x: I64, rows: int) -> I64:
    """Return for each row the sum of x over the events whose run holds it."""
    out = np.zeros(rows + 1, np.int64)
    for i in range(len(x)):
        if end[i] > start[i]:
            out[start[i]] += x[i]
            out[end[i]] -= x[i]
    for row in range(1, rows):
        out[row] += out[row - 1]
    return out[:rows]


@compiled
def running_max(start: I32, end: I32, x: I64, rows: int) -> I64:
    """Return for each row the greatest x of the events whose run holds it; NULL where there is none."""
    out = np.full(rows, _NULL, np.int64)
    for i in range(len(x)):
        for row in range(start[i], end[i]):
            out[row] = max(out[row], x[i])
    return out


@compiled
def latest(start: I32, end: I32, stop: I32, t: I64, x: I64, rows: int) -> I64:
    """Return for each row the index of the latest event whose run holds it (equal times: the greatest x); -1 for none.

    Events are sorted by (subject, t); `stop` is the end of the subject's rows.
    """
    out = np.full(rows, -1, np.int64)
    j = len(t) - 1
    while j >= 0:
        owner = stop[j]
        full = owner  # from this row on, every row of the subject holds a later event
        while j >= 0 and stop[j] == owner:
            now = t[j]
            lowest = full
            while j >= 0 and stop[j] == owner and t[j] == now:
                for row in range(start[j], min(end[j], full)):
                    held = out[row]
                    if held < 0 or (t[held] == now and x[j] > x[held]):
                        out[row] = j
                if end[j] == owner:
                    lowest = min(lowest, start[j])
                j -= 1
            full = lowest
    return out


@compiled
def distinct(group: I64, start: I32, end: I32, rows: int) -> I64:
    """Return for each row the number of groups with an event whose run holds it; equal groups are adjacent."""
    out = np.zeros(rows + 1, np.int64)
    n = len(group)
    starts = np.empty(n, np.int32)
    ends = np.empty(n, np.int32)
    i = 0
    while i < n:
        g = group[i]
        m = 0
        while i < n and group[i] == g:
            if end[i] > start[i]:
                k = m  # insertion: the runs come almost in order
                while k > 0 and starts[k - 1] > start[i]:
                    starts[k] = starts[k - 1]
                    ends[k] = ends[k - 1]
                    k -= 1
                starts[k] = start[i]
                ends[k] = end[i]
                m += 1
            i += 1
        k = 0
        while k < m:
            reach = ends[k]
            out[starts[k]] += 1
            while k < m and starts[k] <= reach:
                reach = max(reach, ends[k])
                k += 1
            out[reach] -= 1
    for row in range(1, rows):
        out[row] += out[row - 1]
    return out[:rows]


@compiled
def supersede(key: I64, known: I64, seen_from: I64) -> I64:
    """Return for rows sorted by (key, known) until when each is the newest visible version of its key.

    A version ends when the first of its successors (greater `known`) is seen. Of rows with equal (key, known) only the
    first counts; the others end before they begin.
    """
    n = len(key)
    until = np.full(n, _FOREVER, np.int64)
    i = n - 1
    while i >= 0:
        k = key[i]
        newer = _FOREVER
        while i >= 0 and key[i] == k:
            j = i
            while j >= 0 and key[j] == k and known[j] == known[i]:
                j -= 1
            until[j + 1] = newer
            for twin in range(j + 2, i + 1):
                until[twin] = seen_from[twin]
            newer = min(newer, seen_from[j + 1])
            i = j
    return until


@compiled
def group_states(
    group: I64, t: I64, seen_from: I64, seen_until: I64, removals: I64, x: I64
) -> tuple[I64, I64, I64, I64, I64, I64]:
    """Return the states of groups of rows (the lines of an order): one per change of the visible set.

    Rows are sorted by (group, seen_from); `removals` lists the rows that end, sorted by (group, seen_until). Each state
    is (first row of the group, earliest visible t, seen_from, seen_until, number of rows, sums of x).
    """
    n = len(group)
    size = n + len(removals)
    first = np.empty(size, np.int64)
    at = np.empty(size, np.int64)
    begins = np.empty(size, np.int64)
    ends = np.empty(size, np.int64)
    rows = np.empty(size, np.int64)
    sums = np.empty((x.shape[0], size), np.int64)
    total = np.zeros(x.shape[0], np.int64)
    states = 0
    i = 0
    r = 0
    while i < n:
        head = i
        g = group[i]
        count = 0
        earliest = _FOREVER
        total[:] = 0
        while (i < n and group[i] == g) or (r < len(removals) and group[removals[r]] == g):
            now = _FOREVER
            if i < n and group[i] == g:
                now = seen_from[i]
            if r < len(removals) and group[removals[r]] == g:
                now = min(now, seen_until[removals[r]])
            if count > 0:
                ends[states - 1] = now
            while i < n and group[i] == g and seen_from[i] == now:
                count += 1
                earliest = min(earliest, t[i])
                total += x[:, i]
                i += 1
            lost = False
            while r < len(removals) and group[removals[r]] == g and seen_until[removals[r]] == now:
                row = removals[r]
                count -= 1
                total -= x[:, row]
                lost = lost or t[row] == earliest
                r += 1
            if lost:
                earliest = _FOREVER
                for row in range(head, i):
                    if seen_until[row] > now:
                        earliest = min(earliest, t[row])
            if count > 0:
                first[states] = head
                at[states] = earliest
                begins[states] = now
                ends[states] = _FOREVER
                rows[states] = count
                sums[:, states] = total
                states += 1
    return first[:states], at[:states], begins[:states], ends[:states], rows[:states], sums[:, :states]


@compiled
def gap_states(subject: I64, day: I64, t: I64, when: I64, which: I64) -> tuple[I64, I64, I64, I64, I64]:
    """Return the gaps between consecutive visible event days, each with the span of time in which it is seen.

    Events are sorted by (subject, day, t). `which` lists appearances (i) and disappearances (-1 - i) of events in the
    order of (subject, when). Each gap is (row of its later day, t of that day's first visible event, days, seen_from,
    seen_until).
    """
    n = len(subject)
    size = 3 * n  # an event opens at most two gaps when it appears and one when it disappears
    g_row = np.empty(size, np.int64)
    g_t = np.empty(size, np.int64)
    g_days = np.empty(size, np.int64)
    g_from = np.empty(size, np.int64)
    g_until = np.empty(size, np.int64)
    found = 0
    slot = np.empty(n, np.int64)  # the first row of the event's day
    for i in range(n):
        slot[i] = slot[i - 1] if i > 0 and subject[i] == subject[i - 1] and day[i] == day[i - 1] else i
    active = np.zeros(n, np.bool_)
    present = np.zeros(n, np.int64)  # per slot: visible events of that day
    head = np.zeros(n, np.int64)  # per slot: t of the first visible one
    before = np.full(n, -1, np.int64)  # per slot: slot of the day before it, while a gap is open
    since = np.zeros(n, np.int64)
    top = -1  # the last present slot of this subject, or of one before it
    for c in range(len(which)):
        add = which[c] >= 0
        i = which[c] if add else -1 - which[c]
        now = when[c]
        owner = subject[i]
        s = slot[i]
        was = present[s]
        was_head = head[s]
        active[i] = add
        present[s] += 1 if add else -1
        if present[s] > 0:
            k = s
            while not active[k]:
                k += 1
            head[s] = t[k]
        if was > 0 and present[s] > 0 and head[s] == was_head:
            continue
        left = s - 1
        while left >= 0 and subject[left] == owner and present[left] == 0:
            left -= 1
        if left < 0 or subject[left] != owner:
            left = -1
        right = -1
        if s < top:
            right = s + 1
            while present[right] == 0:
                right += 1
        changed = (was > 0) != (present[s] > 0)
        for which_slot in (s, right if changed else -1):
            if which_slot >= 0 and before[which_slot] >= 0:
                if since[which_slot] < now:
                    g_row[found] = which_slot
                    g_t[found] = was_head if which_slot == s else head[which_slot]
                    g_days[found] = day[which_slot] - day[before[which_slot]]
                    g_from[found] = since[which_slot]
                    g_until[found] = now
                    found += 1
                before[which_slot] = -1
        if present[s] > 0:
            top = max(top, s)
            before[s] = left
            since[s] = now
            if changed and right >= 0:
                before[right] = s
                since[right] = now
        else:
            if s == top:
                top = left
            if right >= 0:
                before[right] = left
                since[right] = now
    for s in range(n):
        if before[s] >= 0:
            g_row[found] = s
            g_t[found] = head[s]
            g_days[found] = day[s] - day[before[s]]
            g_from[found] = since[s]
            g_until[found] = _FOREVER
            found += 1
    return g_row[:found], g_t[:found], g_days[:found], g_from[:found], g_until[:found]


@compiled
def balance_states(
    groups: int, at_from: I64, at: I64, inv_from: I64, inv: I64, pay_from: I64, pay: I64
) -> tuple[I64, I64, I64, I64, I64]:
    """Return the states of invoices between the instants at which something about them changes.

    Group g (an invoice id) owns the sorted instants ``at[at_from[g]:at_from[g + 1]]``, the versions
    ``inv[:, inv_from[g]:...]`` with rows (seen_from, seen_until, amount, due_at, disputed_at) and the payments
    ``pay[:, pay_from[g]:...]``, sorted by time, with rows (seen_from, seen_until, amount, paid_at).
    Each state is (version, seen_from, seen_until, visible payments, index of the settling payment or -1).
    """
    version = np.empty(len(at), np.int64)
    begins = np.empty(len(at), np.int64)
    ends = np.empty(len(at), np.int64)
    paid = np.empty(len(at), np.int64)
    settled = np.empty(len(at), np.int64)
    n = 0
    for g in range(groups):
        for k in range(at_from[g], at_from[g + 1]):
            now = at[k]
            after = at[k + 1] if k + 1 < at_from[g + 1] else _FOREVER
            v = -1
            for i in range(inv_from[g], inv_from[g + 1]):
                if inv[0, i] <= now and inv[1, i] >= after:
                    v = i
            if v < 0:
                continue
            total = np.int64(0)
            by = -1
            j = pay_from[g]
            while j < pay_from[g + 1]:
                instant = pay[3, j]
                last = -1
                while j < pay_from[g + 1] and pay[3, j] == instant:
                    if pay[0, j] <= now and pay[1, j] >= after:
                        total += pay[2, j]
                        last = j
                    j += 1
                if by < 0 and total >= inv[2, v]:
                    by = last  # none if no payment of this instant is visible
            version[n] = v
            begins[n] = now
            ends[n] = after
            paid[n] = total
            settled[n] = by if total >= inv[2, v] else -1
            n += 1
    return version[:n], begins[:n], ends[:n], paid[:n], settled[:n]


@compiled
def greatest_sum(group: I64, start: I32, end: I32, x: I64, counts: I64, rows: int) -> I64:
    """Return for each row the greatest sum of x over the groups that have a counting event there; NULL without any.

    Equal groups are adjacent and belong to one subject; an event with ``counts`` 0 adds its x but does not make its
    group count.
    """
    out = np.full(rows, _NULL, np.int64)
    change = np.zeros(rows + 1, np.int64)
    change_of_count = np.zeros(rows + 1, np.int64)
    n = len(group)
    i = 0
    while i < n:
        g = group[i]
        head = i
        low = rows
        high = 0
        while i < n and group[i] == g:
            if end[i] > start[i]:
                change[start[i]] += x[i]
                change[end[i]] -= x[i]
                change_of_count[start[i]] += counts[i]
                change_of_count[end[i]] -= counts[i]
                low = min(low, start[i])
                high = max(high, end[i])
            i += 1
        total = np.int64(0)
        count = np.int64(0)
        for row in range(low, high):
            total += change[row]
            count += change_of_count[row]
            if count > 0:
                out[row] = max(out[row], total)
        for k in range(head, i):
            change[start[k]] = 0
            change[end[k]] = 0
            change_of_count[start[k]] = 0
            change_of_count[end[k]] = 0
    return out
