"""The few words the command line says itself, in both languages."""

from __future__ import annotations

from typing import Literal

Language = Literal["de", "en"]

_TEXTS: dict[str, tuple[str, str]] = {
    "already": (
        "Bereits veröffentlicht: {rows} Kunden in {published}",
        "Already published: {rows} customers in {published}",
    ),
    "published": ("Veröffentlicht: {rows} Kunden in {published}", "Published: {rows} customers in {published}"),
    "dry_score": (
        "Probelauf: {rows} Kunden bewertet, nichts veröffentlicht",
        "Dry run: {rows} customers scored, nothing published",
    ),
    "already_leads": (
        "Bereits veröffentlicht: {rows} Leads in {published}",
        "Already published: {rows} leads in {published}",
    ),
    "published_leads": ("Veröffentlicht: {rows} Leads in {published}", "Published: {rows} leads in {published}"),
    "dry_score_leads": (
        "Probelauf: {rows} Leads bewertet, nichts veröffentlicht",
        "Dry run: {rows} leads scored, nothing published",
    ),
    "lists": (
        "Veröffentlicht: {rows} Einträge auf {lists} Listen in {published}",
        "Published: {rows} entries on {lists} lists in {published}",
    ),
    "lists_already": (
        "Bereits veröffentlicht: {rows} Einträge auf {lists} Listen in {published}",
        "Already published: {rows} entries on {lists} lists in {published}",
    ),
    "lists_dry": (
        "Probelauf: {rows} Einträge auf {lists} Listen, nichts veröffentlicht",
        "Dry run: {rows} entries on {lists} lists, nothing published",
    ),
    "list": ("Liste", "list"),
    "entries": ("Einträge", "entries"),
    "one_list": ("Eine der Listen ({path}):", "One of the lists ({path}):"),
    "more_rows": ("... und {count} weitere", "... and {count} more"),
    "answers": (
        "{file}: {answered} Antworten, {recorded} neu, {known} schon bekannt, {refused} abgelehnt",
        "{file}: {answered} answers, {recorded} new, {known} known already, {refused} refused",
    ),
    "answers_dry": (
        "Probelauf, {file}: {answered} Antworten, {recorded} wären neu, {known} schon bekannt, {refused} abgelehnt",
        "Dry run, {file}: {answered} answers, {recorded} would be new, {known} known already, {refused} refused",
    ),
    "refused_row": ("Zeile {row}: {reason}", "Row {row}: {reason}"),
    "customer": ("Kunde", "customer"),
    "tier": ("Stufe", "tier"),
    "grade": ("Klasse", "grade"),
    "expected_value": ("erwarteter Wert", "expected value"),
    "lost_per_day": ("Verlust je Tag", "lost per day"),
    "trained_leads": (
        "Lead-Modell zum {as_of}: {verdict} ({kind}), Version {version}",
        "Lead model as of {as_of}: {verdict} ({kind}), version {version}",
    ),
    "dry_train_leads": (
        "Probelauf: Lead-Modell zum {as_of}: {verdict} ({kind}), nichts gespeichert",
        "Dry run: lead model as of {as_of}: {verdict} ({kind}), nothing kept",
    ),
    "rows_leads": (
        "{rows} Zeilen, {events} davon gewonnen, {snapshots} Stichtage; bewertet an {evaluated}",
        "{rows} rows, {events} of them won, {snapshots} snapshots; evaluated on {evaluated}",
    ),
    "cost": (
        "{seconds} s, davon {fits} s für das Anpassen der Modelle",
        "{seconds} s, {fits} s of them to fit the models",
    ),
    "cost_memory": ("; höchstens {memory} MB Speicher", "; at most {memory} MB of memory"),
    "value": ("Wert", "value at stake"),
    "measure": ("Maß", "measure"),
    "interval": ("95-%-Intervall", "95 % interval"),
    "rule": ("Regel", "rule"),
    "trained": (
        "Churn-Modell zum {as_of}: {verdict} ({kind}), Version {version}",
        "Churn model as of {as_of}: {verdict} ({kind}), version {version}",
    ),
    "dry_train": (
        "Probelauf: Churn-Modell zum {as_of}: {verdict} ({kind}), nichts gespeichert",
        "Dry run: churn model as of {as_of}: {verdict} ({kind}), nothing kept",
    ),
    "rows": (
        "{rows} Zeilen, {events} davon abgewandert, {snapshots} Stichtage; bewertet an {evaluated}",
        "{rows} rows, {events} of them churned, {snapshots} snapshots; evaluated on {evaluated}",
    ),
    "features": ("{rows} Zeilen mit {features} Merkmalen in {out}", "{rows} rows with {features} features in {out}"),
    "checked": (
        "{error} Fehler, {warning} Warnungen, {info} Hinweise",
        "{error} errors, {warning} warnings, {info} notes",
    ),
    "table": ("Tabelle", "table"),
    "table_rows": ("Zeilen", "rows"),
    "wrote": ("Geschrieben: {path}", "Wrote {path}"),
    "guessed": ("Geraten:", "Guessed:"),
    "open": ("Offen:", "Open:"),
    "made": ("Firma angelegt in {path}: {tables}", "Made a firm in {path}: {tables}"),
    "truth": (
        "AUC am {day}, 90 Tage später nachgesehen: Modell {model}, Regel {rule}, Wahrheit {truth}",
        "AUC on {day}, looked up 90 days later: model {model}, rule {rule}, truth {truth}",
    ),
    "backtest_name": ("Name", "name"),
    "backtest_gap": ("AUC-Unterschied zum Champion", "AUC difference to champion"),
    "backtest_chose": ("{cutoff}: {chosen}, AUC {auc}", "{cutoff}: {chosen}, AUC {auc}"),
    "backtest_refused": (
        "{cutoff}: kein Modell besser als die Regeln, {chosen}, AUC {auc}",
        "{cutoff}: no model better than the rules, {chosen}, AUC {auc}",
    ),
    "backtest_dry": ("Probelauf: nichts veröffentlicht", "Dry run: nothing published"),
    "backtest_page": ("Seite: {path}", "Page: {path}"),
    "forecast_month": ("Monat", "month"),
    "forecast_owner": ("zuständig", "owner"),
    "forecast_nobody": ("niemand", "nobody"),
    "forecast_closed": ("gewonnen", "won"),
    "forecast_open": ("offen", "open"),
    "forecast_new": ("künftig", "to come"),
    "forecast_expected": ("erwartet", "expected"),
    "forecast_50": ("50-%-Band", "50 % band"),
    "forecast_90": ("90-%-Band", "90 % band"),
    "forecast_head": ("Umsatz aus Chancen zum {as_of}, {currency}", "Revenue from deals as of {as_of}, {currency}"),
    "forecast_owners": ("Je Zuständigem, {month}", "Per owner, {month}"),
    "forecast_deals": (
        "{count} offene Chancen, davon {slipping} im Rutschen; die größten davon:",
        "{count} open deals, {slipping} of them slipping; the largest of those:",
    ),
    "forecast_deal": ("Chance", "deal"),
    "forecast_stage": ("Phase", "stage"),
    "forecast_amount": ("Betrag", "amount"),
    "forecast_p": ("P(gewonnen)", "P(won)"),
    "forecast_stated": ("Abschluss laut CRM", "stated close"),
    "forecast_close": ("Abschluss erwartet", "expected close"),
    "forecast_why": ("Grund", "reason"),
    "slipping_passed": ("Termin verstrichen", "stated close has passed"),
    "slipping_pushed_back": ("Termin 30 Tage oder mehr verschoben", "put off by 30 days or more"),
    "slipping_stage_age": (
        "länger in der Phase als 90 % der gewonnenen",
        "longer in its stage than 90 % of won deals",
    ),
    "forecast_judged": (
        "{starts} Monatsanfänge, rückblickend zum {as_of}, {currency}",
        "{starts} month starts, looking back as of {as_of}, {currency}",
    ),
    "forecast_coverage": (
        "Monat {ahead}: von {months} Monaten {half} im 50-%-Band, {most} im 90-%-Band",
        "month {ahead}: of {months} months {half} inside the 50 % band, {most} inside the 90 % band",
    ),
    "forecast_against": ("verglichen mit", "against"),
    "forecast_error": ("Fehler", "error"),
    "forecast_naive_error": ("dessen Fehler", "its error"),
    "forecast_difference": ("Unterschied (95 %)", "difference (95 %)"),
    "naive_mean_of_year": ("Mittel der letzten 12 Monate", "mean of the last 12 months"),
    "naive_same_month_last_year": ("Vorjahresmonat", "same month last year"),
    "naive_pipeline": ("Betrag × Gewinnquote, nach Termin", "amount × share won, when due"),
    "promote_serves": (
        "Version {version} ist jetzt im Einsatz (davor: {before})",
        "Version {version} serves from now on (before: {before})",
    ),
    "promote_would_serve": (
        "Probelauf: Version {version} käme in den Einsatz (jetzt: {before})",
        "Dry run: version {version} would serve (now: {before})",
    ),
    "promote_serves_already": ("Version {version} ist schon im Einsatz", "Version {version} serves already"),
    "promote_held": (
        "Version {version} bleibt draußen; im Einsatz ist weiter {before}",
        "Version {version} is held back; {before} still serves",
    ),
    "promote_status": ("Im Einsatz: Version {version}; davor: {before}", "Serves: version {version}; before: {before}"),
    "promote_realised": ("Was daraus wurde (95-%-Intervall)", "How it turned out (95 % interval)"),
    "next": ("Ansehen: {path}", "Have a look: {path}"),
}


def text(key: str, language: str, **values: object) -> str:
    """Return a text in a language with its values filled in.

    Examples
    --------
    >>> text("table", "de"), text("wrote", "en", path="crm.yaml")
    ('Tabelle', 'Wrote crm.yaml')
    """
    german, english = _TEXTS[key]
    return (german if language == "de" else english).format(**values)
