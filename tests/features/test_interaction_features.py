"""Interaction frequency and surveys with values worked out by hand."""

import pytest

AS_OF = "2026-03-01"


@pytest.fixture
def contacts():
    def make(*rows, **columns):
        names = ("interaction_id", "occurred_at", "channel", "direction")
        plain = dict(zip(names, (list(values) for values in zip(*rows, strict=True)), strict=True))
        return {**plain, "customer_id": ["7"] * len(rows), **columns}

    return make


def test_counts_per_channel_and_direction(tables, at, contacts):
    made = tables(
        interactions=contacts(
            ("1", "2026-02-20", "phone", "inbound"),
            ("2", "2026-01-05", "phone", "outbound"),
            ("3", "2025-06-01", "email", "inbound"),
            ("4", "2024-06-01", "email", None),
        )
    )
    found = at(made, AS_OF)
    assert (found["interactions_count_30d"], found["interactions_count_90d"], found["interactions_count_365d"]) == (
        1,
        2,
        3,
    )
    assert (found["interactions_phone_count_90d"], found["interactions_email_count_90d"]) == (2, 0)
    assert found["interactions_email_count_365d"] == 1
    assert (found["interactions_inbound_count_365d"], found["interactions_outbound_count_365d"]) == (2, 1)
    assert (found["days_since_last_contact"], found["days_since_last_inbound_contact"]) == (9, 9)


def test_silence_against_the_own_habit(tables, at, contacts):
    # contact days: 1, 11 and 31 January: usual gap 15 days; silent for 29 days
    made = tables(
        interactions=contacts(
            ("1", "2026-01-01", "phone", "inbound"), ("2", "2026-01-11", "email", "outbound"),
            ("3", "2026-01-31 08:00", "web", "inbound"), ("4", "2026-01-31 09:00", "web", "inbound"),
        )
    )  # fmt: skip
    found = at(made, AS_OF)
    assert found["contact_gap_days_mean"] == 15
    assert found["days_since_last_contact_over_own_gap"] == pytest.approx(29 / 15)


def test_an_answer_is_known_once_it_was_given(tables, at, contacts):
    made = tables(
        interactions=contacts(
            ("1", "2026-02-01 10:00", "email", "inbound"),
            ("2", "2026-02-10 10:00", "email", "inbound"),
            responded_at=["2026-02-01 12:00", "2026-02-20 10:00"],
        )
    )
    before, after = at(made, "2026-02-15"), at(made, AS_OF)
    assert (before["response_hours_mean_365d"], before["interactions_unanswered_count_90d"]) == (2.0, 1)
    assert (after["response_hours_mean_365d"], after["interactions_unanswered_count_90d"]) == ((2 + 240) / 2, 0)


def test_complaints_are_open_until_resolved(tables, at, contacts):
    made = tables(
        interactions=contacts(
            ("1", "2026-02-01", "phone", "inbound"),
            ("2", "2026-02-05", "phone", "inbound"),
            ("3", "2026-02-06", "phone", "inbound"),
            topic=["complaint", "complaint", "general"],
            resolved_at=["2026-02-20", None, None],
        )
    )
    before, at_that_instant, after = at(made, "2026-02-10"), at(made, "2026-02-20"), at(made, "2026-02-21")
    assert (before["complaints_open_count"], before["complaints_oldest_open_days"]) == (2, 9)
    assert at_that_instant["complaints_open_count"] == 2
    assert (after["complaints_open_count"], after["complaints_oldest_open_days"]) == (1, 16)
    assert after["complaints_count_30d"] == 2
    assert after["days_since_last_complaint"] == 16


def test_columns_that_are_not_mapped_leave_their_features_null(tables, at):
    plain = {"interaction_id": ["1"], "customer_id": ["7"], "occurred_at": ["2026-02-01"], "channel": ["phone"]}
    found = at(tables(interactions=plain), AS_OF)
    assert found["interactions_phone_count_90d"] == 1
    for name in ("interactions_inbound_count_90d", "complaints_count_90d", "response_hours_mean_365d"):
        assert found[name] is None


def test_surveys_last_and_change(tables, at):
    surveys = {
        "survey_id": ["1", "2", "3", "4"],
        "customer_id": ["7"] * 4,
        "answered_at": ["2025-05-01", "2025-11-01", "2026-02-01", "2026-02-02"],
        "kind": ["nps", "nps", "nps", "csat"],
        "score": [9, 8, 4, 3.5],
    }
    found = at(tables(surveys=surveys), AS_OF)
    assert (found["survey_nps_last"], found["survey_nps_mean"], found["survey_nps_change"]) == (4, 7, -3)
    assert (found["survey_csat_last"], found["survey_csat_change"]) == (3.5, 0)
    assert found["days_since_last_survey"] == 27
    assert at(tables(surveys=surveys), "2026-02-01")["survey_nps_last"] == 8
