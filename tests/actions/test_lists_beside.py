"""The pages of one person name each other: leads beside customers, in the reader's language, only where both exist."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from listed_day import DAY, context, customer, entries_of, manager, staff

from crm_ml.actions.lists.files import customers_beside, lead_list_files, leads_beside, list_files
from crm_ml.actions.lists.speaking import LEAD, speaking_of


class Links(HTMLParser):
    """The links of a page with their texts, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._at: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._at = dict(attrs)["href"]

    def handle_data(self, data: str) -> None:
        if self._at is not None:
            self.found.append((self._at, data))
            self._at = None


def lead(subject_id: str, **changed: object) -> dict:
    return customer(subject_id, subject_type="lead", **changed)


def pages(folder, customers, leads, how):
    """Return all pages of a day, by name."""
    files = {}
    if customers is not None:
        files |= list_files(customers, how, beside=None if leads is None else leads_beside(leads))
    if leads is not None:
        files |= lead_list_files(leads, how, beside=None if customers is None else customers_beside(customers))
    for name, write in files.items():
        if name.endswith(".html"):
            write(folder / name)
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def leads_of(rows, managers=None):
    with speaking_of(LEAD):
        return entries_of(rows, managers)


@pytest.mark.parametrize(
    ("language", "to_leads", "to_customers"),
    [
        ("de", "3 Leads warten auf Sie", "1 Kunde wartet auf Sie"),
        ("en", "3 leads wait for you", "1 customer waits for you"),
    ],
)
def test_each_page_links_to_the_other_with_its_number_of_entries(tmp_path, language, to_leads, to_customers):
    leads = leads_of([lead(f"L{k}") for k in range(3)])
    found = pages(tmp_path, entries_of([customer("C1")]), leads, context(language))
    assert Links(found["AM1.html"]).found[0] == ("AM1.leads.html", to_leads)
    assert Links(found["AM1.leads.html"]).found[0] == ("AM1.html", to_customers)


def test_the_reader_is_spoken_to_in_the_language_of_the_list(tmp_path):
    who = staff(manager("AM1", language="en"))
    found = pages(tmp_path, entries_of([customer("C1")], who), leads_of([lead("L1")], who), context("de"))
    assert Links(found["AM1.html"]).found[0][1] == "1 lead waits for you"
    assert Links(found["AM1.leads.html"]).found[0][1] == "1 customer waits for you"


def test_who_has_one_list_alone_gets_no_link(tmp_path):
    customers = entries_of([customer("C1"), customer("C2", account_manager_id="AM2")])
    leads = leads_of([lead("L1", account_manager_id="AM2"), lead("L2", account_manager_id="AM3")])
    found = pages(tmp_path, customers, leads, context())
    linked = {
        name: [to for to, _ in Links(page).found if to.endswith(".html")]
        for name, page in found.items()
        if "summary" not in name
    }
    assert linked == {
        "AM1.html": [],
        "AM2.html": ["AM2.leads.html"],
        "AM2.leads.html": ["AM2.html"],
        "AM3.leads.html": [],
    }


@pytest.mark.parametrize("alone", ["customers", "leads"])
def test_a_firm_with_one_kind_alone_has_no_links(tmp_path, alone):
    customers, leads = entries_of([customer("C1")]), leads_of([lead("L1")])
    found = pages(tmp_path, *((customers, None) if alone == "customers" else (None, leads)), context())
    assert all("beside" not in page.split("</style>")[1] for page in found.values())


def test_a_list_without_entries_says_that_nothing_is_to_do(tmp_path):
    customers = entries_of([customer("C1", action="none")], staff(manager("AM1")))
    assert list(customers.of("AM1")["subject_id"]) == []
    found = pages(tmp_path, customers, leads_of([lead("L1")], staff(manager("AM1"))), context())
    assert Links(found["AM1.leads.html"]).found[0] == ("AM1.html", "Ihre Kunden: heute nichts zu tun")
    # nobody's list of leads is written where there is nothing on it, so that nothing links to it
    idle = pages(tmp_path, customers, leads_of([lead("L1", action="none")], staff(manager("AM1"))), context())
    assert [to for to, _ in Links(idle["AM1.html"]).found if "leads" in to] == []


@pytest.mark.parametrize("odd", ['"><script>x</script>', "../../etc", "Jörg & Söhne", "javascript:alert(1)", "am1"])
def test_a_link_leads_to_a_file_of_the_folder_whatever_an_id_looks_like(tmp_path, odd):
    # am1 and AM1 differ in the set of customers alone, so each set names its own files
    customers = entries_of([customer("C1", account_manager_id=odd), customer("C2")])
    found = pages(tmp_path, customers, leads_of([lead("L1", account_manager_id=odd)]), context())
    mine = [name for name, page in found.items() if 'class="beside"' in page]
    assert len(mine) == 2
    for name in mine:
        to = Links(found[name]).found[0][0]
        assert unquote(to) in mine
        assert unquote(to) != name
        assert "<script" not in found[name]
        assert ":" not in to
        assert not to.startswith(("/", "."))
    assert customers.as_of == DAY


@pytest.mark.parametrize(
    ("target", "said"), [("won", "gewonnen wird"), ("sql", "zum SQL wird"), ("opportunity", "zur Verkaufschance wird")]
)
def test_the_foot_of_a_list_of_leads_says_which_stage_is_meant(tmp_path, target, said):
    found = pages(tmp_path, None, leads_of([lead("L1")]), context("de", target=target))
    assert said in found["AM1.leads.html"].split("<footer>")[1]
