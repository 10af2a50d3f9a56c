"""A small day of lists, made by hand: customers, decisions, managers; every value can be changed by a test."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd

from crm_ml.actions.lists import Entries, ListContext, Notice, make_entries
from crm_ml.actions.policy.schema import MailTemplate

DAY = dt.date(2026, 3, 2)
BEFORE = dt.date(2026, 2, 27)
MAIL = MailTemplate(
    subject_de="Ihr Bedarf, {customer_name}",
    subject_en="Your needs, {customer_name}",
    body_de="Guten Tag {customer_name},\n\nfragen Sie mich: {manager_phone}\n\n{manager_name}\n{company}",
    body_en="Dear {customer_name},\n\nask me: {manager_phone}\n\n{manager_name}\n{company}",
)
STEPS: dict[str, dict[str, Any]] = {
    "talk": {
        "channel": "phone",
        "save_rate": 0.3,
        "cost": 60.0,
        "label_de": "Persönliches Gespräch",
        "label_en": "Personal talk",
        "text_de": "Rufen Sie den Kunden an.",
        "text_en": "Call the customer.",
    },
    "offer": {
        "channel": "email",
        "save_rate": 0.1,
        "cost": 5.0,
        "label_de": "Angebot per E-Mail",
        "label_en": "Offer by e-mail",
        "text_de": "Prüfen Sie den Entwurf des Angebots.",
        "text_en": "Look over the draft of the offer.",
    },
    "none": {
        "channel": None,
        "save_rate": 0.0,
        "cost": 0.0,
        "label_de": "Keine Maßnahme",
        "label_en": "No action",
        "text_de": "Nichts zu tun.",
        "text_en": "Nothing to do.",
    },
}
NOTICE = Notice("Die Daten sind zwei Tage alt.", "The data are two days old.")


def reason(text_de: str, text_en: str, contribution: float = 0.5, group: str = "rhythm") -> dict[str, Any]:
    return {
        "group": group,
        "feature": "days_since_last_order",
        "value": 94.0,
        "contribution": contribution,
        "text_de": text_de,
        "text_en": text_en,
    }


LATE = reason("Letzte Bestellung vor 94 Tagen, sonst alle 31 Tage.", "Last order 94 days ago; usually every 31 days.")
PAYS = reason("Zahlt 17 Tage nach Fälligkeit.", "Pays 17 days after the due date.", 0.3, "payments")
REST = reason("Weitere Merkmale.", "Other features.", 0.1, "rest")


def customer(subject_id: str, *, action: str = "talk", **changed: Any) -> dict[str, Any]:
    """One customer with the decision on it; columns of both can be changed by name."""
    p = changed.get("p", 0.7 if action == "talk" else 0.4)
    value = changed.get("value_at_stake", 10_000.0)
    step = STEPS[action]
    return {
        "subject_type": "customer",
        "subject_id": subject_id,
        "account_manager_id": "AM1",
        "p": p,
        "risk_tier": "high" if p >= 0.6 else "medium" if p >= 0.3 else "low",
        "value_at_stake": value,
        "priority": p * value,
        "reasons": [LATE, PAYS, REST],
        "notes": [],
        "name": f"Firma {subject_id} GmbH",
        "phone": "+49 221 4710 110",
        "email": f"einkauf@firma{subject_id.lower()}.example",
        "language": "de",
        "held_until": None,
        "held_why": None,
        "days_since_last_order": 94.0,
        "action": action,
        "arm": "treatment",
        "rule": "by_hand",
        "held_by": None,
        "expected_gain": 0.0 if action == "none" else p * value * step["save_rate"] - step["cost"],
        "due_on": None if action == "none" else dt.date(2026, 3, 4),
        "policy_version": "test-1",
        "inputs": "{}",
        **step,
        **changed,
    }


_DECIDED = [
    *("action", "channel", "arm", "rule", "held_by", "save_rate", "cost", "expected_gain", "due_on"),
    *("text_de", "text_en", "label_de", "label_en", "policy_version", "inputs"),
]


def tables(rows: list[dict[str, Any]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Subjects and decisions of these customers."""
    columns = list(customer("x"))
    frame = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in columns})
    floats = ["p", "value_at_stake", "priority", "days_since_last_order", "save_rate", "cost", "expected_gain"]
    frame = frame.astype(dict.fromkeys(floats, "float64"))
    return frame.drop(columns=_DECIDED), frame[["subject_type", "subject_id", *_DECIDED]]


def manager(manager_id: str, **changed: Any) -> dict[str, Any]:
    return {
        "account_manager_id": manager_id,
        "name": f"Manager {manager_id}",
        "email": f"{manager_id.lower()}@firma.example",
        "phone": "+49 221 4710 1",
        "language": None,
        "daily_capacity": 10,
        "active_from": None,
        "active_to": None,
        "deputy_id": None,
        **changed,
    }


def staff(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in manager("x")})


def before(subject_id: str, *, list_id: str = "AM1", p: float = 0.7, tier: str = "high", rank: int = 1) -> dict:
    """A row of the actions of the last list set."""
    return {
        "as_of": BEFORE,
        "subject_type": "customer",
        "subject_id": subject_id,
        "account_manager_id": list_id,
        "p": p,
        "risk_tier": tier,
        "rank": rank,
    }


def entries_of(
    rows: list[dict[str, Any]],
    managers: pd.DataFrame | None = None,
    *,
    previous: list[dict[str, Any]] | None = None,
    **more: Any,
) -> Entries:
    subjects, decisions = tables(rows)
    past = None if previous is None else pd.DataFrame(previous, columns=list(before("x")))
    return make_entries(subjects, decisions, managers, as_of=DAY, previous=past, **{"default_capacity": 10, **more})


def context(language: str = "de", **changed: Any) -> ListContext:
    given = {
        "language": language,
        "currency": "EUR",
        "model_kind": "lightgbm",
        "model_version": "7",
        "model_trained": dt.date(2026, 2, 1),
        "company": "Plastform GmbH",
        "notices": (NOTICE,),
        "mails": {"offer": MAIL},
    }
    return ListContext(**{**given, **changed})


def written(entries: Entries, how: ListContext, folder: Any) -> dict[str, bytes]:
    """All files of the set, written into a folder: name -> bytes."""
    from crm_ml.actions.lists import list_files

    folder.mkdir(parents=True, exist_ok=True)
    for name, write in list_files(entries, how).items():
        write(folder / name)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
