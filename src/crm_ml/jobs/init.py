"""A first ``crm.yaml`` from a look at the files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crm_ml.errors import DataError, Finding, UsageError
from crm_ml.jobs.files import disk_errors, make_folder, replace_file
from crm_ml.jobs.settings import FILE_NAME
from crm_ml.tables import propose_mapping

_CURRENCY, _ZONE = "EUR", "Europe/Berlin"


@dataclass(frozen=True)
class InitResult:
    """The proposed workspace file: where it is (None after a dry run), its text, what was guessed and what is open."""

    path: Path | None
    text: str
    guesses: tuple[str, ...]
    questions: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "path": None if self.path is None else str(self.path),
            "text": self.text,
            "guesses": list(self.guesses),
            "questions": list(self.questions),
        }


def init_workspace(folder: str | Path, source: str | Path, *, force: bool = False, dry_run: bool = False) -> InitResult:
    """Write a first ``crm.yaml`` into `folder` for the files of `source`.

    Parameters
    ----------
    folder : str or Path
        The new workspace; made if needed.
    source : str or Path
        Folder with Parquet, CSV or XLSX files.
    force : bool
        Replace a ``crm.yaml`` that is there.
    dry_run : bool
        Return the text, but write nothing.

    Raises
    ------
    UsageError
        If there is a ``crm.yaml`` already.
    DataError
        If `source` is not a folder.
    """
    root, files = Path(folder).expanduser().absolute(), Path(source).expanduser().absolute()
    target = root / FILE_NAME
    if target.exists() and not (force or dry_run):
        raise UsageError(f"{target} is there already", remedy="Edit it, or replace it with --force.")
    if not files.is_dir():
        raise DataError(
            f"There is no folder {files}", remedy="Name the folder of the files with --from.", code="missing_file"
        )
    proposal = propose_mapping(files, root=root, zone=_ZONE, currency=_CURRENCY)
    if not proposal.mapping:
        raise DataError(
            f"No table was recognised in {files}",
            remedy="It must hold Parquet, CSV or XLSX files with orders: order, customer, date and amount.",
            findings=[
                Finding("error", "nothing_recognised", question, "Map it by hand.") for question in proposal.questions
            ],
            code="nothing_recognised",
        )
    text = proposal.text
    if not dry_run:
        with disk_errors(root):
            make_folder(root)
        replace_file(target, lambda beside: _write(beside, text), step="init")
    assumed = (f"currency {_CURRENCY} and time zone {_ZONE}", *proposal.guesses)
    return InitResult(None if dry_run else target, text, assumed, proposal.questions)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
