"""The pages in a real browser, at phone and paper size: nothing runs, nothing is fetched, everybody can read them."""

import re
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from hostile_texts import ALL
from listed_day import LATE, PAYS, before, context, customer, entries_of, manager, reason, staff, written
from playwright.sync_api import sync_playwright

from crm_ml.actions.lists.words import Notice

pytestmark = pytest.mark.desktop

PHONE, PAPER, SCREEN = (360, 740), (794, 1123), (1280, 900)
PAGES = ["AM1.html", "AM2.html", "AM3.html", "summary.html"]
WIDEST = """() => [...document.querySelectorAll('body *')]
  .filter(node => node.getClientRects().length && node.getBoundingClientRect().right > innerWidth + 0.5)
  .map(node => node.tagName + ' ' + node.className + ' ' + node.textContent.slice(0, 30))"""


@pytest.fixture(scope="session")
def chromium():
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session", params=["de", "en"])
def folder(request, tmp_path_factory):
    """AM1: 15 entries, all alike a working day; AM2: nothing to do; AM3: the hostile corpus."""
    long = reason(
        "Umsatz der letzten 90 Tage 62 % niedriger als im Vorjahr (8.420 € statt 22.150 €).",
        "Revenue of the last 90 days 62% below the year before (€8,420 instead of €22,150).",
    )
    notes = ["rhythm_longer_than_horizon", "history_short", "model_is_rule"]
    rows = [
        customer(
            f"{at:06d}",
            action="offer" if at % 3 == 0 else "talk",
            p=0.35 if at % 3 == 0 else 0.7,
            name="Kunststoffverarbeitungsgesellschaft Brandenburg mbH & Co. KG" if at % 4 == 0 else f"Firma {at} GmbH",
            reasons=[LATE, long, PAYS],
            notes=notes[: at % 4],
        )
        for at in range(15)
    ]
    rows += [
        customer(
            f"X{at:03d}",
            account_manager_id="AM3",
            action="offer" if at % 2 else "talk",
            risk_tier=["high", "medium", "low", "watch"][at % 4],
            name=text,
            phone=text,
            text_de=text,
            text_en=text,
            reasons=[reason(text, text), PAYS],
            email="a@b.example",
        )
        for at, text in enumerate(ALL)
    ]
    people = staff(
        manager("AM1", name="Anna Bergmann", daily_capacity=15),
        manager("AM2", name="Jörg Öztürk"),
        manager("AM3", name=ALL[0] + "<script>alert(1)</script>" + "x" * 500, daily_capacity=500),
    )
    past = [before("000001", p=0.5, tier="medium", rank=1), before("gone", rank=2), before("000002", rank=3)]
    past += [before("000003", list_id="AM2", rank=1)]
    made = entries_of(rows, people, previous=past, may_be_named={"gone": "Alt & Söhne GmbH"})
    how = context(request.param, notices=(Notice("Die Daten sind zwei Tage alt.", "The data are two days old."),))
    out = tmp_path_factory.mktemp("pages") / request.param
    written(made, how, out)
    return out


@pytest.fixture
def opened(chromium, folder):
    """`opened("AM1.html", PHONE)` opens a page and fails if it runs, asks or fetches anything."""
    contexts, seen = [], []

    def open_page(name, size, scheme="light"):
        width, height = size
        own = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=size == PHONE
        )
        contexts.append(own)
        own.on("request", lambda request: seen.append(request.url))
        page = own.new_page()
        page.on("dialog", lambda dialog: (seen.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("console", lambda message: seen.append(f"console: {message.text}"))
        address = (folder / name).as_uri()
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert seen[-1:] == [address]
        return page

    yield open_page
    for own in contexts:
        own.close()
    assert [line for line in seen if not line.startswith("file:")] == []
    assert all(line.endswith(".html") for line in seen)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("size", [PHONE, PAPER, SCREEN], ids=["phone", "paper", "screen"])
def test_nothing_is_wider_than_the_screen(opened, name, size) -> None:
    page = opened(name, size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.evaluate(WIDEST) == []
    assert page.evaluate("document.scripts.length") == 0
    assert page.evaluate("document.title").strip()


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [
        *((name, PHONE, scheme) for name in PAGES[:2] + PAGES[3:] for scheme in ("light", "dark")),
        *((name, PAPER, "light") for name in PAGES[:2] + PAGES[3:]),
        ("AM3.html", PHONE, "light"),
    ],
)
def test_everybody_can_read_it(opened, name, size, scheme) -> None:
    found = Axe().run(opened(name, size, scheme))
    assert found.violations_count == 0, found.generate_report()


def test_the_page_is_light_and_whole(folder) -> None:
    page = (folder / "AM1.html").read_bytes()
    assert page.count(b"<article") == 15
    assert len(page) < 150_000
    assert not re.search(rb"(\ssrc(set)?=|@import|url\()", page)


def test_a_call_is_one_touch_away(opened, folder) -> None:
    page = opened("AM1.html", PHONE)
    calls = page.locator("a[href^='tel:']")
    assert calls.count() == 15
    for at in range(3):
        box = calls.nth(at).bounding_box()
        assert box["height"] >= 44
        assert box["width"] >= 100
    word = "anrufen" if folder.name == "de" else "Call"
    assert word in calls.first.get_attribute("aria-label")


def test_headings_and_landmarks_lead_through_the_page(opened) -> None:
    page = opened("AM1.html", PHONE)
    assert page.locator("h1").count() == 1
    assert page.locator("main").count() == page.locator("footer").count() == 1
    assert page.locator("ol.cards > li > article > div h2").count() == 15
    links = page.locator("a").evaluate_all("nodes => nodes.map(node => node.getAttribute('href'))")
    assert all(re.fullmatch(r"tel:\+\d+|AM1\.xlsx|draft-[0-9A-Z-]+\.eml", link) for link in links)


def test_the_links_lead_to_files_of_the_set(opened, folder) -> None:
    for name in ("AM1.html", "summary.html"):
        links = opened(name, SCREEN).locator("a:not([href^='tel:'])")
        for link in links.evaluate_all("nodes => nodes.map(node => node.getAttribute('href'))"):
            assert (folder / link).is_file()


@pytest.mark.parametrize(("name", "most"), [("AM1.html", 6), ("AM2.html", 1), ("summary.html", 2)])
def test_it_prints_on_a4(opened, name, most) -> None:
    pdf = opened(name, SCREEN, "dark").pdf(prefer_css_page_size=True)
    pages = re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert 1 <= len(pages) <= most
    assert {(round(float(wide)), round(float(high))) for wide, high in pages} == {(595, 842)}


def test_no_card_is_torn_by_a_page_break_and_paper_is_white(opened) -> None:
    page = opened("AM1.html", PAPER, "dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('.card')).breakInside") == "avoid"
    assert page.locator(".paper").first.is_visible()
    assert page.evaluate(WIDEST) == []
