"""The page of a comparison: one file without script, every text of others escaped, folded where it would be long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from crm_ml.actions.lists.cleaning import ID_CHARACTERS, clean
from crm_ml.actions.lists.columns import Language
from crm_ml.errors import UsageError
from crm_ml.features import CUSTOMER, LEAD
from crm_ml.features.catalogue import default_features, optional_features
from crm_ml.jobs.compare import CompareResult
from crm_ml.jobs.compare_inputs import ComparedRun
from crm_ml.jobs.compare_panels import Panels, panels
from crm_ml.jobs.compare_svg import bar, nice_scale
from crm_ml.jobs.compare_texts import ALIASES, EMPTY, KINDS, VERDICTS, day, note, number, say, signed, span, word
from crm_ml.jobs.files import disk_errors, make_folder, replace_file
from crm_ml.jobs.inputs import CHURN, LEADS
from crm_ml.jobs.pages import rendered
from crm_ml.jobs.settings import Workspace, inside
from crm_ml.models.evaluation.compare import PAIRED
from crm_ml.models.explain import shown
from crm_ml.models.explain.amounts import grouped
from crm_ml.models.terms import CHURN_TARGET

FOLDER = "compared"
_TEMPLATE = "compare_page.html.j2"
_TABLE_ROWS, _FOREST_ROWS, _COLUMNS = 15, 15, 8
_CHANGES_SHOWN = 500
_TEXT_CHARACTERS = 80
_SUBJECTS = {CHURN: CUSTOMER, LEADS: LEAD}


def write_page(result: CompareResult, workspace: Workspace, out: Path | None) -> CompareResult:
    """Write the page, whole or not at all, and return the result that names it.

    Parameters
    ----------
    result : CompareResult
        What to show.
    workspace : Workspace
        Below it lies the default folder.
    out : Path or None
        File to write; its folder is made if it is missing.

    Raises
    ------
    UsageError
        If `out` is a folder.
    Failure
        If the disk refuses.
    """
    file = inside(workspace.root, FOLDER) / f"{result.kind}.html" if out is None else out.expanduser().absolute()
    if file.is_dir():
        raise UsageError(f"{file} is a folder", remedy="Name a file with --out, e.g. compare.html.")
    text = page_html(result)
    with disk_errors(file.parent):
        make_folder(file.parent)
    replace_file(file, partial(_put, text.encode("utf-8", "replace")), step="compare")
    return replace(result, page=file)


def _put(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def page_html(result: CompareResult) -> str:
    """Return the page as one HTML text."""
    return rendered(_TEMPLATE, _values(result))


def _values(result: CompareResult) -> dict[str, Any]:
    said, pictures = result.language, panels(result)
    count = len(result.runs)
    return {
        "language": said,
        "say": partial(_say, result),
        "of_customers": result.target == CHURN_TARGET,
        "style": files("crm_ml.actions.lists").joinpath("templates/style.css").read_text(encoding="utf-8"),
        "reference": _short(result.reference, said),
        "count": say("count_one", said) if count == 1 else say("count", said, count=count),
        "short": _at_a_glance(result, pictures),
        "overview": _folded([_overview(run, result) for run in result.runs], _TABLE_ROWS),
        "forests": [_forest(result, measure) for measure in PAIRED],
        "panels": pictures,
        "importance": _importance(result),
        "tiers": _tiers(result),
        "backtests": [_backtest(one, said) for one in result.backtests],
        "notes": [f"{finding.message}. {finding.remedy}" for finding in result.findings],
    }


def _say(result: CompareResult, key: str, **values: object) -> str:
    return say(key, result.language, target=result.target, **values)


def _short(value: object, language: str) -> str:
    return clean(str(value), _lang(language), _TEXT_CHARACTERS)


def _lang(language: str) -> Language:
    return "de" if language == "de" else "en"


def _folded(rows: Sequence[Any], shown_rows: int) -> dict[str, Sequence[Any]]:
    """Return the first rows and the rest; a rest of a few is not worth a fold."""
    cut = len(rows) if len(rows) <= shown_rows + 3 else shown_rows
    return {"first": rows[:cut], "rest": rows[cut:]}


def _at_a_glance(result: CompareResult, pictures: Panels) -> list[str]:
    said = result.language
    reference = next(run for run in result.runs if run.version == result.reference)
    name = _short(reference.version, said)
    auc = reference.metrics.get("auc")
    lines = [
        say(
            "serves",
            said,
            name=name,
            kind=word(KINDS, _short(reference.tag("model_kind"), said), said),
            day=day(_short(reference.tag("as_of"), said), said),
            auc=EMPTY if auc is None else f"{number(auc.value, said)} ({span(auc.low, auc.high, said)})",
        )
        if result.champion_serves
        else say("nobody_serves", said, name=name)
    ]
    gaps = result.differences[result.differences["measure"] == "auc"]
    paired, loose = gaps[gaps["paired"]], gaps[~gaps["paired"] & (gaps["note"] != "reference")]
    if len(paired):
        counts = {reads: int((paired["reads"] == reads).sum()) for reads in ("better", "worse", "open")}
        lines.append(_say(result, "paired_count", count=len(paired), **counts))
    if len(loose):
        lines.append(_say(result, "unpaired_count", count=len(loose)))
    lines += [pictures.money_line] if pictures.money_line else []
    tiers = result.tiers
    if tiers is not None:
        values = {"changed": grouped(len(tiers.changes), said), "customers": grouped(tiers.customers, said)}
        lines.append(say("tiers_short", said, day=shown.date(tiers.as_of, said), after=tiers.after, **values))
    return lines


def _overview(run: ComparedRun, result: CompareResult) -> dict[str, Any]:
    said = result.language
    events = run.count("train_events")
    rows = run.count("train_rows")
    (gap,) = [row for row in result.auc_differences if row["name"] == run.version]
    return {
        "version": _short(run.version, said),
        "alias": word(ALIASES, run.alias, said) if run.alias else "",
        "champion": run.alias == "champion",
        "as_of": day(_short(run.tag("as_of"), said), said),
        "kind": word(KINDS, _short(run.tag("model_kind"), said), said) or EMPTY,
        "verdict": word(VERDICTS, _short(run.tag("verdict"), said), said) or EMPTY,
        "rows": EMPTY if rows is None else grouped(rows, said),
        "events": "" if events is None else _say(result, "leavers", count=grouped(events, said)),
        "measures": [
            _with_interval(run, name, 2 if name == "lift_at_capacity" else 3, said)
            for name in ("auc", "average_precision", "brier", "ece", "lift_at_capacity")
        ],
        "gap": _gap_cell(gap, run, said),
    }


def _with_interval(run: ComparedRun, name: str, decimals: int, said: str) -> tuple[str, str]:
    value = run.metrics.get(name)
    if value is None:
        return EMPTY, ""
    ends = [number(end, said, decimals) for end in (value.low, value.high)]
    return number(value.value, said, decimals), f"{ends[0]} {say('to', said)} {ends[1]}"


def _gap_cell(gap: Mapping[str, Any], run: ComparedRun, said: str) -> tuple[str, str]:
    """Return the difference and, below it, its interval or why there is none."""
    told = note(gap, _short(run.label[1], said), said)
    if gap["note"] and gap["note"] != "no_common_rows":
        return EMPTY, told
    interval = span(gap["low"], gap["high"], said, sign=True)
    return signed(gap["value"], said), f"{interval}; {told}" if gap["note"] else interval


def _forest(result: CompareResult, measure: str) -> dict[str, Any]:
    said = result.language
    by_version = {run.version: run for run in result.runs}
    rows = result.differences[result.differences["measure"] == measure]
    rows = rows[rows["note"] != "reference"]
    told = rows[rows["value"].notna()]
    scale = nice_scale(told["low"], told["high"])
    decimals = 2 if scale[1] >= 0.1 else 3
    listed = []
    for row in ({str(key): value for key, value in each.items()} for each in rows.to_dict("records")):
        known, run = row["value"] == row["value"], by_version[row["name"]]
        listed.append(
            {
                "version": _short(row["name"], said),
                "alias": word(ALIASES, run.alias, said) if run.alias else "",
                "svg": bar(row["low"], row["value"], row["high"], scale=scale, reads=row["reads"], paired=row["paired"])
                if known
                else "",
                "value": signed(row["value"], said) if known else EMPTY,
                "interval": span(row["low"], row["high"], said, sign=True) if known else "",
                "reads": say(row["reads"], said) if row["paired"] else "",
                "kind": row["reads"],
                "note": note(row, _short(run.label[1], said), said),
            }
        )
    return {
        "measure": measure,
        "title": say(f"{measure}_forest", said),
        "scale": [signed(end, said, decimals) for end in (scale[0], 0.0, scale[1])],
        "rows": _folded(listed, _FOREST_ROWS),
    }


def _importance(result: CompareResult) -> dict[str, Any] | None:
    table, said = result.importance, result.language
    if table.empty:
        return None
    of = _SUBJECTS[result.kind]
    known = (*default_features(of=of), *optional_features(of))
    words = {feature.id: (feature.text_de, feature.text_en)[said != "de"] for feature in known}
    names = sorted(table.columns, key=lambda name: name != result.reference)
    blocks = []
    for start in range(0, len(names), _COLUMNS):
        columns = names[start : start + _COLUMNS]
        rows = [
            {
                "words": _short(words.get(str(feature), ""), said),
                "id": _short(feature, said),
                "cells": [(round(100 * value), shown.share(value, said) if value > 0 else EMPTY) for value in values],
            }
            for feature, values in zip(table.index, table[columns].to_numpy(float).tolist(), strict=True)
        ]
        blocks.append(
            {
                "columns": [_short(name, said) for name in columns],
                "title": say("versions_from_to", said, first=columns[0], last=columns[-1]),
                "rows": rows,
            }
        )
    return {"first": blocks[0], "rest": blocks[1:], "more": len(names[_COLUMNS:]), "count": len(table)}


def _tiers(result: CompareResult) -> dict[str, Any] | None:
    tiers, said = result.tiers, result.language
    if tiers is None:
        return None
    changes = tiers.changes.head(_CHANGES_SHOWN)
    count = len(tiers.changes)
    return {
        "note": say(
            "tiers_note",
            said,
            customers=grouped(tiers.customers, said),
            day=shown.date(tiers.as_of, said),
            before=tiers.before,
            after=tiers.after,
        ),
        "before": tiers.before,
        "after": tiers.after,
        "matrix": [
            (say(str(tier), said), [(grouped(value, said), str(other) == str(tier)) for other, value in row.items()])
            for tier, row in tiers.matrix.to_dict("index").items()
        ],
        "heads": [say(str(tier), said) for tier in tiers.matrix.columns],
        "summary": say("changed_one", said) if count == 1 else say("changed", said, count=grouped(count, said)),
        "cut": say("changed_shown", said, count=_CHANGES_SHOWN) if count > _CHANGES_SHOWN else "",
        "rows": [_change(row, said) for row in changes.to_dict("records")],
    }


def _change(row: Mapping[Any, Any], said: str) -> dict[str, Any]:
    return {
        "id": clean(str(row["customer_id"]), _lang(said), ID_CHARACTERS),
        "p": [shown.share(row[key], said) for key in ("p_before", "p_after")],
        "tiers": [(str(row[key]), say(str(row[key]), said)) for key in ("tier_before", "tier_after")],
    }


def _backtest(one: Any, said: str) -> dict[str, Any]:
    rows = []
    for row in one.table.to_dict("records"):
        own = row["name"] == row["reference"]
        known = row["difference"] == row["difference"]
        rows.append(
            {
                "name": _short(row["name"], said),
                "rule": say("rule", said) if row["is_rule"] else "",
                "counts": [grouped(row[key], said) for key in ("cutoffs", "rows", "events")],
                "measures": [number(row[key], said) for key in ("auc", "average_precision", "brier", "ece")],
                "gap": say("reference", said) if own else signed(row["difference"], said) if known else EMPTY,
                "interval": span(row["low"], row["high"], said, sign=True) if known and not own else "",
            }
        )
    name = _short(one.table["reference"].iloc[0], said) if len(one.table) else EMPTY
    return {
        "title": say("backtest", said, day=day(one.as_of, said)),
        "note": say("backtest_note", said, name=name),
        "rows": rows,
    }
