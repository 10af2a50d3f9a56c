"""Offer e-mails as drafts: one recipient, an opt-out in every one of them, never sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from urllib.parse import quote

from crm_ml.actions.lists.cleaning import NAME_CHARACTERS, clean
from crm_ml.actions.lists.columns import Language
from crm_ml.actions.lists.deputies import Row, text_of
from crm_ml.actions.lists.entries import ListHead
from crm_ml.actions.lists.words import say
from crm_ml.actions.policy.schema import MailTemplate
from crm_ml.errors import UsageError

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SUBJECT_CHARACTERS = 150


@dataclass(frozen=True)
class Draft:
    """A draft and what its text lacks, or why there is none (``address``, ``sender`` or ``text``)."""

    message: bytes | None
    fault: str = ""
    missing: tuple[str, ...] = ()


def one_address(text: str | None) -> str | None:
    r"""Return the one e-mail address that a text is, its domain in ASCII, or None where it is anything else.

    Examples
    --------
    >>> one_address("einkauf@müller.example"), one_address(" a@b.example ")
    ('einkauf@xn--mller-kva.example', 'a@b.example')
    >>> [one_address(text) for text in ("a@b.example, c@d.example", "A <a@b.example>", "a@b.example\nBcc: c@d")]
    [None, None, None]
    """
    if not text:
        return None
    local, at, domain = text.strip(" ").rpartition("@")
    if not at or len(local) > 64 or not _LOCAL.fullmatch(local):
        return None
    try:
        # IDNA also folds full-width letters and dots, so what is checked is what would be used
        ascii_domain = domain.encode("idna").decode("ascii").casefold()
    except UnicodeError:
        return None
    labels = ascii_domain.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        return None
    address = f"{local}@{ascii_domain}"
    return address if len(address) <= 254 else None


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values in the place of ``{name}``; nothing else in the template means anything.

    Raises
    ------
    UsageError
        For a placeholder that does not exist.

    Examples
    --------
    >>> fill("Dear {customer_name}!", {"customer_name": "{company}"})
    'Dear {company}!'
    """
    unknown = sorted({name for name in _PLACEHOLDER.findall(template) if name not in values})
    if unknown:
        raise UsageError(
            f"an e-mail template may only use {', '.join(sorted(values))} in braces; found {', '.join(unknown[:5])}",
            remedy="Correct the template in the policy.",
            code="unknown_placeholder",
        )
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


def make_draft(
    row: Row, head: ListHead, mail: MailTemplate | None, *, company: str | None, language: Language
) -> Draft:
    """Write the draft of one entry.

    Parameters
    ----------
    row : mapping
        A row of `Entries.entries` whose channel is e-mail.
    head : ListHead
        The list's owner, who sends.
    mail : MailTemplate or None
        The template of the action, from the policy.
    company : str or None
        Name of the firm that sends.
    language : {"de", "en"}
        In which the customer is written to.

    Returns
    -------
    Draft
        The bytes of an ``.eml`` file that mail programs open as a new message (``X-Unsent: 1``), with exactly one
        recipient, ``List-Unsubscribe`` and the opt-out line; the same input gives the same bytes.
    """
    if mail is None:
        return Draft(None, "text")
    recipient = one_address(text_of(row.get("email")))
    if recipient is None:
        return Draft(None, "address")
    sender = one_address(head.email)
    if sender is None:
        return Draft(None, "sender")
    given = {
        "customer_name": text_of(row.get("name")) or "",
        "manager_name": head.name or head.list_id,
        "manager_phone": head.phone or "",
        "manager_email": sender,
        "company": company or "",
    }
    values = {name: clean(value, language, NAME_CHARACTERS) for name, value in given.items()}
    mail_subject = mail.subject_de if language == "de" else mail.subject_en
    mail_body = mail.body_de if language == "de" else mail.body_en
    subject = clean(fill(mail_subject, values), language, _SUBJECT_CHARACTERS)
    body = fill(mail_body, values).strip("\n")
    message = EmailMessage(policy=SMTP)
    message["X-Unsent"] = "1"
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = subject
    stop = quote(say("opt_out_subject", language))
    message["List-Unsubscribe"] = f"<mailto:{sender}?subject={stop}>"
    # not below a signature mark: mail programs fold away what is there, and the opt-out must be seen
    text = f"{body}\n\n{say('opt_out', language, address=sender)}\n"
    message.set_content(text, charset="utf-8", cte="quoted-printable")
    wanted = set(_PLACEHOLDER.findall(mail_subject + mail_body))
    return Draft(
        message.as_bytes(), missing=tuple(name for name, value in values.items() if name in wanted and not value)
    )
