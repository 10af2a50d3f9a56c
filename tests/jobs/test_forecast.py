"""The forecast of a workspace: result, picture, backtest, command and what is refused."""

from __future__ import annotations

import datetime as dt
import json

import pandas as pd
import pytest

import crm_ml as crm
from crm_ml.cli.run import main
from crm_ml.errors import DataError, HeldBack, UsageError
from crm_ml.tables.synth import make_firm

pytestmark = pytest.mark.filterwarnings("ignore")
DAY = "2026-03-10"
HEAD = "version: 1\ncurrency: EUR\ntimezone: Europe/Berlin\nlanguage: de\ntables:\n"


def write(folder, frames):
    folder.mkdir()
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet")
    tables = "".join(f"  {name}: {{source: {name}.parquet}}\n" for name in frames)
    (folder / "crm.yaml").write_text(HEAD + tables, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def firm():
    made = make_firm(customers=300, seed=4, years=3).frames
    return {name: made[name] for name in ("deals", "deal_stages")}


@pytest.fixture(scope="module")
def ws(firm, tmp_path_factory):
    return write(tmp_path_factory.mktemp("forecast") / "ws", firm)


@pytest.fixture(scope="module")
def result(ws):
    return crm.forecast(ws, as_of=DAY)


def run(capsys, *args):
    with pytest.raises(SystemExit, check=lambda _ended: True) as ended:
        main(args)
    shown = capsys.readouterr()
    return ended.value.code, shown.out, shown.err


def test_months_owners_and_deals(result, firm):
    assert result.months["month"].map(str).tolist() == ["2026-03-01", "2026-04-01", "2026-05-01"]
    assert set(result.table["owner_id"].dropna()) <= set(firm["deals"]["owner_id"])
    deals = firm["deals"]
    there = (deals["created_at"] < DAY) & ~(deals["closed_at"] < DAY)
    assert result.deals["deal_id"].tolist() == sorted(deals.loc[there, "deal_id"])
    by = result.deals.filter(like="p_win_by_")
    assert list(by) == ["p_win_by_2026-03-31", "p_win_by_2026-04-30", "p_win_by_2026-05-31"]
    assert (by.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert (by.iloc[:, -1] <= result.deals["p_win"]).all()
    assert all(isinstance(day, dt.date) for day in result.deals["expected_close"])


def test_as_json_and_as_a_picture(result):
    plain = json.loads(json.dumps(result.as_dict()))
    assert list(plain) == ["as_of", "currency", "months", "owners", "deals", "findings"]
    assert list(plain["deals"][0]["p_win_by"]) == ["2026-03-31", "2026-04-30", "2026-05-31"]
    assert result.plot().get_ylabel() == "Umsatz, EUR"


def test_twice_is_the_same(ws, result):
    assert crm.forecast(ws, as_of=DAY).as_dict() == result.as_dict()


def test_a_backtest_judges_months_that_are_over(ws):
    found = crm.forecast_backtest(ws, as_of=DAY, starts=3, months=2)
    # March is not over: it is not judged
    assert [(str(row.start), str(row.month), row.ahead) for row in found.table.itertuples()] == [
        ("2025-12-01", "2025-12-01", 1),
        ("2025-12-01", "2026-01-01", 2),
        ("2026-01-01", "2026-01-01", 1),
        ("2026-01-01", "2026-02-01", 2),
        ("2026-02-01", "2026-02-01", 1),
    ]
    assert found.coverage["months"].tolist() == [3, 2]
    assert set(found.errors["against"]) == {"mean_of_year", "same_month_last_year", "pipeline"}
    json.dumps(found.as_dict())


def test_the_past_is_forecast_as_it_was(ws):
    row = crm.forecast_backtest(ws, as_of=DAY, starts=1).table.iloc[0]
    then = crm.forecast(ws, as_of="2026-02-01", months=1).months.iloc[0]
    assert (row["expected"], row["low_90"]) == (then["expected"], then["low_90"])


def test_amounts_without_history_are_told(firm, tmp_path):
    found = crm.forecast(write(tmp_path / "ws", {"deals": firm["deals"]}), as_of=DAY)
    assert [finding.code for finding in found.findings] == ["amounts_as_last_known"]


def test_a_small_firm_is_held_back(firm, tmp_path):
    few = firm["deals"].iloc[:9]
    folder = write(tmp_path / "ws", {"deals": few})
    closed = int((few["closed_at"] < DAY).sum())
    with pytest.raises(HeldBack, match=f"more history: {closed} deals that are won or lost .*at least 20"):
        crm.forecast(folder, as_of=DAY)
    with pytest.raises(HeldBack, match=r"A backtest of the forecast .* needs more history"):
        crm.forecast_backtest(folder, as_of=DAY, starts=2)


def test_bad_arguments(ws):
    with pytest.raises(UsageError, match="months must lie between 1 and 24; found 0"):
        crm.forecast(ws, as_of=DAY, months=0)
    with pytest.raises(UsageError, match="must be 1 to 60; found 0"):
        crm.forecast_backtest(ws, as_of=DAY, starts=0)
    with pytest.raises(DataError, match="deals: nothing is visible as of 2020-01-01"):
        crm.forecast(ws, as_of="2020-01-01")


def test_deals_must_be_mapped(tmp_path):
    leads = pd.DataFrame({"lead_id": ["1"], "created_at": ["2026-01-01"]})
    with pytest.raises(DataError, match="The table deals is needed for a forecast and is not mapped"):
        crm.forecast(write(tmp_path / "ws", {"leads": leads}), as_of=DAY)


@pytest.mark.parametrize(("language", "words"), [("de", "Umsatz aus Chancen zum"), ("en", "Revenue from deals as of")])
def test_the_command_speaks_both_languages(ws, capsys, language, words):
    code, out, _ = run(capsys, "forecast", "--as-of", DAY, "-w", str(ws), "--months", "1", "--lang", language)
    assert (code, words in out, "2026-03" in out) == (0, True, True)


def test_the_command_judges_the_past(ws, capsys):
    code, out, _ = run(capsys, "forecast", "--as-of", DAY, "-w", str(ws), "--backtest", "2", "--json")
    assert (code, json.loads(out)["coverage"][0]["months"]) == (0, 2)
    code, out, _ = run(capsys, "forecast", "--as-of", DAY, "-w", str(ws), "--backtest", "2")
    assert (code, "Vorjahresmonat" in out) == (0, True)


def test_the_command_ends_with_its_codes(ws, capsys):
    assert run(capsys, "forecast", "--as-of", "2020-01-01", "-w", str(ws))[0] == 3
    code, out, _ = run(capsys, "forecast", "--as-of", "2023-09-01", "-w", str(ws), "--json")
    assert (code, json.loads(out)["error"]["code"]) == (4, "too_few_deals")
    assert run(capsys, "forecast", "--months", "0", "-w", str(ws))[0] == 2
