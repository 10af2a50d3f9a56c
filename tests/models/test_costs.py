"""Seconds per stage and the peak of memory: stages sum to the whole, and what is not known is not made up."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_ml import costs
from crm_ml.costs import Cost, Meter, Stages, peak_memory_mb
from crm_ml.models import TrainingPlan, train_model
from crm_ml.models.candidates import DECLARED, Extras


class Clock:
    """A clock that is moved by hand."""

    def __init__(self):
        self.at = 100.0

    def __call__(self):
        return self.at


def test_a_stage_inside_another_stops_the_others_clock():
    clock = Clock()
    stages = Stages(clock)
    with stages.stage("outer"):
        clock.at += 1
        with stages.stage("inner"):
            clock.at += 10
        clock.at += 100
        stages.now("next")
        clock.at += 1000
    clock.at += 10_000
    with stages.stage("inner"):
        clock.at += 5
    assert stages.seconds == {"outer": 101.0, "inner": 15.0, "next": 1000.0}


def test_an_open_stage_is_told_so_far_and_goes_on():
    clock = Clock()
    stages = Stages(clock)
    with stages.stage("outer"):
        clock.at += 2
        assert stages.so_far() == {"outer": 2.0}
        clock.at += 3
    assert stages.so_far() == {"outer": 5.0}


def test_a_stage_that_fails_is_counted_and_left():
    clock = Clock()
    stages = Stages(clock)

    def fails():
        clock.at += 4
        raise ValueError("no")

    with stages.stage("outer"):
        with pytest.raises(ValueError, match="no"), stages.stage("inner"):
            fails()
        clock.at += 1
    assert stages.seconds == {"outer": 1.0, "inner": 4.0}


def test_without_a_clock_nothing_is_measured():
    stages = Stages()
    with stages.stage("outer"):
        stages.now("next")
    assert stages.so_far() == {}


steps = st.lists(st.tuples(st.sampled_from(["in", "out", "now"]), st.sampled_from("abc"), st.integers(0, 9)))


@given(steps)
def test_all_stages_sum_to_the_whole_however_they_are_nested(done):
    clock = Clock()
    stages, opened = Stages(clock), []
    whole = stages.stage("whole")
    whole.__enter__()
    began = clock.at
    for what, name, later in done:
        if what == "in":
            opened.append(stages.stage(name))
            opened[-1].__enter__()
        elif what == "out" and opened:
            opened.pop().__exit__(None, None, None)
        elif what == "now":
            stages.now(name)
        clock.at += later
        assert sum(stages.so_far().values()) == clock.at - began
    while opened:
        opened.pop().__exit__(None, None, None)
    whole.__exit__(None, None, None)
    assert sum(stages.seconds.values()) == clock.at - began


def test_a_meter_counts_from_its_beginning():
    clock, busy, held = Clock(), Clock(), Clock()
    meter = Meter(clock, busy, held)
    with meter.stages.stage("read"):
        clock.at, busy.at, held.at = 107.0, 112.0, 300.0
        assert meter.cost() == Cost({"read": 7.0}, 12.0, 300.0, 100.0)


def test_unknown_memory_is_null_and_no_metric():
    cost = Cost({"read": 1.23456, "fit_a": 2.0, "bins": 0.5, "folds": 4.0}, 3.0)
    assert cost.fits == 2.5
    assert cost.total == pytest.approx(7.73456)
    assert cost.as_dict() == {
        "seconds": {"read": 1.235, "fit_a": 2.0, "bins": 0.5, "folds": 4.0},
        "seconds_total": 7.735,
        "cpu_seconds_total": 3.0,
        "peak_memory_mb": None,
        "peak_memory_mb_before": None,
    }
    assert not any("memory" in name for name in cost.metrics())
    assert replace(cost, peak_memory_mb=9.0).metrics()["peak_memory_mb"] == 9.0


GROW = """
import numpy as np
from crm_ml.costs import peak_memory_mb
before = peak_memory_mb()
np.ones(40 * 2**20 // 8).sum()
print(before, peak_memory_mb())
"""


@pytest.mark.skipif(sys.platform not in ("linux", "darwin", "win32"), reason="nobody tells there")
def test_the_peak_stays_after_the_memory_was_given_back():
    big = bytearray(300 * 2**20)  # a child must not be taken for its parent
    big[::4096] = b"x" * len(big[::4096])
    run = subprocess.run([sys.executable, "-c", GROW], capture_output=True, text=True, check=True)
    before, after = map(float, run.stdout.split())
    assert 5 < before < 250
    assert 35 < after - before < 60
    assert peak_memory_mb() > 300


@pytest.mark.parametrize("status", ["", "Name:\tpython\n", "VmHWM:\tmany\n", "VmHWM:\t12 pages\n"])
def test_a_status_that_says_nothing_gives_nothing(status, tmp_path, monkeypatch):
    (tmp_path / "status").write_text(status)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(costs, "_STATUS", tmp_path / "status")
    assert peak_memory_mb() is None
    monkeypatch.setattr(costs, "_STATUS", tmp_path / "absent")
    assert peak_memory_mb() is None


def test_what_linux_says_is_read_in_its_units(tmp_path, monkeypatch):
    (tmp_path / "status").write_text("VmPeak:\t 9999 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 1 kB\n")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(costs, "_STATUS", tmp_path / "status")
    assert peak_memory_mb() == 2.0


def test_every_candidate_and_rule_of_a_training_has_its_own_seconds(firm):
    clock = Clock()

    def tick():
        clock.at += 1.0
        return clock.at

    plain = {"train_as_of": dt.date(2026, 3, 1), "gap_days": 0, "horizon_days": 90, "replicates": 20, "threads": 1}
    data, stages = firm(customers=90, count=8), Stages(tick)
    directions = {"days_since_last_order": 1}
    with stages.stage("whole"):
        measured = train_model(data, TrainingPlan(**plain, extras=Extras(directions, stages=stages)))
    unmeasured = train_model(data, TrainingPlan(**plain, extras=Extras(directions)))
    assert measured.summary() == unmeasured.summary()
    assert measured.model == unmeasured.model
    tried = set(measured.candidates["name"])
    assert tried >= {"lightgbm", "lightgbm_monotone", "average", "p_alive"}
    averages = {candidate.name for candidate in DECLARED if candidate.members}
    fits = {name.removeprefix("fit_") for name in stages.seconds if name.startswith("fit_")}
    assert tried - averages <= fits <= tried
    others = {"columns", "leak_guard", "folds", "bins", "evaluation", "calibration", "refit"}
    assert others | {"whole"} == {name for name in stages.seconds if not name.startswith("fit_")}
    assert all(value > 0 for value in stages.seconds.values())
