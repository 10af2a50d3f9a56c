"""Events cut in two where a value arrives, and sorted: what each instant sees stays the same."""

import random

import numpy as np

from crm_ml.features.events import Events
from crm_ml.features.timeline import FOREVER, NULL


def events_of(chance):
    size = chance.randint(0, 9)

    def some(low, high):
        return np.array([chance.randint(low, high) for _ in range(size)], np.int64)

    until = some(0, 9)
    # a version may end when or before it begins: it is never seen
    return Events(some(0, 2), some(0, 5), some(0, 7), np.where(until > 7, FOREVER, until), {"x": some(-2, 2)})


def seen_at(events, instant):
    """Return what is visible at an instant: subject, t and the columns of each event, in any order."""
    seen = (events.seen_from < instant) & (instant <= events.seen_until)
    columns = [events.subject, events.t, *(events.columns[name] for name in sorted(events.columns))]
    return sorted(zip(*(column[seen].tolist() for column in columns), strict=True))


def test_split_changes_columns_from_the_instant_on():
    for seed in range(200):
        chance = random.Random(seed)
        events, never = events_of(chance), chance.choice((0.0, 0.4, 1.0))
        at = np.array([NULL if chance.random() < never else chance.randint(0, 9) for _ in range(len(events))], np.int64)
        found = events.split(at, {"arrived": (0, 1), "x": (NULL, events.columns["x"])})
        for instant in range(12):
            arrived = (at != NULL) & (at < instant)
            columns = {"arrived": arrived.astype(np.int64), "x": np.where(arrived, events.columns["x"], NULL)}
            whole = Events(events.subject, events.t, events.seen_from, events.seen_until, columns)
            assert seen_at(found, instant) == seen_at(whole, instant), (seed, instant)


def test_ordered_keeps_what_is_seen_at_all():
    for seed in range(200):
        events = events_of(random.Random(seed))
        found = events.ordered()
        assert (found.seen_from < found.seen_until).all()
        assert len(found) == sum(a < b for a, b in zip(events.seen_from, events.seen_until, strict=True))
        assert [seen_at(found, i) for i in range(12)] == [seen_at(events, i) for i in range(12)]
        places = list(zip(found.subject.tolist(), found.t.tolist(), strict=True))
        assert places == sorted(places)
