"""`crm-ml promote`: let another version serve through the gate, go back, or see who serves and how it has done."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_ml.cli.run import write_json
from crm_ml.cli.texts import text
from crm_ml.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from crm_ml.jobs.promote import PromotionResult, PromotionStatus

_LAST = 10


class _Kind(StrEnum):
    CHURN = "churn"
    LEADS = "leads"


class _Lang(StrEnum):
    DE = "de"
    EN = "en"


def promote(
    kind: Annotated[_Kind, typer.Argument(help="What to work on.")],
    version: Annotated[int | None, typer.Argument(min=1, help="Number of the registered version.")] = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="Go back to the version that served before.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Show who serves and how it has done.")] = False,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="YYYY-MM-DD", help="Business day; default: today in the workspace's zone."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compute and show, but write nothing.")] = False,
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="Folder that holds crm.yaml.")] = Path(),
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on stdout; everything else on stderr.")
    ] = False,
    lang: Annotated[_Lang | None, typer.Option("--lang", help="Language; default: the workspace's.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> int:
    """Let a version serve if it passes the gate, with the figures. Ends with 4 if the gate holds it.

    \b
    Examples:
      crm-ml promote churn 7 --workspace firm
      crm-ml promote churn --rollback
      crm-ml promote churn --status
    """
    from crm_ml.cli.app import _day, _open, _progress
    from crm_ml.jobs.promote import promote as job
    from crm_ml.jobs.promote import promotion_status

    opened = _open(workspace)
    language, day = lang.value if lang else opened.settings.language, _day(as_of, opened)
    if status:
        if rollback or version is not None:
            raise UsageError("--status stands alone", remedy="Leave out the version and --rollback.")
        shown = promotion_status(opened, kind.value, as_of=day)
        _show(shown.as_dict(), as_json, lambda: _print_status(shown, language))
        return ExitCode.OK
    result = job(opened, kind.value, version, as_of=day, rollback=rollback, dry_run=dry_run, progress=_progress())
    error = result.error
    said = {**result.as_dict(), **({"error": error.as_dict()} if error else {})}
    _show(said, as_json, lambda: _print_result(result, language, dry_run=dry_run))
    if error:
        typer.echo(f"crm-ml: {error}", err=True)
    return error.exit_code if error else ExitCode.OK


def _show(said: dict[str, Any], as_json: bool, show: Any) -> None:
    if as_json:
        write_json(said)
    else:
        show()


def _print_result(result: PromotionResult, language: str, *, dry_run: bool) -> None:
    from crm_ml.cli import show

    console = show.out()
    key = "held" if not result.passed else "would_serve" if dry_run else "serves" if result.moved else "serves_already"
    console.print(text(f"promote_{key}", language, version=result.version, before=result.before or "-"))
    gate = result.ruling.gate
    for one in gate.criteria if gate else ():
        mark = "+" if one.passed else "-"
        console.print(f"  {mark} {show.printable(one.text_de if language == 'de' else one.text_en)}")
    if gate is None:
        console.print(f"  {show.printable(result.ruling.reason_de if language == 'de' else result.ruling.reason_en)}")


def _print_status(status: PromotionStatus, language: str) -> None:
    from rich.table import Table

    from crm_ml.cli import show

    console = show.out()
    console.print(text("promote_status", language, version=status.version or "-", before=status.before or "-"))
    for row in status.decisions.head(_LAST).to_dict("records"):
        reason = row["reason_de"] if language == "de" else row["reason_en"]
        console.print(show.printable(f"  {row['as_of']}  {row['version']}  {row['decision']}: {reason}"))
    if not len(status.realised):
        return
    names = ("as_of", "model_version", "rows", "churned", "auc", "brier", "ece", "lift")
    table = Table(*names, box=None, title=text("promote_realised", language), title_justify="left")
    for row in status.realised.tail(_LAST).to_dict("records"):
        counts = (show.figure(row[name], language) for name in ("rows", "churned"))
        figures = (
            "{} ({}-{})".format(*(show.figure(row[f"{name}{end}"], language, 3) for end in ("", "_low", "_high")))
            for name in names[4:]
        )
        table.add_row(str(row["as_of"]), str(row["model_version"]), *counts, *figures)
    console.print(table)
