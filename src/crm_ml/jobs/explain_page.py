"""The page about one customer: self-contained, without script, every text of others escaped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_ml.actions.lists.cleaning import ID_CHARACTERS, NAME_CHARACTERS, clean
from crm_ml.actions.lists.columns import Language
from crm_ml.actions.lists.names import file_stems
from crm_ml.jobs.explain import ExplainResult
from crm_ml.jobs.explain_texts import (
    HEADINGS,
    KINDS,
    RIGHT,
    ROWS,
    TABLES,
    TEXTS,
    TIERS,
    cell,
    counterfactual_text,
    note_text,
    of,
    probability_text,
)
from crm_ml.jobs.pages import picture_bytes, picture_source, rendered, write_pages
from crm_ml.jobs.settings import Workspace, inside
from crm_ml.models.explain import amounts, shown
from crm_ml.models.explain.evidence import COLUMNS
from crm_ml.models.explain.pictures_customer import score_history_alt, timeline_alt, waterfall_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER, PAGE = "explained", "explanation.html"
_TEMPLATE = "explain_page.html.j2"
_CELL_CHARACTERS = 80


def write_page(result: ExplainResult, workspace: Workspace, out: Path | None) -> ExplainResult:
    """Write the page and its pictures, each file whole or not at all, and return the result that names them.

    Parameters
    ----------
    result : ExplainResult
        What to show.
    workspace : Workspace
        Below it lies the default folder.
    out : Path or None
        Folder to write to; made if it is missing.

    Raises
    ------
    UsageError
        If `out` is a file.
    Failure
        If the disk refuses.
    """
    stem = file_stems([result.customer_id])[result.customer_id]
    folder = inside(workspace.root, FOLDER) / f"{result.as_of}-{stem}" if out is None else out.expanduser().absolute()
    drawn = {key: picture_bytes(figure) for key, figure in _figures(result).items()}
    page = page_html(result, drawn).encode("utf-8", "replace")
    names = {key: f"{key}.png" for key in drawn}
    write_pages({**{names[key]: drawn[key] for key in drawn}, PAGE: page}, folder, step="explain")
    return replace(result, page=folder / PAGE, pictures={key: folder / name for key, name in names.items()})


def _figures(result: ExplainResult) -> dict[str, Figure]:
    return {"waterfall": result.plot(), "timeline": result.timeline(), "history": result.score_history()}


def page_html(result: ExplainResult, pictures: Mapping[str, bytes]) -> str:
    """Return the page as one HTML text with its pictures inside.

    Parameters
    ----------
    result : ExplainResult
        What to show.
    pictures : mapping
        ``waterfall``, ``timeline`` and ``history`` as PNG.
    """
    return rendered(_TEMPLATE, _values(result, pictures))


def _values(result: ExplainResult, pictures: Mapping[str, bytes]) -> dict[str, Any]:
    said = result.language
    language: Language = "de" if said == "de" else "en"
    start, end = shown.share(result.p_base, said), shown.share(result.p_churn, said)
    alts = {
        "waterfall": waterfall_alt(result.steps(), p_start=result.p_base, p_end=result.p_churn, language=said),
        "timeline": timeline_alt(result.record, usual_gap_days=result.usual_gap_days, language=said),
        "history": score_history_alt(result.history, language=said),
    }
    day, trained = shown.date(result.as_of, said), shown.date(result.train_as_of, said)
    return {
        "language": said,
        "text": {key: of(TEXTS, key, said) for key in _PLAIN_TEXTS},
        "id": clean(result.customer_id, language, ID_CHARACTERS),
        "name": clean(result.name or "", language, NAME_CHARACTERS),
        "as_of": of(TEXTS, "as_of", said, day=day),
        "p": end,
        "p_text": probability_text(result, said),
        "tier": result.risk_tier,
        "tier_word": of(TIERS, result.risk_tier, said),
        "value": amounts.money(result.value_at_stake, result.currency, said),
        "notes": [note_text(result, note, said) for note in result.notes],
        "reasons": _reasons(result),
        "short": _in_short(result),
        "waterfall_note": of(TEXTS, "waterfall_note", said, start=start, end=end),
        "counterfactuals": [counterfactual_text(result, answer, said) for answer in result.counterfactuals],
        "history_note": of(TEXTS, "history_note", said, trained=trained),
        "tables": [(of(TABLES, table, said), amounts.grouped(rows, said)) for table, rows in result.data.items()],
        "model": of(
            TEXTS,
            "model_is",
            said,
            version=result.model_version,
            kind=of(KINDS, result.model_kind, said),
            trained=trained,
            sha=result.model_sha256[:12],
        ),
        "pictures": {key: {"source": picture_source(png), "alt": alts[key]} for key, png in pictures.items()},
    }


_PLAIN_TEXTS = (
    *("title", "customer", "tier", "value", "short", "no_raising", "reasons", "raises", "lowers", "no_rows"),
    *("waterfall", "otherwise"),
    *("otherwise_note", "timeline", "history", "data", "tables", "model", "advice", "notes"),
)


def _in_short(result: ExplainResult) -> list[str]:
    """Return the sentences of the reasons that raise the risk, as a list shows them."""
    raising = [reason for reason in result.reasons if reason["contribution"] > 0 and reason["group"] != "rest"]
    return [reason[f"text_{result.language}"] for reason in raising[:3]]


def _reasons(result: ExplainResult) -> list[dict[str, Any]]:
    """Return the reasons; rows that an earlier one has shown already are not shown again."""
    largest = {}
    for reason in sorted(result.reasons, key=lambda reason: len(reason["rows"])):
        largest[reason["rows_kind"]] = reason
    found, above = [], set()
    for reason in result.reasons:
        kind, rows = reason["rows_kind"], reason["rows"]
        whole = largest[kind]
        covered = bool(rows) and kind != "attributes" and all(row in whole["rows"] for row in rows)
        told = covered and kind in above
        found.append(_reason(result, reason, whole if covered else reason, told=told))
        above |= {kind} if covered else set()
    return found


def _reason(
    result: ExplainResult, reason: Mapping[str, Any], source: Mapping[str, Any], *, told: bool
) -> dict[str, Any]:
    said = result.language
    language: Language = "de" if said == "de" else "en"
    label, columns = result.label(reason["group"]), COLUMNS.get(source["rows_kind"], ())
    kept = [name for name in columns if any(row[name] is not None for row in source["rows"])]
    rows = [
        [clean(cell(name, row[name], said, result.currency), language, _CELL_CHARACTERS) for name in kept]
        for row in source["rows"]
    ]
    some, kind = len(rows) < source["rows_total"], of(ROWS, source["rows_kind"], said)
    return {
        "label": label[:1].upper() + label[1:],
        "text": reason[f"text_{said}"],
        "raises": reason["contribution"] > 0,
        "is_rest": reason["group"] == "rest",
        "kind": kind,
        "columns": [(of(HEADINGS, name, said), name in RIGHT) for name in kept],
        "rows": [] if told else rows,
        "above": of(TEXTS, "above", said, kind=kind) if told else "",
        "more": of(TEXTS, "shown", said, shown=len(rows), total=source["rows_total"]) if some else "",
    }
