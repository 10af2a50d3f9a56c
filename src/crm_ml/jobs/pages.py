"""What all pages share: a template becomes one text with its pictures inside, files come whole or not at all."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_ml.errors import UsageError
from crm_ml.jobs.files import disk_errors, make_folder, replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 160


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """Return a page as one HTML text; every value is escaped, and one that is missing is an error.

    Parameters
    ----------
    template : str
        Name of a file beside this one.
    values : mapping
        What it shows.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = files("crm_ml.jobs").joinpath(template).read_text(encoding="utf-8")
    return environment.from_string(text).render(**values)


def picture_bytes(figure: Figure) -> bytes:
    """Return a figure as PNG: the same bytes for the same picture."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font lacks are drawn as boxes; the page has them as text
        figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def picture_source(png: bytes) -> str:
    """Return what an ``<img>`` of a page that stands alone has as its source.

    Examples
    --------
    >>> picture_source(b"png")
    'data:image/png;base64,cG5n'
    """
    return "data:image/png;base64," + base64.b64encode(png).decode()


def write_pages(contents: Mapping[str, bytes], folder: Path, *, step: str) -> None:
    """Write files into a folder, each whole or not at all, in their order; the folder is made if it is missing.

    Parameters
    ----------
    contents : mapping
        Name of a file to what it holds.
    folder : Path
        Where to.
    step : str
        Name of the step for tests that end it halfway.

    Raises
    ------
    UsageError
        If the folder is a file.
    Failure
        If the disk refuses.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", remedy="Name a folder with --out.")
    with disk_errors(folder):
        make_folder(folder)
    for name, content in contents.items():
        replace_file(folder / name, partial(_put, content), step=step)


def _put(content: bytes, path: Path) -> None:
    path.write_bytes(content)
