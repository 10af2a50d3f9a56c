"""Whom the lists speak of while they are written: customers, or leads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LEAD = "lead"
_SUBJECT: ContextVar[str] = ContextVar("subject", default="customer")


@contextmanager
def speaking_of(subject_type: str) -> Iterator[None]:
    """Let the texts within speak of leads, or of customers.

    Examples
    --------
    >>> with speaking_of("lead"):
    ...     about_leads()
    True
    """
    token = _SUBJECT.set(subject_type)
    try:
        yield
    finally:
        _SUBJECT.reset(token)


def about_leads() -> bool:
    """Return whether texts speak of leads now."""
    return _SUBJECT.get() == LEAD
