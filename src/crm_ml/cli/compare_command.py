"""`crm-ml compare`: its options, and how a comparison looks in a terminal. Nothing is computed here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crm_ml.cli import app as door
from crm_ml.cli.run import write_json
from crm_ml.errors import ExitCode

if TYPE_CHECKING:
    from crm_ml.jobs.compare import CompareResult
    from crm_ml.jobs.compare_inputs import ComparedRun

_PLAIN_WIDTH = 168


@door.app.command()
def compare(
    kind: door.KindArgument,
    run: Annotated[list[str] | None, typer.Option("--run", metavar="RUN_ID", help="A run; may be repeated.")] = None,
    version: Annotated[
        list[str] | None, typer.Option("--version", metavar="V", help="A registered version; may be repeated.")
    ] = None,
    last: Annotated[int | None, typer.Option("--last", min=1, help="Only so many of the newest.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.html", help="The page; default: compared/churn.html inside.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="YYYY-MM-DD", help="Day of the tiers; default: the newest published one."),
    ] = None,
    dry_run: door.DryRunOption = False,
    workspace: door.WorkspaceOption = Path(),
    as_json: door.JsonOption = False,
    lang: door.LangOption = None,
    debug: door.DebugOption = False,
) -> int:
    r"""Compare registered trainings with the one that serves: a table here, and one page with all pictures.

    \b
    Examples:
      crm-ml compare churn --workspace firm
      crm-ml compare churn --version 7 --version 9 --out compare.html
    """
    from crm_ml.jobs.compare import compare as job

    opened = door._open(workspace)
    language = door._language(lang, opened)
    result = job(
        opened,
        kind.value,
        runs=[*(run or ()), *(version or ())],
        last=last,
        as_of=as_of,
        out=out,
        language=language,
        dry_run=dry_run,
        progress=door._progress(),
    )
    if as_json:
        write_json(result.as_dict())
    else:
        compare_result(result, language)
    return ExitCode.OK


def compare_result(result: CompareResult, language: str) -> None:
    """Print one row per version, the newest first, and where the page is."""
    from rich.table import Table

    from crm_ml.cli.show import err, findings, out
    from crm_ml.cli.show import printable as plain
    from crm_ml.jobs.compare_texts import say

    console = out()
    if not console.is_terminal:
        console.width = max(console.width, _PLAIN_WIDTH)
    heads = ("version", "as_of", "kind", "verdict", "rows", "auc", "ap", "brier", "ece", "lift_at_capacity")
    table = Table(*(say(key, language) for key in heads), say("difference", language), box=None)
    for column in table.columns[4:10]:
        column.justify = "right"
    for run in result.runs:
        table.add_row(*(plain(cell.replace("\N{NO-BREAK SPACE}", " ")) for cell in _cells(run, result, language)))
    console.print(table)
    if result.page is None:
        console.print(say("dry", language))
    else:
        console.print(say("page", language, path=plain(result.page)))
    findings(err(), result.findings)


def _cells(run: ComparedRun, result: CompareResult, language: str) -> list[str]:
    from crm_ml.jobs.compare_texts import ALIASES, EMPTY, KINDS, VERDICTS, note, number, signed, span, word
    from crm_ml.models.explain.amounts import grouped

    (gap,) = [row for row in result.auc_differences if row["name"] == run.version]
    auc, rows = run.metrics.get("auc"), run.count("train_rows")
    others = [run.metrics.get(name) for name in ("average_precision", "brier", "ece")]
    lift = run.metrics.get("lift_at_capacity")
    told = note(gap, run.label[1], language)
    known = gap["value"] == gap["value"]
    interval = f"{signed(gap['value'], language)} ({span(gap['low'], gap['high'], language, sign=True)})"
    return [
        f"{run.version} {word(ALIASES, run.alias, language)}" if run.alias else run.version,
        run.tag("as_of") or EMPTY,
        word(KINDS, run.tag("model_kind"), language) or EMPTY,
        word(VERDICTS, run.tag("verdict"), language) or EMPTY,
        EMPTY if rows is None else grouped(rows, language),
        EMPTY if auc is None else f"{number(auc.value, language)} ({span(auc.low, auc.high, language)})",
        *(EMPTY if value is None else number(value.value, language) for value in others),
        EMPTY if lift is None else number(lift.value, language, 2),
        f"{interval}, {told}" if known else told,
    ]
