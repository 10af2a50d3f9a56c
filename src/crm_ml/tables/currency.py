"""Amounts in foreign currencies: the newest rate known at the event's time, exactly."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from crm_ml import names as n
from crm_ml.errors import EXAMPLES_SHOWN, Finding
from crm_ml.tables.identifiers import coded
from crm_ml.tables.schemas import Schema
from crm_ml.tables.values import as_array

MAX_RATE: Final = 1e8
NOT_AMOUNTS: Final = frozenset({"quantity", "score"})
_RATE_TYPE = pa.decimal128(18, 10)
_AMOUNT_TYPE = pa.decimal128(19, 0)


def convert(
    schema: Schema, table: pa.Table, *, currency: str, rates: pa.Table | None, findings: list[Finding]
) -> pa.Table:
    """Return the table with all amounts in `currency`.

    An amount is multiplied by the newest rate of its currency with ``valid_from`` at or before the row's event time
    (rates to ten decimals, the product rounded half away from zero to 1e-4); the row's currency then is `currency`. A
    row without a currency is taken as `currency`. Rows without a rate are an error finding and keep their amounts.
    """
    own = pc.utf8_upper(pc.utf8_trim_whitespace(as_array(table["currency"])))
    foreign = pc.fill_null(pc.not_equal(own, currency.upper()), False)
    foreign = pc.and_(foreign, pc.fill_null(pc.not_equal(own, ""), False))
    rows = np.flatnonzero(foreign.to_numpy(zero_copy_only=False))
    if not len(rows):
        return table
    picked = table.take(pa.array(rows))
    codes = own.take(pa.array(rows)).to_pylist()
    found = _rates_at(codes, picked[schema.event_time], rates)
    missing = np.isnan(found)
    if missing.any():
        examples = sorted({code for code, gone in zip(codes, missing.tolist(), strict=True) if gone})
        findings.append(
            Finding(
                "error",
                "no_rate" if rates is not None else "foreign_currency",
                f"amounts must be in {currency}, or the table rates must hold a rate at or before the event; "
                f"{int(missing.sum())} rows have neither",
                "Map the table rates (currency, valid_from, rate: one unit of the currency in "
                f"{currency}), or leave these rows out with `where`",
                table=schema.name,
                column="currency",
                count=int(missing.sum()),
                examples=examples,
            )
        )
    done = ~missing
    where = rows[done]
    if len(where):
        findings.append(
            Finding(
                "info",
                "converted_currency",
                f"{len(where)} rows were converted to {currency}",
                "Nothing to do",
                table=schema.name,
                column="currency",
                count=len(where),
                examples=sorted(set(np.array(codes, dtype=object)[done].tolist())),
            )
        )
        table = _multiply(schema, table, where, found[done], currency)
    return table


def check_rates(rates: pa.Table, findings: list[Finding]) -> None:
    """Add an error finding for rates that cannot be: zero, negative or absurdly large."""
    usable = pc.and_(pc.greater(rates["rate"], 0.0), pc.less(rates["rate"], MAX_RATE))
    wrong = rates.filter(pc.invert(pc.fill_null(usable, True)))
    if len(wrong):
        findings.append(
            Finding(
                "error",
                "wrong_rate",
                f"rates must lie above 0 and below {MAX_RATE:.0e}, {len(wrong)} do not",
                "Correct them at the source: one unit of the currency in the workspace's currency",
                table=n.RATES,
                column="rate",
                count=len(wrong),
                examples=wrong["rate"].slice(0, EXAMPLES_SHOWN).to_pylist(),
            )
        )


def _rates_at(codes: list[str], times: pa.ChunkedArray, rates: pa.Table | None) -> npt.NDArray[np.float64]:
    """Find the newest rate of each currency at each time; NaN where there is none."""
    out = np.full(len(codes), np.nan)
    if rates is None or not len(rates):
        return out
    exact = times.combine_chunks().view(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy(zero_copy_only=False)
    names = pc.utf8_upper(pc.utf8_trim_whitespace(as_array(rates["currency"])))
    wanted = np.array(codes, dtype=object)
    for code in sorted(set(codes)):
        of_code = rates.filter(pc.equal(names, code))
        if not len(of_code):
            continue
        of_code = of_code.sort_by("valid_from")
        starts = of_code["valid_from"].combine_chunks().view(pa.int64()).to_numpy(zero_copy_only=False)
        values = of_code["rate"].combine_chunks().to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(wanted == code)
        at = np.searchsorted(starts, exact[rows], side="right") - 1
        rate = values[np.maximum(at, 0)]
        out[rows] = np.where((at >= 0) & (rate > 0) & (rate < MAX_RATE), rate, np.nan)
    return out


def _multiply(
    schema: Schema, table: pa.Table, where: npt.NDArray[np.intp], rates: npt.NDArray[np.float64], currency: str
) -> pa.Table:
    factors = pa.array(rates).cast(_RATE_TYPE)
    index = pa.array(where)
    inside = np.zeros(len(table), dtype=bool)
    inside[where] = True
    mask = pa.array(inside)
    for column in schema.columns:
        if column.type != "money" or column.name in NOT_AMOUNTS:
            continue
        amounts = table[column.name].combine_chunks()
        product = pc.multiply(amounts.take(index).cast(_AMOUNT_TYPE), factors)
        units = pc.round(product, 0, "half_towards_infinity").cast(pa.decimal128(38, 0)).cast(pa.int64())
        place = table.column_names.index(column.name)
        table = table.set_column(place, column.name, pc.replace_with_mask(amounts, mask, units))
    place = table.column_names.index("currency")
    texts = coded(pc.if_else(mask, pa.scalar(currency, pa.string()), as_array(table["currency"])))
    return table.set_column(place, "currency", texts)
