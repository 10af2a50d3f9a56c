"""How results look in a terminal. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crm_ml.cli.texts import text
from crm_ml.errors import Finding

if TYPE_CHECKING:
    from crm_ml.jobs.check import CheckResult
    from crm_ml.jobs.demo import DemoResult
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
    shown = "".join(ch if ch.isprintable() else "�" for ch in str(value))
    return escape(shown if len(shown) <= 200 else shown[:200] + "…")


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
        table.add_row(name, f"{rows:,}")
    console.print(table)
    findings(console, result.findings, least=("error", "warning", "info"))
    console.print(text("checked", language, **result.counts()))


def train_result(result: TrainResult, language: str) -> None:
    """Print what a training came to."""
    console, training = out(), result.training
    key = "trained" if result.version else "dry_train"
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
            "rows",
            language,
            rows=f"{training.train_rows:,}",
            events=f"{training.train_events:,}",
            snapshots=len(training.snapshots),
            evaluated=days,
        )
    )
    table = Table(text("measure", language), "", text("interval", language), box=None)
    for name, value in training.metrics.items():
        table.add_row(name, f"{value.value:.3f}", f"{value.low:.3f} - {value.high:.3f}")
    for name, value in training.differences.items():
        table.add_row(
            f"AUC - {name} ({training.baselines[name]:.3f})",
            f"{value.value:+.3f}",
            f"{value.low:+.3f} - {value.high:+.3f}",
        )
    console.print(table)
    findings(err(), result.findings)


def score_result(result: ScoreResult, language: str) -> None:
    """Print where the scores are and the first of them."""
    console = out()
    key = "already" if result.already_published else "published" if result.published else "dry_score"
    console.print(text(key, language, rows=f"{result.rows:,}", published=printable(result.published)))
    if not result.already_published and result.rows:
        table = Table(
            text("customer", language), "p_churn", text("tier", language), text("value", language), "priority", box=None
        )
        for row in result.table.head(_TOP).itertuples():
            table.add_row(
                printable(row.customer_id),
                f"{row.p_churn:.3f}",
                str(row.risk_tier),
                f"{row.value_at_stake:,.0f}",
                f"{row.priority:,.0f}",
            )
        console.print(table)
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
    tables = ", ".join(f"{name} {rows:,}" for name, rows in result.tables.items())
    line("made", language, path=result.workspace, tables=tables)
    train_result(result.trained, language)
    score_result(result.scored, language)
    shown = {name: f"{value:.3f}" for name, value in result.auc.items()}
    line("truth", language, day=result.scored.as_of, **shown)
    line("next", language, path=result.scored.published)
