"""The commands: each a thin shell over a public function. What is heavy is imported inside them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crm_ml.cli.promote_command import promote
from crm_ml.cli.run import write_json
from crm_ml.errors import ExitCode

if TYPE_CHECKING:
    from crm_ml.jobs.settings import Workspace

app: typer.Typer = typer.Typer(
    name="crm-ml",
    help="Churn scores for B2B companies: from order, invoice and interaction tables to a published list of each day.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Kind(StrEnum):
    """What is modelled."""

    CHURN = "churn"
    LEADS = "leads"


class Lang(StrEnum):
    """Language of what people read."""

    DE = "de"
    EN = "en"


WorkspaceOption = Annotated[Path, typer.Option("--workspace", "-w", help="Folder that holds crm.yaml.")]
FolderOption = Annotated[
    Path | None, typer.Option("--workspace", "-w", help="The same as the argument, as other commands name it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout; everything else on stderr.")]
LangOption = Annotated[Lang | None, typer.Option("--lang", help="Language of the output; default: the workspace's.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show where an error came from.")]
AsOfOption = Annotated[
    str | None,
    typer.Option("--as-of", metavar="YYYY-MM-DD", help="Business day; default: today in the workspace's zone."),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Compute and show, but write nothing.")]
TrialsOption = Annotated[
    int | None,
    typer.Option("--trials", min=0, help="Trials of the search for parameters; default: as crm.yaml says."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Build the set again even if it is published.")]
KindArgument = Annotated[Kind, typer.Argument(help="What to work on.")]
ScoreSpineOption = Annotated[
    Path | None,
    typer.Option("--spine", help="Parquet file with lead_id (or customer_id) and as_of: score these, publish nothing."),
]
ScoreOutOption = Annotated[Path | None, typer.Option("--out", help="Parquet file for the scores of --spine.")]


def _open(path: Path) -> Workspace:
    from crm_ml.jobs.settings import open_workspace

    return open_workspace(path)


def _language(lang: Lang | None, workspace: Workspace | None = None) -> str:
    return lang.value if lang else workspace.settings.language if workspace else "en"


def _day(as_of: str | None, workspace: Workspace) -> dt.date:
    from zoneinfo import ZoneInfo

    from crm_ml.jobs.inputs import as_day

    # the only look at the clock in the whole package
    return dt.datetime.now(ZoneInfo(workspace.settings.timezone)).date() if as_of is None else as_day(as_of)


def _progress() -> Callable[[str], None]:
    def say(line: str) -> None:
        typer.echo(f"... {line}", err=True)

    return say


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Show the version and end.")] = False,
) -> None:
    if version:
        from crm_ml import __version__

        typer.echo(f"crm-ml {__version__}")
        raise typer.Exit


def _score_rows(workspace: Workspace, kind: str, spine: Path | None, out: Path | None, *, as_json: bool) -> int:
    from crm_ml.errors import UsageError
    from crm_ml.jobs.score_rows import write_score_rows

    if spine is None or out is None:
        raise UsageError("--spine and --out belong together", remedy="Give both, or neither to publish a day.")
    path, rows = write_score_rows(workspace, kind, spine=spine, out=out)
    if as_json:
        write_json({"model": kind, "rows": rows, "out": str(path)})
    else:
        typer.echo(f"{rows} rows: {path}")
    return ExitCode.OK


@app.command()
def demo(
    folder: Annotated[Path | None, typer.Argument(help="Folder to make the firm in; default: demo.")] = None,
    customers: Annotated[int, typer.Option(min=50, max=300_000, help="Number of customers.")] = 3000,
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes another firm.")] = 1,
    workspace: FolderOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
    debug: DebugOption = False,
) -> int:
    """Make a synthetic manufacturer, then train, score, decide and write the lists: the whole way in one go.

    \b
    Example:
      crm-ml demo /tmp/firm --customers 1000
    """
    from crm_ml.jobs.demo import make_demo

    result = make_demo(folder or workspace or Path("demo"), customers=customers, seed=seed, progress=_progress())
    if as_json:
        write_json(result.as_dict())
    else:
        from crm_ml.cli import show

        show.demo_result(result, _language(lang))
    return ExitCode.OK


@app.command()
def init(
    source: Annotated[Path, typer.Option("--from", help="Folder with the company's files.")],
    folder: Annotated[Path | None, typer.Argument(help="The new workspace; default: here.")] = None,
    workspace: FolderOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a crm.yaml that is there.")] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    lang: LangOption = None,
    debug: DebugOption = False,
) -> int:
    """Write a first crm.yaml by looking at the files; says what it guessed and what is open.

    \b
    Example:
      crm-ml init firm --from exports/
    """
    from crm_ml.jobs.init import init_workspace

    result = init_workspace(folder or workspace or Path(), source, force=force, dry_run=dry_run)
    if as_json:
        write_json(result.as_dict())
    else:
        from crm_ml.cli import show

        show.init_result(result, _language(lang))
    return ExitCode.OK


@app.command()
def check(
    as_of: AsOfOption = None,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    lang: LangOption = None,
    debug: DebugOption = False,
) -> int:
    """Read and check all tables, and print everything found. Ends with 3 if there is an error among it.

    \b
    Example:
      crm-ml check --workspace firm
    """
    from crm_ml.jobs.check import check as job

    opened = _open(workspace)
    result = job(opened, as_of=_day(as_of, opened))
    error = result.error
    if as_json:
        write_json({**result.as_dict(), **({"error": error.as_dict()} if error else {})})
    else:
        from crm_ml.cli import show

        show.check_result(result, _language(lang, opened))
    return error.exit_code if error else ExitCode.OK


@app.command()
def features(
    kind: KindArgument,
    out: Annotated[Path, typer.Option("--out", help="Parquet file to write.")],
    as_of: Annotated[
        list[str] | None,
        typer.Option("--as-of", metavar="YYYY-MM-DD", help="Business day; may be given several times."),
    ] = None,
    spine: Annotated[
        Path | None, typer.Option("--spine", help="Parquet file with customer_id (or lead_id) and as_of instead.")
    ] = None,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    lang: LangOption = None,
    debug: DebugOption = False,
) -> int:
    """Write the feature table of the eligible customers, or of the open leads, of one or more days.

    \b
    Examples:
      crm-ml features churn --as-of 2026-03-01 --out features.parquet
      crm-ml features churn --as-of 2026-02-01 --as-of 2026-03-01 --out features.parquet
      crm-ml features leads --as-of 2026-03-01 --out leads.parquet
    """
    from crm_ml.jobs.features import write_features

    opened = _open(workspace)
    days = list(as_of or ([] if spine else [str(_day(None, opened))]))
    result = write_features(opened, kind.value, as_of=days, spine=spine, out=out)
    if as_json:
        write_json(result.as_dict())
    else:
        from crm_ml.cli import show

        show.line("features", _language(lang, opened), **result.as_dict())
    return ExitCode.OK


@app.command()
def train(
    kind: KindArgument,
    as_of: AsOfOption = None,
    trials: TrialsOption = None,
    dry_run: DryRunOption = False,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    lang: LangOption = None,
    debug: DebugOption = False,
) -> int:
    """Train a model with what was known at the start of a day. Ends with 4 if it beats no rule.

    \b
    Example:
      crm-ml train churn --as-of 2026-03-01 --workspace firm
    """
    from crm_ml.jobs.train import train as job

    opened = _open(workspace)
    result = job(opened, kind.value, as_of=_day(as_of, opened), dry_run=dry_run, trials=trials, progress=_progress())
    error = result.error
    if as_json:
        write_json({**result.as_dict(), **({"error": error.as_dict()} if error else {})})
    else:
        from crm_ml.cli import show

        show.train_result(result, _language(lang, opened))
    if error:
        typer.echo(f"crm-ml: {error}", err=True)
    return error.exit_code if error else ExitCode.OK


@app.command()
def score(
    kind: KindArgument = Kind.CHURN,
    as_of: AsOfOption = None,
    spine: ScoreSpineOption = None,
    out: ScoreOutOption = None,
    force: ForceOption = False,
    dry_run: DryRunOption = False,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    lang: LangOption = None,
    debug: DebugOption = False,
) -> int:
    """Score every eligible customer, or open lead, of a day and publish the set. Twice is once.

    With --spine and --out: score the given subjects at the given instants into a file, and publish nothing.

    \b
    Examples:
      crm-ml score --as-of 2026-03-01 --workspace firm
      crm-ml score churn --as-of 2026-03-01 --dry-run --json
      crm-ml score leads --spine moments.parquet --out scored.parquet
    """
    from crm_ml.jobs.score import score as job

    opened = _open(workspace)
    if spine is not None or out is not None:
        return _score_rows(opened, kind.value, spine, out, as_json=as_json)
    result = job(opened, kind.value, as_of=_day(as_of, opened), force=force, dry_run=dry_run, progress=_progress())
    if as_json:
        write_json(result.as_dict())
    else:
        from crm_ml.cli import show

        show.score_result(result, _language(lang, opened))
    return ExitCode.OK


@app.command()
def daily(
    as_of: AsOfOption = None,
    force: ForceOption = False,
    dry_run: DryRunOption = False,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    lang: LangOption = None,
    debug: DebugOption = False,
) -> int:
    """Check, score, decide and write the lists of a day: the batch job of the morning. Twice is once.

    \b
    Example:
      crm-ml daily --workspace firm
    """
    from crm_ml.jobs.daily import run_daily

    opened = _open(workspace)
    result = run_daily(opened, as_of=_day(as_of, opened), force=force, dry_run=dry_run, progress=_progress())
    if as_json:
        write_json(result.as_dict())
    else:
        from crm_ml.cli import show

        show.daily_result(result, _language(lang, opened))
    return ExitCode.OK


@app.command()
def explain(
    kind: KindArgument,
    subject: Annotated[str, typer.Argument(metavar="ID", help="Id of the customer, or of the lead.")],
    as_of: AsOfOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the page and its pictures; default: explained/ inside.")
    ] = None,
    dry_run: DryRunOption = False,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    lang: LangOption = None,
    debug: DebugOption = False,
) -> int:
    """Say why one customer has its score: reasons, the rows behind them, pictures, and how the score moved.

    \b
    Example:
      crm-ml explain churn 000123 --as-of 2026-03-02 --workspace firm
    """
    from crm_ml.jobs.explain import explain as job

    opened = _open(workspace)
    language = _language(lang, opened)
    result = job(
        opened,
        kind.value,
        subject,
        as_of=_day(as_of, opened),
        out=out,
        language=language,
        dry_run=dry_run,
        progress=_progress(),
    )
    if as_json:
        write_json(result.as_dict())
    else:
        from crm_ml.cli.show_explain import explained

        explained(result, language)
    return ExitCode.OK


app.command()(promote)


feedback_app = typer.Typer(
    help="Take back what account managers answered.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)
app.add_typer(feedback_app, name="feedback")


@feedback_app.command("import")
def feedback_import(
    file: Annotated[Path, typer.Argument(help="A list that came back, XLSX or CSV.")],
    as_of: AsOfOption = None,
    dry_run: DryRunOption = False,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    lang: LangOption = None,
    debug: DebugOption = False,
) -> int:
    """Read the answers of a list that came back into the workspace's action log. The same file twice counts once.

    \b
    Example:
      crm-ml feedback import AM007.xlsx --workspace firm
    """
    from crm_ml.jobs.feedback import import_feedback

    opened = _open(workspace)
    result = import_feedback(opened, file, as_of=_day(as_of, opened), dry_run=dry_run)
    error = result.error
    if as_json:
        write_json({**result.as_dict(), **({"error": error.as_dict()} if error else {})})
    else:
        from crm_ml.cli import show

        show.feedback_result(result, _language(lang, opened))
    if error:
        typer.echo(f"crm-ml: {error}", err=True)
    return error.exit_code if error else ExitCode.OK


# commands in modules of their own; each registers itself
from crm_ml.cli import backtest_command, compare_command, forecast_command  # noqa: E402, F401
