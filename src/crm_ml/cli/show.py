"""How results look in a terminal. Nothing is computed here."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from crm_ml.cli.texts import text
from crm_ml.errors import Finding

if TYPE_CHECKING:
    from crm_ml.costs import Cost
    from crm_ml.jobs.check import CheckResult
    from crm_ml.jobs.daily import DailyResult
    from crm_ml.jobs.demo import DemoResult
    from crm_ml.jobs.feedback import FeedbackResult
    from crm_ml.jobs.init import InitResult
    from crm_ml.jobs.score import ScoreResult
    from crm_ml.jobs.train import TrainResult

_TOP = 10
_STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}


class _Out(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the door: a reader that goes away is no failure, though rich takes it for one."""
        raise BrokenPipeError


def out() -> Console:
    """Return the console for results; plain text when stdout is no terminal."""
    return _Out(soft_wrap=True, highlight=False)


def err() -> Console:
    """Return the console for everything that is not a result."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


def printable(value: object) -> str:
    """Return a text that cannot move the cursor, ring a bell or style the terminal."""
    shown = "".join(ch if ch.isprintable() else " " if ch.isspace() else "�" for ch in str(value))
    return escape(shown if len(shown) <= 200 else shown[:200] + "…")


def figure(value: float, language: str, decimals: int = 0, *, sign: bool = False) -> str:
    """Return a number as it is written in the language.

    Examples
    --------
    >>> figure(1234.5, "de", 1), figure(1234.5, "en", 1), figure(0.01, "de", 3, sign=True)
    ('1.234,5', '1,234.5', '+0,010')
    """
    from crm_ml.models.explain.amounts import grouped

    shown = grouped(value, language, decimals)
    return f"+{shown}" if sign and value >= 0 else shown


def findings(console: Console, found: Iterable[Finding], *, least: Sequence[str] = ("error", "warning")) -> None:
    """Print findings of the given severities, one line each."""
    for finding in found:
        if finding.severity in least:
            style = _STYLES[finding.severity]
            console.print(f"[{style}]{finding.severity}[/] {printable(str(finding).partition(' ')[2])}")


def check_result(result: CheckResult, language: str) -> None:
    """Print what `check` found."""
    console = out()
    table = Table(text("table", language), text("table_rows", language), box=None)
    table.columns[1].justify = "right"
    for name, rows in result.tables.items():
        table.add_row(name, figure(rows, language))
    console.print(table)
    findings(console, result.findings, least=("error", "warning", "info"))
    console.print(text("checked", language, **result.counts()))


def train_result(result: TrainResult, language: str) -> None:
    """Print what a training came to."""
    console, training = out(), result.training
    leads = result.model == "leads"
    key = ("trained" if result.version else "dry_train") + ("_leads" if leads else "")
    console.print(
        text(
            key,
            language,
            as_of=result.facts["as_of"],
            verdict=result.verdict,
            kind=result.model_kind,
            version=result.version,
        )
    )
    days = ", ".join(str(day) for day in sorted(training.evaluated_on))
    console.print(
        text(
            "rows_leads" if leads else "rows",
            language,
            rows=figure(training.train_rows, language),
            events=figure(training.train_events, language),
            snapshots=len(training.snapshots),
            evaluated=days,
        )
    )
    table = Table(text("measure", language), "", text("interval", language), box=None)
    for name, value in training.metrics.items():
        own, low, high = (figure(each, language, 3) for each in (value.value, value.low, value.high))
        table.add_row(name, own, f"{low} - {high}")
    for name, value in training.differences.items():
        own, low, high = (figure(each, language, 3, sign=True) for each in (value.value, value.low, value.high))
        rule = figure(training.baselines[name], language, 3)
        table.add_row(f"AUC - {name} ({rule})", own, f"{low} - {high}")
    console.print(table)
    console.print(f"{result.feasibility.sentence(language)}.")
    if result.cost:
        console.print(_cost(result.cost, language))
    findings(err(), result.findings)


def _cost(cost: Cost, language: str) -> str:
    """Return how long it took and how much memory it needed, where that is known."""
    told = text("cost", language, seconds=figure(cost.total, language), fits=figure(cost.fits, language))
    if cost.peak_memory_mb is not None:
        told += text("cost_memory", language, memory=figure(cost.peak_memory_mb, language))
    return f"{told}."


def score_result(result: ScoreResult, language: str) -> None:
    """Print where the scores are and the first of them."""
    console = out()
    key = "already" if result.already_published else "published" if result.published else "dry_score"
    key += "_leads" if result.model == "leads" else ""
    console.print(text(key, language, rows=figure(result.rows, language), published=printable(result.published)))
    if not result.already_published and result.rows and result.model == "leads":
        console.print(_first_leads(result, language))
    elif not result.already_published and result.rows:
        table = Table(
            text("customer", language), "p_churn", text("tier", language), text("value", language), "priority", box=None
        )
        for row in result.table.head(_TOP).to_dict("records"):
            table.add_row(
                printable(row["customer_id"]),
                figure(row["p_churn"], language, 3),
                str(row["risk_tier"]),
                figure(row["value_at_stake"], language),
                figure(row["priority"], language),
            )
        console.print(table)
    findings(err(), result.findings)


def _first_leads(result: ScoreResult, language: str) -> Table:
    heads = (text("grade", language), text("expected_value", language), text("lost_per_day", language))
    table = Table("lead", "p_win", *heads, box=None)
    for row in result.table.head(_TOP).to_dict("records"):
        amounts = (figure(row["expected_value"], language), figure(row["priority"], language))
        table.add_row(printable(row["lead_id"]), figure(row["p_win"], language, 3), str(row["grade"]), *amounts)
    return table


def daily_result(result: DailyResult, language: str) -> None:
    """Print where the lists are and how long each is."""
    console = out()
    key = "lists_already" if result.already_published else "lists" if result.published else "lists_dry"
    line(key, language, rows=result.rows, lists=len(result.lists), published=result.published)
    table = Table(text("list", language), text("entries", language), box=None)
    table.columns[1].justify = "right"
    for name, rows in result.lists.items():
        table.add_row(printable(name), str(rows))
    console.print(table)
    findings(err(), result.findings)


def one_list(file: Path, language: str, *, most: int = 5) -> None:
    """Print the first rows of a published list as it is read in the morning."""
    from crm_ml.actions.lists.columns import column_of

    with file.open(encoding="utf-8-sig", newline="") as opened:
        heads, *rows = list(csv.reader(opened, delimiter=";"))
    names = [column.id if (column := column_of(head)) is not None else head for head in heads]
    due = printable(heads[names.index("due_on")])
    line("one_list", language, path=file)
    console = _Out(highlight=False)
    for values in rows[:most]:
        row = {name: printable(value) for name, value in zip(names, values, strict=True)}
        known = (row["tier"], row["p"], row["phone"], row["change"])
        console.print(f"[bold]{row['rank']:>3}  {row['name']}[/]  {' · '.join(part for part in known if part)}")
        console.print(Padding(f"{row['step']} ({due} {row['due_on']})", (0, 0, 0, 5)))
        for reason in (row["reason_1"], row["reason_2"], row["reason_3"]):
            if reason:
                console.print(Padding(f"- {reason}", (0, 0, 0, 5)))
    if len(rows) > most:
        line("more_rows", language, count=len(rows) - most)


def feedback_result(result: FeedbackResult, language: str) -> None:
    """Print what was taken from a returned list, and each refused row with its reason."""
    key = "answers_dry" if result.dry_run else "answers"
    line(
        key,
        language,
        file=result.file.name,
        answered=result.answered,
        recorded=result.recorded,
        known=result.already_known,
        refused=len(result.refused),
    )
    for row in result.refused:
        err().print(text("refused_row", language, row=row.row, reason=printable(row.reason(language))))
    findings(err(), result.findings)


def line(key: str, language: str, **values: object) -> None:
    """Print one sentence of `texts`."""
    out().print(text(key, language, **{name: printable(value) for name, value in values.items()}))


def init_result(result: InitResult, language: str) -> None:
    """Print the proposed file, and what of it was guessed or is open."""
    console = out()
    if result.path is None:
        console.print(escape(result.text))
    else:
        line("wrote", language, path=result.path)
    for key, lines in (("guessed", result.guesses), ("open", result.questions)):
        if lines:
            console.print(text(key, language))
            for one in lines:
                console.print(f"  - {printable(one)}")


def demo_result(result: DemoResult, language: str) -> None:
    """Print what the demo made, how good it is, and where to look."""
    tables = ", ".join(f"{name} {figure(rows, language)}" for name, rows in result.tables.items())
    line("made", language, path=result.workspace, tables=tables)
    train_result(result.trained, language)
    shown = {name: figure(value, language, 3) for name, value in result.auc.items()}
    line("truth", language, day=result.scored.as_of, **shown)
    daily_result(result.daily, language)
    if result.list_file is not None:
        one_list(result.list_file, language)
    line("next", language, path=result.daily.published)
