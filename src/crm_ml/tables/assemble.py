"""From raw columns to `Tables`: types, nulls, currency, keys and versions, internal customers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.errors import Finding, did_you_mean, error_from_findings
from crm_ml.tables.currency import check_rates, convert
from crm_ml.tables.frame import Tables
from crm_ml.tables.identifiers import is_among, used_levels
from crm_ml.tables.place import Mask, Place
from crm_ml.tables.room import MEMORY, Room
from crm_ml.tables.schemas import SCHEMAS, Column, Schema
from crm_ml.tables.values import ARROW_TYPES, INSTANT, as_array, attribute_type, to_canonical
from crm_ml.tables.versions import Settled, must_have, settle

_SHOWN_COLUMNS = 12


@dataclass
class Part:
    """The raw columns of one table, not yet typed."""

    table: str
    rows: int
    columns: dict[str, tuple[Any, Place]]
    attributes: dict[str, tuple[Any, Place]] = field(default_factory=dict)
    attributes_known_from: Mapping[str, str] = field(default_factory=dict)
    """Attribute to the time column from which it is known (empty: with the row); others are held back."""
    known_from: Mapping[str, str] = field(default_factory=dict)
    unmapped: tuple[str, ...] = ()
    drop_exact_duplicates: bool = False
    map_hint: str = "crm.yaml: tables: {table}: columns: {{{column}: SOURCE COLUMN}}"


def id_columns(schema: Schema) -> frozenset[str]:
    """Columns that hold identifiers: keys, references, and whatever ends in ``_id``."""
    named = {*schema.key, *(reference.column for reference in schema.references)}
    texts = {column.name for column in schema.columns if column.type == "text"}
    return frozenset({name for name in texts if name in named or name.endswith("_id")})


class Assembly:
    """Tables made of raw parts one after the other, so that no two are held both raw and typed.

    Rates must come first: amounts of other tables are converted with them. `room` says where columns are kept.
    """

    def __init__(self, *, zone: str, currency: str, room: Room = MEMORY) -> None:
        self.zone, self.currency, self.room = zone, currency, room
        self._made: dict[str, tuple[Settled | None, dict[str, str], list[Finding]]] = {}
        self._parts: dict[str, Part] = {}

    def add(self, part: Part) -> None:
        """Type, check and order a table; its raw columns are let go."""
        rates = self._made.get(n.RATES, (None,))[0]
        self._made[part.table] = _one(part, self.currency, None if rates is None else rates.table, self.room)
        self._parts[part.table] = part
        self.room.rest()

    def finish(self, findings: list[Finding], *, strict: bool, title: str) -> Tables:
        """Return all tables; with `strict`, raise one `DataError` for all findings of severity error."""
        frames: dict[str, pa.Table] = {}
        quarantine: dict[str, pa.Table] = {}
        # what is found is told in the order of the tables
        for name in sorted(self._made, key=lambda name: (name != n.RATES, name)):
            settled, _, said = self._made[name]
            findings.extend(said)
            if settled is None:
                continue
            frames[name] = settled.table
            if settled.quarantine is not None:
                quarantine[name] = settled.quarantine
        frames = _without_internal(frames, findings, self.room)
        tables = Tables(
            frames={name: frames[name] for name in SCHEMAS if name in frames},
            zone=self.zone,
            currency=self.currency,
            mapped={name: frozenset(self._parts[name].columns) for name in frames},
            attributes={name: self._made[name][1] for name in frames},
            known_from={name: dict(self._parts[name].known_from) for name in frames},
            findings=tuple(findings),
            quarantine=quarantine,
            room=self.room,
        )
        error = error_from_findings(findings, title=title) if strict else None
        if error is not None:
            raise error
        return tables


def in_order(names: Iterable[str]) -> list[str]:
    """Return names of tables in the order in which they can be added: rates first."""
    return sorted(names, key=lambda name: name != n.RATES)


def _one(
    part: Part, currency: str, rates: pa.Table | None, room: Room
) -> tuple[Settled | None, dict[str, str], list[Finding]]:
    """Return one table in order (None if a required column is missing), its attributes, and what was found."""
    schema, findings = SCHEMAS[part.table], list[Finding]()
    for columns in (part.columns, part.attributes):
        columns.update({name: (raw, replace(place, findings=findings)) for name, (raw, place) in columns.items()})
    complete = _complete(part, schema, findings)
    table, attributes = _typed(part, schema, findings, room)
    if not complete:
        return None, attributes, findings
    if part.table == n.RATES:
        check_rates(table, findings)
    elif "currency" in part.columns:
        table = room.table(convert(schema, table, currency=currency, rates=rates, findings=findings))
    late = {**part.known_from, **attributes}
    settled = settle(
        schema,
        table,
        mapped=part.columns,
        late=late,
        drop_exact_duplicates=part.drop_exact_duplicates,
        room=room,
    )
    findings.extend(settled.findings)
    _say_unmapped(part, findings)
    return settled, attributes, findings


def _complete(part: Part, schema: Schema, findings: list[Finding]) -> bool:
    missing = [column.name for column in schema.columns if column.required and column.name not in part.columns]
    for name in missing:
        near = did_you_mean(name, part.unmapped)
        findings.append(
            Finding(
                "error",
                "missing_column",
                f'the required column "{name}" is not mapped or not in the source.{near}'.rstrip("."),
                "Map it, `" + part.map_hint.format(table=part.table, column=name) + "`",
                table=part.table,
                column=name,
                examples=part.unmapped,
            )
        )
    return not missing


def _typed(part: Part, schema: Schema, findings: list[Finding], room: Room) -> tuple[pa.Table, dict[str, str]]:
    """All canonical columns in their types, then the attributes; nulls and vocabulary checked."""
    ids, essential = id_columns(schema), must_have(schema)
    arrays: list[Any] = []
    names: list[str] = []
    with ThreadPoolExecutor(room.threads) as pool:
        typed = {
            column.name: pool.submit(
                _column, part, column, room, is_id=column.name in ids, essential=column.name in essential
            )
            for column in schema.columns
            if column.name in part.columns
        }
    for column in schema.columns:
        names.append(column.name)
        if column.name in part.columns:
            array, said = typed[column.name].result()
            findings.extend(said)
            arrays.append(array)
            continue
        arrays.append(_nothing(part.rows, ARROW_TYPES[column.type]))
    if part.rows == 0:
        findings.append(
            Finding("warning", "empty_table", "the table has no rows", "Check the source and `where`", table=part.table)
        )
    taken = _attributes(part, names, arrays, findings, room)
    schema_types = [pa.field(name, array.type) for name, array in zip(names, arrays, strict=True)]
    return pa.Table.from_arrays(arrays, schema=pa.schema(schema_types)), taken


@lru_cache(maxsize=16)
def _zeros(rows: int) -> pa.Buffer:
    return pa.py_buffer(np.zeros(8 * (rows + 1), np.uint8))


def _nothing(rows: int, kind: pa.DataType) -> pa.Array:
    """Return a column without values. All such share their memory, and zeros that nobody writes to take none."""
    zeros = _zeros(rows)
    buffers = [zeros, zeros, zeros] if pa.types.is_string(kind) else [zeros, zeros]
    return pa.Array.from_buffers(kind, rows, buffers, null_count=rows)


def _column(part: Part, column: Column, room: Room, *, is_id: bool, essential: bool) -> tuple[pa.Array, list[Finding]]:
    """Return one column in its type, and what was found in it."""
    raw, place = part.columns[column.name]
    part.columns[column.name] = None, place  # so that raw and typed values are not held side by side
    place = replace(place, findings=[])
    array, bad = to_canonical(raw, column, place, is_id=is_id)
    if array.null_count:
        _check_nulls(array, bad, column, place, essential=essential)
    if column.values:
        _check_vocabulary(array, column, place)
    array = room.array(array)
    room.rest()
    return array, place.findings


def _attributes(part: Part, names: list[str], arrays: list[Any], findings: list[Finding], room: Room) -> dict[str, str]:
    """Append the own columns whose time of knowledge is said; return it."""
    held = [name for name in part.attributes if name not in part.attributes_known_from]
    if held:
        findings.append(
            Finding(
                "info",
                "attributes_held_back",
                f"the attributes {', '.join(held)} are held back: it is not said when they were known",
                "Add `known_from: TIME COLUMN` under `attributes` (an empty text: known with the row)",
                table=part.table,
                count=len(held),
                examples=held,
            )
        )
    taken: dict[str, str] = {}
    for name, (raw, place) in part.attributes.items():
        if name not in held:
            array = as_array(raw)
            array, _ = to_canonical(array, Column(name, attribute_type(array, place)), place)
            names.append(name)
            arrays.append(room.array(array))
            taken[name] = part.attributes_known_from[name]
    times = [name for name, array in zip(names, arrays, strict=True) if array.type == INSTANT]
    for name, time in {**part.known_from, **taken}.items():
        if time and time not in times:
            findings.append(
                Finding(
                    "error",
                    "unknown_time_column",
                    f'known_from of "{name}" must be a time column of this table, found "{time}".'
                    f"{did_you_mean(time, times)}".rstrip("."),
                    f"Use one of {', '.join(times)}" if times else "Map a time column",
                    table=part.table,
                    column=name,
                )
            )
    return taken


def _check_nulls(array: pa.Array, bad: Mask, column: Column, place: Place, *, essential: bool) -> None:
    if not (column.required or essential) or (column.name == "line_no" and array.null_count == len(array)):
        return
    count = array.null_count - int(np.count_nonzero(bad))
    if count <= 0:
        return
    if essential:
        message = f"{place.name} must be filled in every row, {count} of {len(array)} rows have none"
        place.say("error", "null_required", message, place.remedy_where(), count=count)
    else:
        message = f"{place.name} should be filled, {count} of {len(array)} rows have none"
        place.say("warning", "null_value", message, place.remedy_where(), count=count)


def _check_vocabulary(array: pa.Array, column: Column, place: Place) -> None:
    counts = pc.value_counts(array)
    known = set(column.values)
    strange = [
        (value, entry["counts"].as_py())
        for entry in counts
        if (value := entry["values"].as_py()) is not None and value not in known
    ]
    if not strange:
        return
    strange.sort(key=lambda pair: (-pair[1], pair[0]))
    near = did_you_mean(strange[0][0].lower(), column.values)
    place.say(
        "info" if column.open_values else "warning",
        "other_value",
        f"{place.name} usually holds {', '.join(column.values)}; found other values, which are kept as they are",
        f"Map them with SQL if they mean one of these, e.g. `{{sql: CASE ... END}}`.{near}",
        count=sum(count for _, count in strange),
        examples=[value for value, _ in strange],
    )


def _say_unmapped(part: Part, findings: list[Finding]) -> None:
    if not part.unmapped:
        return
    shown = ", ".join(part.unmapped[:_SHOWN_COLUMNS]) + (", ..." if len(part.unmapped) > _SHOWN_COLUMNS else "")
    canonical = [name for name in part.unmapped if name in SCHEMAS[part.table].column_names]
    hint = f"; {', '.join(canonical)} are canonical names: list them under `columns` to use them" if canonical else ""
    findings.append(
        Finding(
            "info",
            "unmapped_column",
            f"{len(part.unmapped)} columns of the source are not mapped and ignored: {shown}",
            f"Map them if they mean something, or leave them{hint}",
            table=part.table,
            count=len(part.unmapped),
            examples=part.unmapped,
        )
    )


# customers that are no customers

_CASCADE = (
    (n.ORDER_LINES, n.CUSTOMER_ID, n.CUSTOMERS),
    (n.INVOICES, n.CUSTOMER_ID, n.CUSTOMERS),
    (n.PAYMENTS, "invoice_id", n.INVOICES),
    (n.INTERACTIONS, n.CUSTOMER_ID, n.CUSTOMERS),
    (n.SURVEYS, n.CUSTOMER_ID, n.CUSTOMERS),
    (n.CONTRACTS, n.CUSTOMER_ID, n.CUSTOMERS),
    (n.LEADS, n.CUSTOMER_ID, n.CUSTOMERS),
    (n.LEAD_EVENTS, n.LEAD_ID, n.LEADS),
    (n.LEAD_STAGES, n.LEAD_ID, n.LEADS),
    (n.DEALS, n.CUSTOMER_ID, n.CUSTOMERS),
    (n.DEAL_STAGES, "deal_id", n.DEALS),
)


def _without_internal(frames: dict[str, pa.Table], findings: list[Finding], room: Room) -> dict[str, pa.Table]:
    """Leave out customers with status internal, and everything that hangs on them."""
    customers = frames.get(n.CUSTOMERS)
    if customers is None or customers["status"].null_count == len(customers):
        return frames
    internal = customers.filter(pa.array(is_among(customers["status"], pa.array(["internal"]))))[n.CUSTOMER_ID]
    if not len(internal):
        return frames
    out = dict(frames)
    gone = {n.CUSTOMERS: used_levels(internal)}
    out[n.CUSTOMERS] = _outside(customers, n.CUSTOMER_ID, gone[n.CUSTOMERS], room)
    for name, column, parent in _CASCADE:
        if name not in out or parent not in gone:
            continue
        before = out[name]
        key = SCHEMAS[name].key[0]
        lost = before.filter(pa.array(is_among(before[column], gone[parent])))
        out[name] = _outside(before, column, gone[parent], room)
        gone[name] = used_levels(lost[key])
    if n.ACTION_LOG in out:
        log = out[n.ACTION_LOG]
        about = is_among(log["subject_type"], pa.array(["customer"])) & is_among(log["subject_id"], gone[n.CUSTOMERS])
        out[n.ACTION_LOG] = log.filter(pa.array(~about))
    findings.append(
        Finding(
            "info",
            "internal_customer",
            f"{len(gone[n.CUSTOMERS])} customers with status internal were left out with their rows in all tables",
            "Nothing to do",
            table=n.CUSTOMERS,
            column="status",
            count=len(gone[n.CUSTOMERS]),
            examples=gone[n.CUSTOMERS].slice(0, 5).to_pylist(),
        )
    )
    return out


def _outside(table: pa.Table, column: str, ids: pa.Array, room: Room) -> pa.Table:
    return room.filtered(table, ~is_among(table[column], ids))
