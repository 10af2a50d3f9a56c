"""`crm-ml forecast`: a thin shell over `crm_ml.jobs.forecast` and `crm_ml.jobs.forecast_backtest`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_ml.cli.app import (
    AsOfOption,
    DebugOption,
    JsonOption,
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
    from rich.console import Console
    from rich.table import Table

    from crm_ml.jobs.forecast import ForecastResult
    from crm_ml.jobs.forecast_backtest import ForecastBacktest

_MOST_ROWS = 10
_PLAIN_WIDTH = 160
_MONEY = ("closed", "open", "new", "expected")


@app.command()
def forecast(
    as_of: AsOfOption = None,
    months: Annotated[
        int | None,
        typer.Option("--months", min=1, max=24, help="Calendar months; default: 3, with --backtest 1."),
    ] = None,
    backtest: Annotated[
        int | None,
        typer.Option("--backtest", metavar="N", min=1, max=60, help="Judge the forecasts of N past month starts."),
    ] = None,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    lang: LangOption = None,
    debug: DebugOption = False,
) -> int:
    """Say what the deals will bring: revenue per month and owner with bands, and the open deals with their chances.

    \b
    Examples:
      crm-ml forecast --as-of 2026-03-02 --workspace firm
      crm-ml forecast --as-of 2026-03-02 --backtest 12 --json
    """
    opened = _open(workspace)
    day, language = _day(as_of, opened), _language(lang, opened)
    if backtest is None:
        from crm_ml.jobs.forecast import forecast as job

        result = job(opened, as_of=day, months=3 if months is None else months)
        if as_json:
            write_json(result.as_dict())
        else:
            show_forecast(result, language)
        return ExitCode.OK
    from crm_ml.jobs.forecast_backtest import forecast_backtest

    judged = forecast_backtest(opened, as_of=day, starts=backtest, months=months or 1, progress=_progress())
    if as_json:
        write_json(judged.as_dict())
    else:
        show_forecast_backtest(judged, language)
    return ExitCode.OK


def show_forecast(result: ForecastResult, language: str) -> None:
    """Print the months, the owners within each, and the largest slipping deals."""
    from crm_ml.cli import show

    console = _wide()
    show.line("forecast_head", language, as_of=result.as_of, currency=result.currency)
    table = _table("forecast_month", language)
    for row in result.months.to_dict("records"):
        table.add_row(f"{row['month']:%Y-%m}", *_cells(row, language))
    console.print(table)
    owners = result.table[result.table["owner_id"].notna()]
    for month, rows in owners.groupby("month"):
        show.line("forecast_owners", language, month=f"{month:%Y-%m}")
        table = _table("forecast_owner", language)
        largest = rows.sort_values(["expected", "owner_id"], ascending=[False, True])
        for row in largest.head(_MOST_ROWS).to_dict("records"):
            table.add_row(show.printable(row["owner_id"] or text("forecast_nobody", language)), *_cells(row, language))
        console.print(table)
        if len(largest) > _MOST_ROWS:
            show.line("more_rows", language, count=len(largest) - _MOST_ROWS)
    _show_slipping(result, language)
    show.findings(show.err(), result.findings)


def _show_slipping(result: ForecastResult, language: str) -> None:
    from rich.table import Table

    from crm_ml.cli import show

    slipping = result.deals[result.deals["slipping"].map(len) > 0]
    show.line("forecast_deals", language, count=len(result.deals), slipping=len(slipping))
    if slipping.empty:
        return
    heads = ("deal", "owner", "stage", "amount", "p", "stated", "close", "why")
    table = Table(*(text(f"forecast_{head}", language) for head in heads), box=None)
    for at in (3, 4):
        table.columns[at].justify = "right"
    largest = slipping.sort_values(["amount", "deal_id"], ascending=[False, True])
    for row in largest.head(_MOST_ROWS).to_dict("records"):
        why = ", ".join(text(f"slipping_{reason}", language) for reason in row["slipping"])
        plain = (row["deal_id"], row["owner_id"], row["stage"], _money(row["amount"], language))
        rest = (show.figure(row["p_win"], language, 2), row["stated_close"] or "–", row["expected_close"] or "–", why)
        table.add_row(*(show.printable(value) for value in (*plain, *rest)))
    _wide().print(table)


def show_forecast_backtest(result: ForecastBacktest, language: str) -> None:
    """Print how often the bands held what came, and the errors beside the naive ones."""
    from rich.table import Table

    from crm_ml.cli import show
    from crm_ml.models.explain.amounts import percent

    starts = result.table["start"].nunique()
    show.line("forecast_judged", language, starts=starts, as_of=result.as_of, currency=result.currency)
    for row in result.coverage.to_dict("records"):
        half, most = (percent(row[f"inside_{level}"], language) for level in (50, 90))
        show.line(
            "forecast_coverage", language, ahead=int(row["ahead"]), months=int(row["months"]), half=half, most=most
        )
    heads = ("month", "against", "error", "naive_error", "difference")
    table = Table(*(text(f"forecast_{head}", language) for head in heads), box=None)
    for column in table.columns[2:]:
        column.justify = "right"
    for row in result.errors.to_dict("records"):
        low, high, gap, own, other = (
            _money(row[key], language) for key in ("low", "high", "difference", "error", "naive_error")
        )
        word = "bis" if language == "de" else "to"
        name = text(f"naive_{row['against']}", language)
        table.add_row(str(row["ahead"]), name, own, other, f"{gap} ({low} {word} {high})")
    _wide().print(table)
    show.findings(show.err(), result.findings)


def _wide() -> Console:
    """Return the console; into a pipe nothing is folded."""
    from crm_ml.cli import show

    console = show.out()
    if not console.is_terminal:
        console.width = max(console.width, _PLAIN_WIDTH)
    return console


def _table(first: str, language: str) -> Table:
    from rich.table import Table

    heads = (*_MONEY, "50", "90")
    table = Table(text(first, language), *(text(f"forecast_{head}", language) for head in heads), box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _cells(row: Mapping[Any, Any], language: str) -> list[str]:
    bands = [
        f"{_money(row[f'low_{level}'], language)} – {_money(row[f'high_{level}'], language)}" for level in (50, 90)
    ]
    return [*(_money(row[name], language) for name in _MONEY), *bands]


def _money(value: float, language: str) -> str:
    from crm_ml.models.explain.amounts import grouped

    return "–" if value != value else grouped(value, language)
