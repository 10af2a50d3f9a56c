"""Changes that nobody could have seen at a cutoff: rows and values that happen, or become known, at or after it."""

from __future__ import annotations

from messy_firms import EVENT_TIME, LATE, Dice, Firm, Generator, Row
from wall_clock import DAY_US, HOUR_US

DEPENDS = {
    "customers": {"status": "status_from", "segment": "customer_since"},
    "leads": {"budget": "qualified_at"},
    "deals": {"status": "closed_at"},
}
"""Values that are hidden while the time in another column is not past."""
HOLDS_WITHOUT_TIME = "status_from"
"""A status without a time always held: its time may move, but not vanish."""


def not_before(dice: Dice, cutoff: int) -> int:
    """Return an instant at or after the cutoff, often the cutoff itself."""
    return cutoff + (0, 0, 1, HOUR_US, DAY_US, 40 * DAY_US, 700 * DAY_US)[dice.below(7)]


def _unseen(firm: Firm, table: str, row: Row, cutoff: int, dice: Dice) -> Row:
    """Return the row, moved so that it is not visible at the cutoff."""
    late = not_before(dice, cutoff)
    if "known_at" in firm.columns[table] and dice.below(2):
        return {**row, "known_at": late}
    return {**row, EVENT_TIME[table]: late, "known_at": (None, late, cutoff - DAY_US)[dice.below(3)]}


def _late_values(firm: Firm, table: str, row: Row, cutoff: int, make: Generator) -> Row:
    """Return the row with other values in the columns that are not known yet."""
    found = dict(row)
    for name, since in DEPENDS.get(table, {}).items():
        hidden = row[since] is not None and row[since] >= cutoff
        if hidden or (row[since] is None and since != HOLDS_WITHOUT_TIME):
            found[name] = (make.row(table) if table in EVENT_TIME else make.customer("any"))[name]
    for name in LATE.get(table, ()):
        if row[name] is not None and row[name] < cutoff:
            continue
        if name == HOLDS_WITHOUT_TIME:
            found[name] = row[name] if row[name] is None else not_before(make.dice, cutoff)
        else:
            found[name] = (None, not_before(make.dice, cutoff))[make.dice.below(2)]
    return found


def _changed(firm: Firm, table: str, cutoff: int, make: Generator) -> list[Row]:
    """Return the rows of a table after one random change that is not visible at the cutoff."""
    dice, rows = make.dice, [dict(row) for row in firm.rows[table]]
    hidden = [k for k, row in enumerate(rows) if not firm.sees(table, row, cutoff)]
    kind = dice.below(5)
    if kind == 0 and table in EVENT_TIME:
        rows.insert(dice.below(len(rows) + 1), _unseen(firm, table, make.row(table), cutoff, dice))
    elif kind == 1 and hidden:
        del rows[hidden[dice.below(len(hidden))]]
    elif kind == 2 and hidden:
        place, other = hidden[dice.below(len(hidden))], make.row(table)
        mixed = {name: (other if dice.below(2) else rows[place])[name] for name in other}
        rows[place] = _unseen(firm, table, mixed, cutoff, dice)
    elif kind == 3 and rows:
        # a repeat of a row is dropped, but lines without a number are lines each
        every = table != "order_lines" or "line_no" in firm.columns[table]
        places = list(range(len(rows))) if every else hidden
        if places:
            rows.append(dict(rows[places[dice.below(len(places))]]))
    elif rows:
        place = dice.below(len(rows))
        rows[place] = _late_values(firm, table, rows[place], cutoff, make)
    return rows


def invisible_changes(firm: Firm, cutoff: int, dice: Dice, *, changes: int = 8) -> Firm:
    """Return the firm after 1 to `changes` random changes to rows and values that are not visible at the cutoff."""
    make = firm.generator(dice)
    tables = list(firm.rows)
    for _ in range(1 + dice.below(changes)):
        table = tables[dice.below(len(tables))]
        firm = firm.with_rows(table, _changed(firm, table, cutoff, make))
    return firm
