"""`crm-ml backtest`: a thin shell over `crm_ml.jobs.backtest`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crm_ml.cli.app import (
    AsOfOption,
    DebugOption,
    DryRunOption,
    ForceOption,
    JsonOption,
    KindArgument,
    LangOption,
    WorkspaceOption,
    _day,
    _language,
    _open,
    _progress,
    app,
)
from crm_ml.cli.run import write_json
from crm_ml.cli.texts import text
from crm_ml.errors import ExitCode

if TYPE_CHECKING:
    from crm_ml.jobs.backtest_result import BacktestResult

_SHOWN = ("auc", "ece")  # what fits into 80 columns; the page has all of them


@app.command()
def backtest(
    kind: KindArgument,
    as_of: AsOfOption = None,
    cutoff: Annotated[
        list[str] | None,
        typer.Option("--cutoff", metavar="YYYY-MM-DD", help="Day to train as of; may be given several times."),
    ] = None,
    cutoffs: Annotated[
        int | None, typer.Option("--cutoffs", min=1, max=60, help="How many days, where none are named; default: 4.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Trainings at a time; never changes a number.")] = 2,
    force: ForceOption = False,
    dry_run: DryRunOption = False,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    lang: LangOption = None,
    debug: DebugOption = False,
) -> int:
    """Train as of several past days, judge everything that was tried by what then happened, and publish a page.

    \b
    Examples:
      crm-ml backtest churn --as-of 2026-03-01 --workspace firm
      crm-ml backtest churn --as-of 2026-03-01 --cutoff 2025-06-01 --cutoff 2025-09-01
    """
    from crm_ml.errors import UsageError
    from crm_ml.jobs.backtest import FEWEST
    from crm_ml.jobs.backtest import backtest as job

    if cutoff and cutoffs is not None:
        raise UsageError("Either the days are named (--cutoff) or their number (--cutoffs), not both")
    opened = _open(workspace)
    result = job(
        opened,
        kind.value,
        as_of=_day(as_of, opened),
        cutoffs=cutoff or None,
        n=FEWEST if cutoffs is None else cutoffs,
        workers=workers,
        force=force,
        dry_run=dry_run,
        progress=_progress(),
    )
    if as_json:
        write_json(result.as_dict())
    else:
        show_backtest(result, _language(lang, opened))
    return ExitCode.OK


def show_backtest(result: BacktestResult, language: str) -> None:
    """Print the verdict, the pooled table and the differences to the champion."""
    from dataclasses import replace

    from rich.table import Table

    from crm_ml.cli import show
    from crm_ml.jobs.backtest_texts import digits, span, verdict
    from crm_ml.models.evaluation.backtest import POOLED
    from crm_ml.models.evaluation.backtest_rows import CHAMPION
    from crm_ml.models.explain.pictures_backtest import label

    console = show.out()
    for sentence in verdict(replace(result, language=language)):
        console.print(show.printable(sentence))
    table = Table(box=None)
    table.add_column(text("backtest_name", language), no_wrap=True)
    for metric in _SHOWN:
        table.add_column(label(metric, language))
    table.add_column(text("backtest_gap", language), no_wrap=True)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in result.table[result.table["cutoff"] == POOLED].to_dict("records"):
        name = str(row["name"])
        gap = "" if name == CHAMPION else span(result.judged.difference(name, CHAMPION), language, sign=True)
        values = [digits(row[metric], language, sign=metric == "level") for metric in _SHOWN]
        table.add_row(show.printable(label(name, language)), *values, gap)
    console.print(table)
    for choice in result.choices:
        key = "backtest_refused" if choice.verdict == "refused" else "backtest_chose"
        auc = span(result.judged.measure(CHAMPION, "auc", choice.cutoff), language)
        show.line(key, language, cutoff=choice.cutoff, chosen=label(choice.chosen, language), auc=auc)
    if result.published is None:
        show.line("backtest_dry", language)
    else:
        show.line("backtest_page", language, path=result.published / "page.html")
    show.findings(show.err(), result.findings)
