"""How one explained customer looks in a terminal. Nothing is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm_ml.cli.show import figure, out
from crm_ml.cli.show import printable as _printable
from crm_ml.jobs.explain_texts import TEXTS, TIERS, counterfactual_text, note_text, of, probability_text
from crm_ml.models.explain import shown

if TYPE_CHECKING:
    from rich.console import Console

    from crm_ml.jobs.explain import ExplainResult
    from crm_ml.jobs.explain_lead import LeadExplanation


def explained(result: ExplainResult | LeadExplanation, language: str) -> None:
    """Print a customer or a lead explained."""
    from crm_ml.jobs.explain_lead import LeadExplanation

    if isinstance(result, LeadExplanation):
        _lead(result, language)
    else:
        explain_result(result, language)


def _lead(result: LeadExplanation, language: str) -> None:
    console = out()
    grade, worth = ("Klasse", "erwarteter Wert") if language == "de" else ("grade", "expected value")
    p, day = printable(shown.share(result.p_win, language)), shown.date(result.as_of, language)
    console.print(f"[bold]Lead {printable(result.lead_id)}[/] · {of(TEXTS, 'as_of', language, day=day)}")
    value = figure(result.expected_value, language)
    console.print(f"p_win: [bold]{p}[/] ({grade} {result.grade}, {worth} {value})")
    for reason in result.reasons:
        sign = "[blue]▲[/]" if reason["contribution"] > 0 else "[red]▼[/]"
        console.print(f"  {sign} {printable(reason[f'text_{language}'])}")
    if result.page is None:
        console.print(of(TEXTS, "dry", language))
    else:
        console.print(of(TEXTS, "page", language, path=printable(result.page)))


def explain_result(result: ExplainResult, language: str) -> None:
    """Print score, reasons, what would have to be different, how the score moved, and where the page is."""
    console = out()
    p = printable(shown.share(result.p_churn, language))
    tier = of(TIERS, result.risk_tier, language)
    day = shown.date(result.as_of, language)
    console.print(
        f"[bold]{of(TEXTS, 'customer', language)} {printable(result.customer_id)}[/] · "
        f"{of(TEXTS, 'as_of', language, day=day)}"
    )
    console.print(f"{printable(probability_text(result, language))}: [bold]{p}[/] ({printable(tier)})")
    for reason in result.reasons:
        sign = "[red]▲[/]" if reason["contribution"] > 0 else "[blue]▼[/]"
        label = result.label(reason["group"], language)
        console.print(f"  {sign} {printable(label[:1].upper() + label[1:])}: {printable(reason[f'text_{language}'])}")
    for note in result.notes:
        console.print(f"  ! {printable(note_text(result, note, language))}")
    if result.counterfactuals:
        console.print(f"{of(TEXTS, 'otherwise', language)} ({of(TEXTS, 'otherwise_note', language)})")
        for answer in result.counterfactuals:
            console.print(f"  - {printable(counterfactual_text(result, answer, language))}")
    _moved(console, result, language)
    if result.page is None:
        console.print(of(TEXTS, "dry", language))
    else:
        console.print(of(TEXTS, "page", language, path=printable(result.page)))


def printable(value: object) -> str:
    """Return a text for the terminal, where a space that must not break is a space."""
    return _printable(str(value).replace("\N{NO-BREAK SPACE}", " "))


def _moved(console: Console, result: ExplainResult, language: str) -> None:
    own = result.history[~result.history["published"].astype(bool) & result.history["p_churn"].notna()]
    if len(own) < 2:
        return
    first = own.iloc[0]
    before, now = shown.share(float(first["p_churn"]), language), shown.share(result.p_churn, language)
    day = shown.date(first["as_of"], language)
    console.print(printable(of(TEXTS, "moved", language, before=before, day=day, now=now)))
