"""Speed of answers: a slow loop over clones, leads without any effect, and the truth of the made-up firm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crm_ml.errors import DataError, UsageError
from crm_ml.features.journeys import lead_journeys
from crm_ml.features.timeline import cutoff_us
from crm_ml.models.evaluation.incidence import incidence
from crm_ml.models.speed import NEVER, WAITS, fit_speed
from crm_ml.models.speed_shown import plot_speed, speed_sentence
from crm_ml.tables import from_frames
from crm_ml.tables.synth import Firm, make_firm
from crm_ml.tables.synth.courtship import WON, court_all

HORIZON = 60.0


def leads_of(
    seed: int, size: int = 2000, *, effect: float = 0.0, confounded: float = 0.0, slow: float = 1.0
) -> pd.DataFrame:
    """Leads that are won at .004 a day, times exp(effect) once answered within 10 hours, and lost at .05 a day.

    `confounded`: leads of source a are won that much more often (log) and answered sooner.
    """
    rng = np.random.default_rng(seed)
    a = rng.random(size) < 0.4
    pace = np.where(a, np.exp(-confounded), np.exp(confounded)) * slow
    answer = np.where(rng.random(size) < 0.9, pace * np.exp(rng.normal(2.3, 1.6, size)), NEVER)
    rate = 0.004 * np.exp(np.where(a, confounded, -confounded)) * np.exp(effect * (answer < 10))
    # an answer within ten hours counts from the creation on: nearly so, and the truth is simple
    won, lost = rng.exponential(1 / rate), rng.exponential(20, size)
    last = rng.uniform(5, 400, size)
    end = np.minimum(np.minimum(won, lost), last)
    return pd.DataFrame(
        {
            "lead_id": [f"{k:05d}" for k in range(size)],
            "followed_days": last,
            "won_days": np.where(end == won, won, np.nan),
            "lost_days": np.where(end == lost, lost, np.nan),
            "response_hours": np.where(answer < 24 * end, answer, np.nan),
            "source": np.where(a, "a", "b"),
            "size_class": None,
            "seniority": "staff",
        }
    )


def slowly(frame: pd.DataFrame, low: float, high: float) -> float:
    """The chance under "answer after more than low and at most high hours", by asking each lead at each instant."""
    rows = []
    for lead in frame.itertuples():
        end = lead.won_days if lead.won_days == lead.won_days else lead.lost_days
        end = 24 * (end if end == end else lead.followed_days)
        kind = 1 if lead.won_days == lead.won_days else 2 if lead.lost_days == lead.lost_days else 0
        rows.append((end, kind, lead.response_hours if lead.response_hours == lead.response_hours else NEVER))

    def keeps(answer: float, at: float) -> bool:
        if answer < at:  # answered by now
            return low < answer <= high
        return at <= high

    still, chance = 1.0, 0.0
    for at in sorted({end for end, kind, _ in rows if kind and end < 24 * HORIZON}):
        there = [row for row in rows if row[0] >= at and keeps(row[2], at)]
        if there:
            first, second = (sum(row[0] == at and row[1] == kind for row in there) for kind in (1, 2))
            chance += still * first / len(there)
            still *= 1 - (first + second) / len(there)
    return chance


def test_a_loop_over_every_lead_and_instant_finds_the_same():
    frame = leads_of(3, 500, effect=1.0)
    found = fit_speed(frame, horizon_days=HORIZON, adjust=(), replicates=10).table
    for row in found.itertuples():
        low = -1.0 if row.Index == 0 else row.from_hours
        expected = slowly(frame, low, row.to_hours)
        if row.leads >= 50 and np.isfinite(row.chance):
            assert row.chance == pytest.approx(expected, abs=1e-12)
    assert found["chance"].notna().sum() >= 4


def test_late_answers_are_not_credited_with_the_time_survived():
    """Nothing hangs on the answer; of those answered late more are won, as they had to be there to be answered."""
    frames = [leads_of(seed, 4000, slow=8.0) for seed in range(4)]
    naive = []
    for frame in frames:
        late, soon = frame["response_hours"] > 240, frame["response_hours"] < 24
        naive.append(frame.loc[late, "won_days"].notna().mean() - frame.loc[soon, "won_days"].notna().mean())
    assert np.mean(naive) > 0.01
    found = [fit_speed(frame, horizon_days=HORIZON, replicates=50) for frame in frames]
    usual = np.mean([one.usual.value for one in found])
    for wait in (24.0, 72.0, 168.0):
        chances = [one.table.set_index("hours").loc[wait, "chance"] for one in found]
        assert np.mean(chances) == pytest.approx(usual, abs=0.015)


def test_no_effect_is_claimed_where_there_is_none():
    found = [fit_speed(leads_of(seed), horizon_days=HORIZON, replicates=100) for seed in range(24)]
    assert sum(one.claimed for one in found) <= 3, "2.5 % are expected"
    assert sum(one.effect.low <= 0 <= one.effect.high for one in found) >= 20
    assert abs(np.mean([one.effect.value for one in found])) < 0.01


def test_what_was_known_at_the_creation_is_adjusted_for():
    frames = [leads_of(seed, 4000, confounded=0.7) for seed in range(6)]
    raw = [fit_speed(frame, horizon_days=HORIZON, adjust=(), replicates=20).effect.value for frame in frames]
    fair = [fit_speed(frame, horizon_days=HORIZON, replicates=20).effect.value for frame in frames]
    assert np.mean(raw) > 0.03
    assert abs(np.mean(fair)) < 0.012


def test_an_effect_is_found_with_its_size():
    found = fit_speed(leads_of(5, 8000, effect=1.0), horizon_days=HORIZON, replicates=100)
    won, lost = 0.004 * np.e, 0.05
    quick, late = (w / (w + lost) * (1 - np.exp(-(w + lost) * HORIZON)) for w in (won, 0.004))
    assert found.claimed
    assert found.table.loc[0, "low"] <= quick <= found.table.loc[0, "high"]
    assert found.effect.low <= quick - late <= found.effect.high
    assert found.table["less"].iloc[0] == 0.0


def test_the_order_of_rows_changes_nothing():
    frame = leads_of(1, 1500)
    one = fit_speed(frame, horizon_days=HORIZON, replicates=20)
    other = fit_speed(frame.sample(frac=1, random_state=1), horizon_days=HORIZON, replicates=20)
    pd.testing.assert_frame_equal(one.table, other.table)
    assert one.as_dict() == other.as_dict()
    assert (one.draws == other.draws)[np.isfinite(one.draws)].all()


def test_a_wait_with_few_leads_is_not_spoken_of():
    found = fit_speed(leads_of(2, 400), horizon_days=HORIZON, replicates=20).table
    assert found.loc[found["leads"] < 50, "chance"].isna().all()
    assert found.loc[found["leads"] < 50].shape[0] >= 1
    assert found["wait"].tolist() == ["1 h", "4 h", "1 day", "3 days", "7 days", "never"]


def test_too_few_answers_columns_and_waits_are_refused():
    with pytest.raises(DataError, match="at least two waits of up to 72 hours need 50 answered leads"):
        fit_speed(leads_of(2, 60), horizon_days=HORIZON)
    with pytest.raises(DataError, match="sql_days is missing"):
        fit_speed(leads_of(2, 60), horizon_days=HORIZON, target="sql")
    with pytest.raises(UsageError, match="rising numbers of hours"):
        fit_speed(leads_of(2, 60), horizon_days=HORIZON, waits=(4.0, 1.0))


def test_the_loss_of_a_day_is_in_proportion_to_the_lead():
    found = fit_speed(leads_of(5, 8000, effect=1.0), horizon_days=HORIZON, replicates=100)
    chance = found.table.set_index("hours")["chance"]
    # chance and value of one lead, over the 23 hours from one to 24
    expected = 0.2 * 10_000 * (chance[1.0] - chance[24.0]) / found.usual.value * 24 / 23
    loss = found.loss_per_day(0.2, 10_000)
    assert loss.value == pytest.approx(expected)
    assert 0 < loss.low < loss.value < loss.high
    assert found.loss_per_day(0.0, 10_000).value == 0.0
    for wrong in ({"p": 1.2}, {"first": 2.0}, {"first": 24.0, "then": 4.0}, {"then": NEVER}):
        with pytest.raises(UsageError, match="A loss needs p between 0 and 1"):
            found.loss_per_day(**{"p": 0.2, "value": 1.0, **wrong})


def test_the_sentence_says_what_was_found_and_what_it_is_not():
    sure = fit_speed(leads_of(5, 8000, effect=1.0), horizon_days=HORIZON, replicates=100)
    unsure = fit_speed(leads_of(0), horizon_days=HORIZON, replicates=100)
    german, english = speed_sentence(sure, "de"), speed_sentence(sure, "en")
    assert german.startswith("Von den Leads, die nach etwa 1 Stunde beantwortet werden, werden ")
    assert "binnen 60 Tagen gewonnen; nach etwa 3 Tagen sind es " in german
    assert "kein Beweis" in german
    assert f"{100 * sure.table.loc[0, 'chance']:.1f}".replace(".", ",") + " %" in german
    assert "This is a correlation, adjusted for source, company size and seniority, and no proof" in english
    assert "cannot be told from chance" in speed_sentence(unsure, "en")
    assert "nicht vom Zufall zu unterscheiden" in speed_sentence(unsure, "de")


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_picture_is_drawn_on_the_axes_given(language):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    found = fit_speed(leads_of(0), horizon_days=HORIZON, replicates=20)
    assert plot_speed(found, ax, language=language) is ax
    ticks = [text.get_text() for text in ax.get_xticklabels()]
    assert ticks[:3] == ["1 h", "4 h", "1 d"]
    assert ax.get_ylim()[0] == 0


# the made-up firm, whose truth is known


@pytest.fixture(scope="module")
def firm() -> Firm:
    return make_firm(customers=2000, seed=5)


@pytest.fixture(scope="module")
def ways(firm: Firm) -> pd.DataFrame:
    tables = from_frames({name: firm.frames[name] for name in ("leads", "lead_events", "lead_stages")})
    return lead_journeys(tables, cutoff_us(firm.until, tables.zone))


def truly(firm: Firm, hours: np.ndarray, horizon: int) -> float:
    """The share won within the horizon if all leads had been answered after these hours."""
    leads, world = firm._courtship.enquirers, firm._world
    answered = replace(leads, reply_hours=hours, reply_day=leads.day + 1 + (hours // 24).astype(int))
    life = court_all(world, answered)
    won = life.change_to == WON
    age = np.full(len(leads), 10**6)
    age[life.change_who[won]] = life.change_day[won] - leads.day[life.change_who[won]]
    return float((age[leads.day < world.end - horizon] < horizon).mean())


def test_the_truth_of_the_firm_is_found(firm: Firm, ways: pd.DataFrame):
    found = fit_speed(ways, horizon_days=90)
    rng, answers = np.random.default_rng(0), ways["response_hours"].to_numpy()
    size = len(firm._courtship.enquirers)
    for row in found.table.iloc[: len(WAITS)].itertuples():
        own = answers[(answers > row.from_hours) & (answers <= row.to_hours)]
        truth = truly(firm, rng.choice(own, size), 90)
        assert row.chance == pytest.approx(truth, abs=0.03)
        assert row.low - 0.01 <= truth <= row.high + 0.01
    # who is never answered is never won in this firm
    assert found.table.iloc[-1]["chance"] == 0.0
    assert found.claimed
    assert found.effect.value == pytest.approx(0.11, abs=0.04)


def test_shuffled_answers_of_the_firm_claim_nothing(ways: pd.DataFrame):
    effects = []
    for seed in range(8):
        shuffled = ways["response_hours"].sample(frac=1, random_state=seed).to_numpy()
        found = fit_speed(ways.assign(response_hours=shuffled), horizon_days=90, replicates=100)
        effects.append(found.effect)
        assert found.effect.high - found.effect.low < 0.12
    assert sum(one.low > 0 for one in effects) <= 1
    assert abs(np.mean([one.value for one in effects])) < 0.012


def test_the_chance_as_it_was_is_that_of_the_funnel(ways: pd.DataFrame):
    found = fit_speed(ways, horizon_days=90, replicates=20)
    end = ways["won_days"].fillna(ways["lost_days"]).fillna(ways["followed_days"]).to_numpy()
    event = np.where(ways["won_days"].notna(), 1, np.where(ways["lost_days"].notna(), 2, 0))
    whole = incidence(end, event, horizon=90).at_horizon()[0]
    assert found.usual.value == pytest.approx(whole, abs=1e-12), "the same estimate"
