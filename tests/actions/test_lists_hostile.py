"""Texts of others stay texts: no live formula, no markup, one recipient, nothing lost without a mark."""

import csv
import email
import email.policy
import io
import re
import unicodedata
import zipfile
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hostile_texts import ADDRESSES_REFUSED, ADDRESSES_TAKEN, ALL, FORMULAS
from hypothesis import given
from hypothesis import strategies as st
from listed_day import MAIL, PAYS, before, context, customer, entries_of, manager, reason, staff, written

from crm_ml.actions.feedback_cells import without_guard
from crm_ml.actions.lists.cleaning import REPLACED, SHORTENED, clean, csv_phone, csv_text, may_be_formula, phone_link
from crm_ml.actions.lists.columns import COLUMNS
from crm_ml.actions.lists.mail import fill, one_address
from crm_ml.actions.lists.names import file_stems
from crm_ml.actions.lists.words import Notice
from crm_ml.errors import UsageError

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
SHOWN = [text for text in ALL if text.strip()]


class Nodes(HTMLParser):
    """Tags, attributes and text of a page, as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A set whose every text of others is hostile, one after the other."""
    rows = []
    for number, text in enumerate(ALL):
        hostile = {"name": text, "phone": text, "reasons": [reason(text, text), PAYS], "text_de": text, "text_en": text}
        action = "offer" if number % 2 else "talk"
        label = {"label_de": text, "label_en": text} if number == 0 else {}
        rows.append(customer(f"K{number:03d}", action=action, p=0.65, email="a@b.example", **hostile, **label))
    rows.append(customer("=1+1;<b>", name=None, language="en"))
    people = staff(
        manager("AM1", daily_capacity=500, name="=1+1 <script>alert(1)</script>\r\nBcc: x@evil.example", phone="=1+1"),
        manager("AM2", name="<b>", active_to=None),
    )
    past = [before("gone", rank=1), before("K000", list_id="AM2")]
    made = entries_of(rows, people, previous=past, may_be_named={"gone": "<script>alert(1)</script>=1+1\x00"})
    notice = Notice("<script>alert(1)</script>", "=1+1")
    how = context(notices=(notice,), company="=Firma<script>\nBcc: x@evil.example")
    return written(made, how, tmp_path_factory.mktemp("hostile") / "set")


def text_cells(book: bytes) -> list[list[str | None]]:
    """The texts of the first sheet, cell by cell, read without a spreadsheet library; also refuses any formula."""
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        assert not any("externalLink" in name or "vba" in name.casefold() for name in archive.namelist())
        shared = ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))
        texts = ["".join(node.text or "" for node in item.iter(f"{MAIN}t")) for item in shared]
        rows = []
        for name in ("xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml"):
            tree = ElementTree.fromstring(archive.read(name))
            assert list(tree.iter(f"{MAIN}f")) == []
            assert list(tree.iter(f"{MAIN}hyperlink")) == []
            if name.endswith("sheet1.xml"):
                for row in tree.iter(f"{MAIN}row"):
                    rows.append([texts[int(c[0].text)] if c.get("t") == "s" else None for c in row])
    return rows


def test_the_corpus_is_large_enough() -> None:
    assert len(ALL) >= 60
    assert len(FORMULAS) >= 30


def test_the_workbook_has_no_formula_and_keeps_every_text(files) -> None:
    rows = text_cells(files["AM1.xlsx"])
    at = [column.id for column in COLUMNS].index("name")
    names = {row[at] for row in rows[1:]}
    for text in SHOWN:
        # the file format writes these characters in its own way; what matters is that the text is there
        assert {clean(text, "de", 120)} <= {unescaped(name) for name in names}


def unescaped(text: str) -> str:
    return re.sub("_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), text)


def test_no_cell_of_the_csv_begins_a_formula(files) -> None:
    data = files["AM1.csv"]
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert len(rows) == len(ALL) + 2
    assert {len(row) for row in rows} == {len(COLUMNS)}
    for row in rows[1:]:
        for column, cell in zip(COLUMNS, row, strict=True):
            if column.kind not in ("number", "money", "share", "date"):
                assert not may_be_formula(cell), (column.id, cell)
                assert not set(cell) & set("\r\n\t\x00"), (column.id, cell)
    at = [column.id for column in COLUMNS].index("name")
    found = {without_guard(row[at]) for row in rows[1:]}
    assert {clean(text, "de", 120) for text in SHOWN} <= found


def test_a_reader_that_splits_lines_first_finds_no_formula_either(files) -> None:
    lines = files["AM1.csv"].decode("utf-8-sig").split("\r\n")
    assert len(lines) == len(ALL) + 3
    assert lines[-1] == ""
    assert not any(re.search(r"[\r\n\x0b\x0c\x85\u2028\u2029]", line) for line in lines)


@pytest.mark.parametrize("page", ["AM1.html", "AM2.html", "summary.html"])
def test_pages_hold_no_markup_of_others(files, page) -> None:
    nodes = Nodes(files[page].decode())
    assert not {"script", "iframe", "img", "svg", "link", "base", "object", "embed", "form", "input"} & set(nodes.tags)
    assert nodes.tags.count("style") == 1
    assert nodes.tags.count("title") == 1
    assert [name for name, _ in nodes.attributes if name.startswith("on") or name in ("style", "src", "srcset")] == []
    for name, value in nodes.attributes:
        if name == "href":
            assert re.fullmatch(r"tel:\+?\d{3,15}|[A-Za-z0-9_.%-]+\.(html|xlsx|eml)", value), value


def test_a_page_shows_every_name(files) -> None:
    shown = {text.strip() for text in Nodes(files["AM1.html"].decode()).texts}
    assert {clean(text, "de", 120).strip() for text in SHOWN} <= shown


def test_drafts_have_one_recipient_and_no_header_of_others(files) -> None:
    drafts = [data for name, data in files.items() if name.endswith(".eml")]
    assert len(drafts) == len(ALL) // 2
    for data in drafts:
        assert all(len(line) <= 998 for line in data.split(b"\r\n"))
        assert b"\n" not in data.replace(b"\r\n", b"")
        message = email.message_from_bytes(data, policy=email.policy.default)
        wanted = ["X-Unsent", "From", "To", "Subject", "List-Unsubscribe", "Content-Type"]
        wanted += ["Content-Transfer-Encoding", "MIME-Version"]
        assert sorted(message.keys()) == sorted(wanted)
        assert [address.addr_spec for address in message["To"].addresses] == ["a@b.example"]
        assert [address.addr_spec for address in message["From"].addresses] == ["am1@firma.example"]
        assert "„Abmelden“" in message.get_content()


def test_nothing_of_the_long_texts_is_lost_without_a_mark(files) -> None:
    long = [clean(text, "de", 120) for text in ALL if len(text) > 1_000]
    assert all(text.endswith(SHORTENED["de"]) and len(text) <= 120 for text in long)
    for name in ("AM1.html", "AM1.csv"):
        assert files[name].decode().count(SHORTENED["de"]) >= len(long)


@given(st.text(st.characters(codec=None, categories=None), max_size=300), st.sampled_from(["de", "en"]))
def test_cleaning_keeps_or_marks_every_character(text, language) -> None:
    cleaned = clean(text, language, 150)
    assert len(cleaned) <= 150
    cleaned.encode()
    assert clean(cleaned, language, 150) == cleaned
    assert not [ch for ch in cleaned if unicodedata.category(ch) in ("Cc", "Cs") or ch in "\u202a\u202e\u2066\u200b"]
    if not cleaned.endswith(SHORTENED[language]):
        plain = unicodedata.normalize("NFC", text)
        letters = [ch for ch in plain if unicodedata.category(ch)[0] in "LNPS"]
        marks = set(REPLACED + "\u23ce")
        assert [ch for ch in cleaned if unicodedata.category(ch)[0] in "LNPS" and ch not in marks] == [
            ch for ch in letters if ch not in marks
        ]


@given(st.text(max_size=60))
def test_the_guard_of_csv_comes_off_again(text) -> None:
    written_cell = csv_text(clean(text, "de"))
    assert not may_be_formula(written_cell)
    assert without_guard(written_cell) == clean(text, "de") or clean(text, "de").startswith("'")


# --- telephone numbers


@pytest.mark.parametrize(
    ("phone", "cell", "link"),
    [
        ("+49 221 4710 110", "(+49) 221 4710 110", "tel:+492214710110"),
        ("+492214710110", "(+49) 2214710110", "tel:+492214710110"),
        ("+49-221-4710", "(+49) 221-4710", "tel:+492214710"),
        ("+49 (0) 221 / 4710", "(+49) (0) 221 / 4710", "tel:+492214710"),
        ("+1 212 555 0100", "(+1) 212 555 0100", "tel:+12125550100"),
        ("+358 9 1234", "(+358) 9 1234", "tel:+35891234"),
        ("0221 4710110", "0221 4710110", "tel:02214710110"),
        ("02214710110", "0221 4710110", "tel:02214710110"),
        ("0221/4710-110", "0221 4710-110", "tel:02214710110"),
        ("0049 221 4710", "0049 221 4710", "tel:00492214710"),
        ("(0221) 4710", "(0221) 4710", "tel:02214710"),
        ("110", "110", "tel:110"),
        ("Frau Berg, App. 12", "Frau Berg, App. 12", ""),
        ("=1+1", "'=1+1", ""),
        ("+49 221 4710|calc", "'+49 221 4710|calc", ""),
        ("+cmd", "'+cmd", ""),
        ("", "", ""),
    ],
)
def test_a_telephone_number_stays_one(phone, cell, link) -> None:
    assert csv_phone(phone) == cell
    assert phone_link(phone) == link


# --- addresses and templates


@pytest.mark.parametrize("text", ADDRESSES_REFUSED)
def test_what_is_not_one_address_gets_no_draft(text) -> None:
    assert one_address(text) is None


@pytest.mark.parametrize(("text", "address"), ADDRESSES_TAKEN.items())
def test_one_address_is_taken_with_its_domain_in_ascii(text, address) -> None:
    assert one_address(text) == address


@given(st.text(max_size=80))
def test_whatever_is_taken_is_one_recipient(text) -> None:
    address = one_address(text)
    if address is not None:
        header = email.message_from_bytes(f"To: {address}\r\n\r\n".encode(), policy=email.policy.default)["To"]
        assert [found.addr_spec for found in header.addresses] == [address]


@pytest.mark.parametrize(
    ("changed", "owner", "fault"),
    [
        ({"email": "a@b.example, c@d.example"}, {}, "keine einzelne gültige E-Mail-Adresse"),
        ({"email": None}, {}, "keine einzelne gültige E-Mail-Adresse"),
        ({}, {"email": "x@evil.example\nBcc: y"}, "Für den Absender ist keine gültige E-Mail-Adresse hinterlegt"),
        ({}, {"email": None}, "Für den Absender ist keine gültige E-Mail-Adresse hinterlegt"),
        ({"action": "talk", "channel": "email"}, {}, "gibt es keine Vorlage"),
    ],
)
def test_where_no_draft_can_be_the_list_says_so(tmp_path, changed, owner, fault) -> None:
    row = customer("a", **{"action": "offer", **changed})
    files = written(entries_of([row], staff(manager("AM1", **owner))), context(), tmp_path)
    assert [name for name in files if name.endswith(".eml")] == []
    for name in ("AM1.csv", "AM1.html"):
        assert fault in files[name].decode()


def test_what_a_draft_lacks_is_said(tmp_path) -> None:
    made = entries_of([customer("a", action="offer", name=None)], staff(manager("AM1", phone=None)))
    page = written(made, context(company=None), tmp_path)["AM1.html"].decode()
    assert "Bitte ergänzen Sie im Entwurf: Name des Kunden, Ihre Telefonnummer, Name Ihrer Firma." in page


def test_placeholders_of_values_mean_nothing() -> None:
    assert fill("{a}{b}", {"a": "{b}", "b": "{a}"}) == "{b}{a}"
    with pytest.raises(UsageError, match=r"may only use customer_name in braces; found name"):
        fill("{customer_name} {name}", {"customer_name": "x"})


def test_every_draft_carries_the_way_out_in_the_customers_language(tmp_path) -> None:
    rows = [customer("a", action="offer"), customer("b", action="offer", language="en")]
    files = written(entries_of(rows, staff(manager("AM1"))), context(), tmp_path)
    drafts = [email.message_from_bytes(d, policy=email.policy.default) for n, d in files.items() if n.endswith(".eml")]
    assert sorted(draft["Subject"] for draft in drafts) == ["Ihr Bedarf, Firma a GmbH", "Your needs, Firma b GmbH"]
    for draft in drafts:
        german = draft["Subject"].startswith("Ihr")
        assert draft["X-Unsent"] == "1"
        word = "Abmelden" if german else "Unsubscribe"
        assert draft["List-Unsubscribe"] == f"<mailto:am1@firma.example?subject={word}>"
        body = draft.get_content().replace("\r\n", "\n")
        assert ("antworten Sie bitte mit „Abmelden“" if german else "reply with “unsubscribe”") in body
        assert "Manager AM1\nPlastform GmbH\n\n" in body
        assert "{" not in body
    assert MAIL.body_de.count("{") == 4


# --- file names


@pytest.mark.parametrize(
    ("ids", "stems"),
    [
        (["AM1", "AM2"], ["AM1", "AM2"]),
        (["../../etc/passwd"], ["%2E.%2F..%2Fetc%2Fpasswd"]),
        (["a/b", "a%2Fb"], ["a%252Fb", "a%2Fb"]),
        (["CON", "nul.txt", "COM1"], ["%43OM1", "%43ON", "%6Eul.txt"]),
        (["summary", "actions", "Draft-1"], ["%44raft-1", "%61ctions", "%73ummary"]),
        ([".", "..", "x."], ["%2E", "%2E%2E", "x%2E"]),
        (["", " "], ["%", "%20"]),
        (["a\x00b", "a\nb", "a b"], ["a%00b", "a%0Ab", "a%20b"]),
        (["=1+1", "-x"], ["%2Dx", "%3D1%2B1"]),
    ],
)
def test_file_names_are_safe(ids, stems) -> None:
    assert list(file_stems(ids).values()) == stems


@given(st.lists(st.text(max_size=120), unique=True, max_size=20))
def test_no_two_lists_share_a_file_name_whatever_the_case(ids) -> None:
    stems = file_stems(ids)
    assert sorted(stems) == sorted(ids)
    assert len({stem.casefold() for stem in stems.values()}) == len(ids)
    for stem in stems.values():
        assert re.fullmatch(r"[A-Za-z0-9_.%-]{1,130}", stem)
        assert not stem.startswith((".", "-"))
