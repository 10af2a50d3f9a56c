"""The page about one customer in a real browser: nothing runs, nothing is fetched, it fits a phone and A4."""

import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from crm_ml.jobs.explain import explain
from crm_ml.jobs.score import score

pytestmark = [pytest.mark.desktop, pytest.mark.filterwarnings("ignore")]

PHONE, PAPER, SCREEN = (360, 740), (794, 1123), (1280, 900)


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_page_about_a_customer(browser, workspace, firm_day, language):
    customer = score(workspace, as_of=firm_day, dry_run=True).table.customer_id.iloc[0]
    page_file = explain(workspace, "churn", customer, as_of=firm_day, language=language).page
    for width, height in (PHONE, PAPER, SCREEN):
        page = browser.new_page(viewport={"width": width, "height": height})
        asked, said = [], []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("dialog", lambda dialog, said=said: said.append(dialog.message))
        page.on("console", lambda message, said=said: said.append(message.text))
        page.goto(page_file.as_uri())
        assert [url for url in asked if not url.startswith("data:")] == [page_file.as_uri()]
        assert said == []
        # pictures and wide tables scroll inside; the page itself does not
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 500)")
        violations = Axe().run(page).response["violations"]
        assert [(fault["id"], len(fault["nodes"])) for fault in violations] == []
        page.close()
    page = browser.new_page()
    page.goto(page_file.as_uri())
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 688, "height": 1000})  # A4 without its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 688
    page.close()
