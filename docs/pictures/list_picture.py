"""Makes docs/list.png: a published list as it looks in a real browser, on a screen and on a phone.

Run it from the root of the repository after `make demo`:

    .venv/bin/python docs/pictures/list_picture.py demo/published/2026-03-03/lists

It takes the longest list, or the one named with --list, and needs Debian's packages chromium and fonts-roboto-unhinted.
"""

import argparse
import base64
import shutil
from pathlib import Path

import pyarrow.parquet as pq
from playwright.sync_api import Browser, sync_playwright

OUT = Path(__file__).parent.parent / "list.png"
TEXT = "A manager's list: on the left as it looks on a screen, on the right on a phone."
FRAME = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{text}</title><style>
body{{margin:0;padding:28px 32px;background:#dfe5ec;display:flex;gap:32px;align-items:flex-start;width:max-content}}
img{{display:block;border-radius:12px;box-shadow:0 4px 18px rgba(16,32,56,.28)}}
.phone{{border:9px solid #1b2027;border-radius:30px}}
</style></head><body><img src="{screen}" alt="" width="860"><img class="phone" src="{phone}" alt="" width="360">
</body></html>"""


def longest(folder: Path) -> str:
    """Return the id of the list with the most entries."""
    counts = pq.read_table(folder / "actions.parquet", columns=["account_manager_id"])[
        "account_manager_id"
    ].value_counts()
    rows = sorted((-entry["counts"], entry["values"]) for entry in counts.to_pylist())
    return str(rows[0][1])


def screenshot(browser: Browser, page_file: Path, width: int, height: int) -> str:
    """Return the top of a page as the address of a picture."""
    context = browser.new_context(viewport={"width": width, "height": height}, device_scale_factor=1.5)
    page = context.new_page()
    page.goto(page_file.absolute().as_uri())
    data = base64.b64encode(page.screenshot()).decode()
    context.close()
    return f"data:image/png;base64,{data}"


def make_picture(folder: Path, list_id: str, out: Path) -> None:
    """Take a list's page at both sizes and put the two side by side."""
    page_file = folder / f"{list_id}.html"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        screen = screenshot(browser, page_file, 860, 800)
        phone = screenshot(browser, page_file, 360, 782)
        context = browser.new_context(viewport={"width": 1340, "height": 856}, device_scale_factor=1.5)
        page = context.new_page()
        page.set_content(FRAME.format(text=TEXT, screen=screen, phone=phone))
        page.wait_for_function("[...document.images].every(image => image.complete)")
        page.locator("body").screenshot(path=out)
        browser.close()


def main() -> None:
    """Read the command line and make the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a published folder of lists")
    parser.add_argument("--list", default=None, help="id of the list; the longest one if not given")
    parser.add_argument("--out", type=Path, default=OUT, help="where the picture goes")
    given = parser.parse_args()
    make_picture(given.folder, given.list or longest(given.folder), given.out)


if __name__ == "__main__":
    main()
