"""One customer explained: exactly the published score, only what was visible, for every model and any table missing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import html.parser
import json

import numpy as np
import pandas as pd
import pytest

from crm_ml.errors import Failure, HeldBack, UsageError
from crm_ml.features import build_features, cutoff_us, make_spine
from crm_ml.jobs.explain import explain
from crm_ml.jobs.inputs import CHURN_TABLES, as_workspace, read_inputs
from crm_ml.jobs.score import score

KEYS = {
    *("as_of", "customer_id", "p_churn", "risk_tier", "base", "margin", "reasons", "contributions", "history"),
    *("model_version", "model_kind", "model_sha256", "train_as_of", "data", "notes", "page", "pictures"),
}


def change(folder, table, how):
    path = folder / "data" / f"{table}.parquet"
    how(pd.read_parquet(path)).to_parquet(path, index=False)


def unmapped(folder, *tables):
    """Take tables out of crm.yaml."""
    lines = (folder / "crm.yaml").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not any(line.strip().startswith(f"{table}:") for table in tables)]
    (folder / "crm.yaml").write_text("".join(kept))


def said(folder, customer, day, **how):
    return explain(folder, "churn", customer, as_of=day, dry_run=True, **how).as_dict()


def risky(folder, day):
    """Return a customer that a model would worry about: well known, and long silent."""
    table = score(folder, as_of=day, dry_run=True).table
    known = table[~table.notes.map(lambda notes: "history_short" in notes)]
    return known.sort_values(["p_churn", "customer_id"]).customer_id.iloc[-5]


def test_it_is_the_published_score_to_the_last_digit(workspace, firm_day):
    table = score(workspace, as_of=firm_day).table.set_index("customer_id")
    for customer in table.index[:: len(table) // 4]:
        found, row = said(workspace, customer, firm_day), table.loc[customer]
        assert set(found) >= KEYS
        json.dumps(found, allow_nan=False)
        for name in ("p_churn", "risk_tier", "value_at_stake", "model_version", "model_kind", "model_sha256"):
            assert found[name] == row[name], name
        assert (found["base"], found["margin"]) == pytest.approx((row["base_value"], row["margin"]), abs=1e-12)
        assert found["notes"] == list(row["notes"])
        for reason, published in zip(found["reasons"], row.reasons, strict=True):
            same = ("group", "feature", "text_de", "text_en")
            assert [reason[name] for name in same] == [published[name] for name in same]
            assert reason["contribution"] == pytest.approx(published["contribution"], abs=1e-12)
            assert reason["value"] == published["value"] or published["value"] != published["value"]
        for parts in ("contributions", "reasons"):
            total = sum(part["contribution"] for part in found[parts])
            assert found["base"] + total == pytest.approx(found["margin"], abs=1e-9)
        assert found["history"][-1] == {"as_of": firm_day, "p_churn": row["p_churn"], "published": True}
        assert found["history"][-2] == {"as_of": firm_day, "p_churn": row["p_churn"], "published": False}


def later(folder, day, rng):
    """Add rows that nobody could know at the start of the day, and change what happened to others afterwards."""
    start = pd.Timestamp(day)

    def after(count):
        return (start + pd.to_timedelta(rng.integers(0, 80 * 86_400, count), unit="s")).astype("datetime64[us]")

    def more(frame, key, column):
        new = frame.sample(300, random_state=int(rng.integers(1_000)))
        new = new.assign(**{key: "L" + new[key].astype(str), column: after(300)})
        return pd.concat([frame, new]).sample(frac=1, random_state=int(rng.integers(1_000)))

    change(folder, "order_lines", lambda f: more(f, "order_id", "ordered_at"))
    change(folder, "invoices", lambda f: more(f, "invoice_id", "issued_at"))
    change(folder, "payments", lambda f: more(f, "payment_id", "paid_at"))
    change(folder, "interactions", lambda f: more(f, "interaction_id", "occurred_at"))


def without_later(folder, day):
    start = pd.Timestamp(day)
    for table, column in (
        ("order_lines", "ordered_at"),
        ("invoices", "issued_at"),
        ("payments", "paid_at"),
        ("interactions", "occurred_at"),
    ):
        change(folder, table, lambda f, column=column: f[f[column] < start])


@pytest.mark.parametrize("seed", [1, 2])
def test_what_comes_later_changes_nothing(workspace, firm_day, seed):
    rng = np.random.default_rng(seed)
    table = score(workspace, as_of=firm_day, dry_run=True).table
    customers = table.customer_id.sample(2, random_state=seed).tolist()
    before = [said(workspace, customer, firm_day) for customer in customers]
    later(workspace, firm_day, rng)
    assert [said(workspace, customer, firm_day) for customer in customers] == before
    without_later(workspace, firm_day)
    assert [said(workspace, customer, firm_day) for customer in customers] == before


def test_the_rows_were_all_there_before(workspace, firm_day):
    looked_at = 0
    for customer in score(workspace, as_of=firm_day, dry_run=True).table.customer_id[::40]:
        found = explain(workspace, "churn", customer, as_of=firm_day, dry_run=True)
        shown = [value for reason in found.reasons for row in reason["rows"] for value in row.values()]
        days = [value for value in shown if isinstance(value, dt.date)]
        looked_at += len(days)
        assert all(day < dt.date.fromisoformat(firm_day) for day in days)
        assert all(reason["rows_total"] >= len(reason["rows"]) for reason in found.reasons)
    assert looked_at > 20


def with_model(monkeypatch, workspace, day, kind):
    """Let another kind of model serve."""
    from crm_ml.jobs import score as job
    from crm_ml.jobs.serving import Serving, serving_model
    from crm_ml.models.boosting import fit_boosting
    from crm_ml.models.calibration import Calibration
    from crm_ml.models.logistic import fit_logistic
    from crm_ml.models.rules import fit_rule
    from crm_ml.models.scorer import Average

    opened = as_workspace(workspace)
    tables = read_inputs(opened, only=CHURN_TABLES)
    frame = build_features(tables, make_spine(tables, [dt.date.fromisoformat(day)], active_days=365))
    serving = serving_model(opened, "churn", dt.date.fromisoformat(day))
    model = serving.load(opened)
    ids = ["days_since_last_order", "days_since_last_order_over_own_gap", "orders_count_365d", "interactions_count_90d"]
    contract = model.contract.only(ids)
    encoded = contract.encode(frame)
    y = encoded["days_since_last_order"] > np.nanmedian(encoded["days_since_last_order"])
    logistic = fit_logistic(encoded, y, ids, shrinkage=1.0)
    boosting = fit_boosting(encoded, y, contract, rounds=8, seed=1, threads=1)
    scorer = {
        "rule": fit_rule("days_since_last_order_over_own_gap", encoded),
        "logistic": logistic,
        "lightgbm": boosting,
        "average": Average((boosting, logistic)),
    }[kind]
    other = dataclasses.replace(
        model, scorer=scorer, contract=contract.only(scorer.needs), calibration=Calibration(-0.5, 0.8)
    )

    class Other(Serving):
        def load(self, _workspace):
            return other

    meta = {**serving.meta, "model_kind": kind}
    fake = Other(serving.name, serving.version, serving.sha256, serving.folder, meta)
    monkeypatch.setattr(job, "serving_model", lambda *_: fake)


@pytest.mark.parametrize("kind", ["rule", "logistic", "average", "lightgbm"])
def test_every_kind_of_model(workspace, firm_day, monkeypatch, kind):
    with_model(monkeypatch, workspace, firm_day, kind)
    table = score(workspace, as_of=firm_day).table.set_index("customer_id")
    for customer in table.index[:: len(table) // 2]:
        result = explain(workspace, "churn", customer, as_of=firm_day)
        found = result.as_dict()
        assert (found["p_churn"], found["model_kind"]) == (table.p_churn[customer], kind)
        for parts in ("contributions", "reasons"):
            total = sum(part["contribution"] for part in found[parts])
            assert found["base"] + total == pytest.approx(found["margin"], abs=1e-9)
        assert ("model_is_rule" in found["notes"]) == (kind == "rule")
        assert result.page.is_file()


@pytest.mark.parametrize(
    "gone", [("customers",), ("invoices", "payments"), ("payments",), ("interactions",), ("invoices",)]
)
def test_without_a_table(workspace, firm_day, gone):
    unmapped(workspace, *gone)
    table = score(workspace, as_of=firm_day, dry_run=True).table.set_index("customer_id")
    customer = table.index[3]
    result = explain(workspace, "churn", customer, as_of=firm_day)
    assert result.p_churn == table.p_churn[customer]
    assert not set(gone) & set(result.data)
    assert result.page.is_file()


def test_with_orders_alone(workspace, firm_day):
    unmapped(workspace, "customers", "invoices", "payments", "interactions")
    table = score(workspace, as_of=firm_day, dry_run=True).table.set_index("customer_id")
    result = explain(workspace, "churn", table.index[0], as_of=firm_day, language="de")
    assert list(result.data) == ["order_lines"]
    assert result.p_churn == table.p_churn[table.index[0]]
    assert len(result.timeline().axes[1].get_yticks()) == 0


def test_a_customer_with_a_single_order(workspace, firm_day):
    new = {"order_id": "N1", "line_no": "1", "customer_id": "once", "net_amount": 120.0}
    at = pd.Timestamp(firm_day) - pd.Timedelta(hours=1)
    rows = pd.DataFrame([{**new, "ordered_at": at}]).astype({"ordered_at": "datetime64[us]"})
    change(workspace, "order_lines", lambda f: pd.concat([f, rows]))
    result = explain(workspace, "churn", "once", as_of=firm_day)
    table = score(workspace, as_of=firm_day, dry_run=True).table.set_index("customer_id")
    assert result.p_churn == table.p_churn["once"]
    assert "history_short" in result.notes
    # it ordered yesterday: asking what if it had would be no question
    assert "order_yesterday" not in [answer.change for answer in result.counterfactuals]
    assert len(result.history) == 1
    assert result.page.is_file()


def test_an_order_of_yesterday_is_what_the_model_says_of_one(workspace, firm_day):
    """The counterfactual against the same order really booked."""
    customer = risky(workspace, firm_day)
    found = {a["change"]: a for a in said(workspace, customer, firm_day)["counterfactuals"]}
    answer = found["order_yesterday"]
    orders = pd.read_parquet(workspace / "data/order_lines.parquet")
    seen = orders[(orders.customer_id == customer) & (orders.ordered_at < firm_day)]
    again = seen[seen.ordered_at == seen.ordered_at.max()].assign(
        order_id="again", ordered_at=(pd.Timestamp(firm_day) - pd.Timedelta(hours=12)).to_datetime64()
    )
    change(workspace, "order_lines", lambda f: pd.concat([f, again.astype(f.dtypes)]))
    table = score(workspace, as_of=firm_day, dry_run=True).table.set_index("customer_id")
    assert answer["p_churn"] == pytest.approx(table.p_churn[customer], abs=1e-12)
    per_cent = f"{int(answer['p_churn'] * 100 + 0.5)}"
    assert "Wäre gestern eine Bestellung wie die letzte eingegangen" in answer["text_de"]
    assert per_cent in answer["text_en"] or answer["p_churn"] < 0.005


def test_paid_invoices_and_solved_complaints_are_asked_about(workspace, firm_day):
    customer, start = risky(workspace, firm_day), pd.Timestamp(firm_day)

    def unpaid(frame):
        bills = pd.read_parquet(workspace / "data/invoices.parquet")
        own = bills[(bills.customer_id == customer) & (bills.due_at < start - pd.Timedelta(days=30))]
        return frame[~frame.invoice_id.isin(own.invoice_id.tail(4))]

    change(workspace, "payments", unpaid)
    complaints = pd.DataFrame(
        {
            "interaction_id": ["C1", "C2"],
            "customer_id": customer,
            "occurred_at": pd.to_datetime([start - pd.Timedelta(days=9), start - pd.Timedelta(days=2)]).as_unit("us"),
            "channel": "phone",
            "direction": "inbound",
            "topic": "complaint",
            "resolved_at": pd.to_datetime([None, None]).as_unit("us"),
        }
    )
    change(workspace, "interactions", lambda f: pd.concat([f, complaints]))
    from crm_ml.jobs import counterfactuals as module

    result = explain(workspace, "churn", customer, as_of=firm_day, dry_run=True)
    overdue = result.record.invoices[(result.record.invoices.open_amount > 0) & result.record.invoices.due_on.notna()]
    assert len(overdue) == 4
    tables = read_inputs(as_workspace(workspace), only=CHURN_TABLES)
    from crm_ml.features import visible
    from crm_ml.models.explain.customer import only_customer

    own = only_customer(tables, customer)
    seen = visible(own, cutoff_us(result.as_of, own.zone))
    spine = make_spine(own, [result.as_of], active_days=365)
    frame = build_features(own, spine)
    assert frame.invoices_overdue_count.iloc[0] == 4
    assert frame.complaints_open_count.iloc[0] == 2
    asked = module.Question(tables, seen, result.record, frame, None, cutoff_us(result.as_of, own.zone), 365)
    changed = {what: build_features(make(), spine) for what, _, make in module._events(asked)}
    assert changed["invoices_paid"].invoices_overdue_count.iloc[0] == 0
    assert changed["invoices_paid"].invoices_open_amount.iloc[0] < frame.invoices_open_amount.iloc[0]
    assert changed["complaints_resolved"].complaints_open_count.iloc[0] == 0
    assert changed["order_yesterday"].days_since_last_order.iloc[0] == 1
    untouched = [name for name in frame if name.startswith(("order", "days_since_last_order"))]
    pd.testing.assert_frame_equal(changed["invoices_paid"][untouched], frame[untouched])


def test_unknown_and_almost_known_customers(workspace, firm_day):
    with pytest.raises(
        Failure, match=r'There is no customer "17" as of .* Did you mean "00017"\? Use the id'
    ) as caught:
        explain(workspace, "churn", "17", as_of=firm_day)
    assert caught.value.code == "unknown_subject"
    with pytest.raises(Failure, match=r"There is no customer .*leading zeros count"):
        explain(workspace, "churn", "\x1b[31mnobody\n" * 50, as_of=firm_day)
    # 00040 objects to profiling: it is not proposed to anybody
    with pytest.raises(Failure, match=r'There is no customer "40"') as caught:
        explain(workspace, "churn", "40", as_of=firm_day)
    assert '"00040"' not in str(caught.value)
    with pytest.raises(UsageError, match="explain needs the id of a customer"):
        explain(workspace, as_of=firm_day)
    with pytest.raises(UsageError, match="language must be de or en"):
        explain(workspace, "churn", "00017", as_of=firm_day, language="fr")


def test_who_objects_is_not_explained(workspace, firm_day):
    with pytest.raises(Failure, match=r"^This customer has objected to profiling\. There is no score") as caught:
        explain(workspace, "churn", "00040", as_of=firm_day)
    assert caught.value.code == "objection"
    assert "00040" not in str(caught.value)
    assert not (workspace / "explained").exists()


def test_who_is_not_scored_is_told_why(workspace, firm_day):
    orders = pd.read_parquet(workspace / "data/order_lines.parquet")
    before = orders[orders.ordered_at < firm_day].groupby("customer_id").ordered_at.max()
    long_ago = before[before < pd.Timestamp(firm_day) - pd.Timedelta(days=370)]
    customer, last = next((id, at) for id, at in long_ago.items() if int(id) % 40)
    days = (dt.date.fromisoformat(firm_day) - last.date()).days
    with pytest.raises(Failure, match=rf"last purchase was on {last.date()}, {days} days before.*within 365") as caught:
        explain(workspace, "churn", customer, as_of=firm_day)
    assert caught.value.code == "not_eligible"
    people = {"customer_id": "new", "name": "New", "account_manager_id": "AM1", "profiling_objection": False}
    change(workspace, "customers", lambda f: pd.concat([f, pd.DataFrame([people])]).assign(status="active"))
    with pytest.raises(Failure, match="it has not bought anything before"):
        explain(workspace, "churn", "new", as_of=firm_day)
    buying = score(workspace, as_of=firm_day, dry_run=True).table.customer_id.iloc[0]

    def blocked(frame):
        return frame.assign(status=np.where(frame.customer_id == buying, "blocked", "active"))

    change(workspace, "customers", blocked)
    with pytest.raises(Failure, match=r"is not scored as of 2025-03-03: it is blocked"):
        explain(workspace, "churn", buying, as_of=firm_day)


def test_without_a_model(untrained, firm_day):
    orders = pd.read_parquet(untrained / "data/order_lines.parquet")
    known = orders[(orders.ordered_at < firm_day) & (orders.customer_id.astype(int) % 40 != 0)]
    customer = known.sort_values("ordered_at").customer_id.iloc[-1]
    with pytest.raises(Failure, match="There is no churn model") as caught:
        explain(untrained, "churn", customer, as_of=firm_day)
    assert caught.value.code == "no_model"


def test_a_model_from_the_future_explains_nothing(workspace):
    with pytest.raises(HeldBack, match="it knows what happened after"):
        explain(workspace, "churn", risky(workspace, "2025-03-03"), as_of="2025-03-02")


def test_what_was_published_is_in_the_history(workspace, firm_day):
    days = [firm_day, "2025-03-10", "2025-04-07"]
    tables = {day: score(workspace, as_of=day).table.set_index("customer_id") for day in days}
    customer = next(id for id in tables[firm_day].index if all(id in table.index for table in tables.values()))
    found = said(workspace, customer, "2025-04-07")
    published = {row["as_of"]: row["p_churn"] for row in found["history"] if row["published"]}
    assert published == {day: table.p_churn[customer] for day, table in tables.items()}
    own = [row["as_of"] for row in found["history"] if not row["published"]]
    assert own[-2:] == ["2025-04-01", "2025-04-07"]
    assert all(day.endswith("-01") for day in own[:-1])
    assert len(own) == 14
    # of a day in the past, later sets are not shown
    assert [row["as_of"] for row in said(workspace, customer, firm_day)["history"] if row["published"]] == [firm_day]
    assert "published_otherwise" not in found["notes"]
    (workspace / "published/2025-04-07/scores/churn_scores.parquet").write_bytes(b"damaged")
    assert "2025-04-07" not in [
        r["as_of"] for r in said(workspace, customer, "2025-04-07")["history"] if r["published"]
    ]


def test_a_set_that_says_otherwise_is_noted(workspace, firm_day):
    customer = risky(workspace, firm_day)
    score(workspace, as_of=firm_day)
    at = (pd.Timestamp(firm_day) - pd.Timedelta(days=5)).to_datetime64()
    change(
        workspace,
        "order_lines",
        lambda f: pd.concat(
            [f, f.tail(1).assign(order_id="late", customer_id=customer, ordered_at=at).astype(f.dtypes)]
        ),
    )
    result = explain(workspace, "churn", customer, as_of=firm_day, language="en")
    assert "published_otherwise" in result.notes
    assert "Another score was published for this day" in result.page.read_text()


class Parsed(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)


HOSTILE = (
    '"><script>alert(1)</script><img src=x onerror=alert(2)>\n{{ 7*7 }} =HYPERLINK("x") \u202eevil $x$ 😀 '
    + "x" * 100_000
)


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_page_is_safe_and_complete(workspace, firm_day, language):
    customer = risky(workspace, firm_day)
    hostile = "../'\"><b>&ü"
    change(
        workspace,
        "customers",
        lambda f: f.assign(
            name=np.where(f.customer_id == customer, HOSTILE, f.name),
            customer_id=f.customer_id.replace(customer, hostile),
        ),
    )
    for table in ("order_lines", "invoices", "interactions"):
        change(workspace, table, lambda f: f.assign(customer_id=f.customer_id.replace(customer, hostile)))
    change(workspace, "order_lines", lambda f: f.assign(order_id=f.order_id + "<script>"))
    result = explain(workspace, "churn", hostile, as_of=firm_day, language=language)
    assert result.page.parent.parent == workspace / "explained"
    assert sorted(path.name for path in result.page.parent.iterdir()) == [
        *("explanation.html", "history.png", "timeline.png", "waterfall.png"),
    ]
    text = result.page.read_text()
    page = Parsed(text)
    assert not {"script", "iframe", "object", "form", "link", "b"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    sources = [value for name, value in page.attributes if name in ("src", "href")]
    assert len(sources) == 3
    assert all(value.startswith("data:image/png;base64,") for value in sources)
    alts = [value for name, value in page.attributes if name == "alt"]
    assert len(alts) == 3
    assert all(len(alt) > 20 for alt in alts)
    words = " ".join("".join(page.words).split())
    assert "{{ 7*7 }}" in words
    assert "49 " not in words.split("HYPERLINK")[0]
    assert hostile in words
    assert "<script>" in words
    assert ("… (gekürzt)" if language == "de" else "… (shortened)") in words
    assert "\u202e" not in text
    assert len(text) < 2_000_000
    assert dict(page.attributes)["lang"] == language
    for reason in result.reasons:
        assert " ".join(reason[f"text_{language}"].split()) in words
    assert "log-odds" not in words
    assert f"{result.margin:.2f}" not in words


def test_the_same_page_each_time(workspace, firm_day, tmp_path):
    customer = risky(workspace, firm_day)
    first = explain(workspace, "churn", customer, as_of=firm_day, out=tmp_path / "a")
    second = explain(workspace, "churn", customer, as_of=dt.date.fromisoformat(firm_day), out=str(tmp_path / "b/c"))
    assert {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "b/c").iterdir()
    }
    assert set(first.pictures) == {"waterfall", "timeline", "history"}
    assert first.as_dict()["page"] == str(tmp_path / "a/explanation.html")
    assert second.page.read_bytes().count(b"<img") == 3
    with pytest.raises(UsageError, match="is a file"):
        explain(workspace, "churn", customer, as_of=firm_day, out=tmp_path / "a/explanation.html")


def test_dry_runs_write_nothing(workspace, firm_day):
    before = sorted(workspace.rglob("*"))
    result = explain(workspace, "churn", risky(workspace, firm_day), as_of=firm_day, dry_run=True)
    assert (result.page, result.pictures) == (None, {})
    assert sorted(path for path in workspace.rglob("*") if "bundles" not in path.parts) == [
        path for path in before if "bundles" not in path.parts
    ]
    assert result.plot().axes
    assert list(result.table.columns[:4]) == ["group", "feature", "value", "contribution"]
    assert result.base + result.groups()["contribution"].sum() == pytest.approx(result.margin, abs=1e-9)


def test_a_link_out_of_the_workspace_is_refused(workspace, firm_day, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (workspace / "explained").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Failure, match="leads out of the workspace"):
        explain(workspace, "churn", risky(workspace, firm_day), as_of=firm_day)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("language", ["de", "en"])
def test_in_the_terminal(workspace, firm_day, capsys, language):
    from crm_ml.cli.show_explain import explain_result

    result = explain(workspace, "churn", risky(workspace, firm_day), as_of=firm_day, dry_run=True)
    explain_result(result, language)
    shown = capsys.readouterr().out
    for reason in result.reasons:
        assert reason[f"text_{language}"].replace("\xa0", " ")[:150] in shown
    assert ("Probelauf" if language == "de" else "Dry run") in shown
    assert "�" not in shown
    assert not [part["feature"] for part in result.contributions if part["feature"] in shown]


def test_the_same_rows_are_shown_once(workspace, firm_day):
    """Reasons that rest on the same orders show them once and point to them afterwards."""
    from crm_ml.jobs.explain_page import page_html

    result = explain(workspace, "churn", risky(workspace, firm_day), as_of=firm_day, dry_run=True, language="en")
    orders = [reason for reason in result.reasons if reason["rows_kind"] == "orders"][:1] * 3
    several = dataclasses.replace(result, reasons=(*orders, {**orders[0], "rows": orders[0]["rows"][:1]}))
    text = page_html(several, dict.fromkeys(("waterfall", "timeline", "history"), b""))
    assert text.count("<table>") == 1
    assert text.count("See above: Orders.") == 3


def test_every_word_exists_in_both_languages():
    from crm_ml.jobs import explain_texts, score_table
    from crm_ml.models.explain.evidence import COLUMNS
    from crm_ml.tables import SCHEMAS

    columns = {name for names in COLUMNS.values() for name in names}
    assert columns <= set(explain_texts.HEADINGS)
    assert set(COLUMNS) == set(explain_texts.ROWS)
    contacts = SCHEMAS["interactions"]
    words = {word for name in ("channel", "direction", "topic") for word in contacts.column(name).values}
    assert words <= set(explain_texts.WORDS)
    for table in ("TEXTS", "TIERS", "KINDS", "TABLES", "ROWS", "HEADINGS", "WORDS"):
        assert all(len(pair) == 2 and all(pair) for pair in getattr(explain_texts, table).values())

    class Shown:
        horizon_days = 90

    notes = [value for name, value in vars(score_table).items() if name.startswith("NOTE_")]
    for note in (*notes, "published_otherwise"):
        german, english = (explain_texts.note_text(Shown(), note, language) for language in ("de", "en"))
        assert len({note, german, english}) == 3
