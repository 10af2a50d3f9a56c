"""The page of a hundred compared runs in a real browser: nothing runs, nothing is fetched, it fits a phone and A4."""

import datetime as dt
import shutil
from dataclasses import replace

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from compared_runs import evaluation, write_runs
from playwright.sync_api import sync_playwright

from crm_ml.jobs import compare as job
from crm_ml.jobs.compare_page import page_html
from crm_ml.jobs.compare_tiers import TierChange
from crm_ml.models.evaluation.compare import tier_changes, tier_matrix

pytestmark = [pytest.mark.desktop, pytest.mark.filterwarnings("ignore")]

PHONE, PAPER, SCREEN = (360, 740), (794, 1123), (1280, 900)
RUNS, CHAMPION = 100, 96


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def hundred(small_firm, tmp_path_factory):
    """A comparison of a hundred runs with customers that change tier, and the folder it lies in."""
    folder = tmp_path_factory.mktemp("hundred") / "firm"
    folder.mkdir()
    shutil.copy(small_firm / "crm.yaml", folder)
    runs = write_runs(folder, RUNS, champion=CHAMPION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "registered_runs", lambda workspace, kind: runs)
        result = job.compare(folder, dry_run=True)
    scored = []
    for number in (CHAMPION, 1):
        rows = evaluation(number, days=("2025-01-01",))
        tier = np.select([rows["p"] >= 0.6, rows["p"] >= 0.3], ["high", "medium"], "low")
        scored.append(rows.assign(tier=tier)[["customer_id", "p", "tier"]])
    matrix, changes = tier_matrix(*scored), tier_changes(*scored)
    assert len(changes) > 10
    tiers = TierChange(dt.date(2025, 5, 6), str(CHAMPION), str(CHAMPION + 1), len(scored[0]), matrix, changes)
    return replace(result, tiers=tiers), folder


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_page_of_a_hundred_runs(browser, hundred, language):
    result, folder = hundred
    page_file = folder / f"page_{language}.html"
    page_file.write_text(page_html(replace(result, language=language)), encoding="utf-8")
    assert page_file.stat().st_size < 2_000_000
    for width, height in (PHONE, PAPER, SCREEN):
        page = browser.new_page(viewport={"width": width, "height": height})
        asked, said = [], []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("console", lambda message, said=said: said.append(message.text))
        page.goto(page_file.as_uri())
        assert asked == [page_file.as_uri()]
        assert said == []
        # pictures and wide tables scroll inside; the page itself does not
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("figure:visible").count() == 36
        page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true })")
        assert (
            page.locator("figure svg[role=img]").count() == 2 * RUNS + 68
        )  # two of three runs, and the champion, have values
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        # a curve takes room only if its style has reached it
        assert page.evaluate("getComputedStyle(document.querySelector('figure .so')).fill") == "none"
        if (width, height) == SCREEN:
            violations = Axe().run(page).response["violations"]
            assert [(fault["id"], len(fault["nodes"])) for fault in violations] == []
        page.close()


def test_it_prints_on_a4(browser, hundred):
    result, folder = hundred
    page_file = folder / "paper.html"
    page_file.write_text(page_html(result), encoding="utf-8")
    page = browser.new_page()
    page.goto(page_file.as_uri())
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 688, "height": 1000})  # A4 without its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 688
    page.close()
