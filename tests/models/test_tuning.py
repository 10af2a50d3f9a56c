"""A search that was killed ends as an unbroken one would, and one that finds only noise stops and says so."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crm_ml.errors import DamagedArtefact
from crm_ml.models import tuning as tuning_module
from crm_ml.models.folds import gain_with_error, simplest_of_best
from crm_ml.models.tuning import FoldRows, Tuning, tune

ROWS = 600
RNG = np.random.default_rng(4)
TRUTH = [RNG.normal(size=ROWS) for _ in range(3)]
FOLDS = [
    FoldRows(RNG.random(ROWS) < 1 / (1 + np.exp(-2 * t)), np.array([f"c{i // 2}" for i in range(ROWS)], dtype=object))
    for t in TRUTH
]
NOISE = [RNG.normal(size=ROWS) for _ in range(3)]


def blurred(k, blur):
    return TRUTH[k] + blur * NOISE[k]


def learnable(k, parameters):
    """The further the learning rate is from .08 and the leaves from 20, the blurrier the margins."""
    off = abs(np.log(parameters["learning_rate"] / 0.08)) + abs(np.log(parameters["num_leaves"] / 20)) / 2
    return {0.2: blurred(k, 0.3 + off), 0.4: blurred(k, 0.1 + off)}


def hopeless(k, parameters):
    return {0.4: blurred(k, 1.0 + 0.01 * parameters["learning_rate"])}


def search(fit_fold, trials, storage=None, *, key="test", seed=5, blur=1.0, **how):
    default = [blurred(k, blur) for k in range(3)]
    asked = Tuning(trials, storage, **how)
    return tune(fit_fold, FOLDS, default, asked, factor=0.4, monotone=True, seed=seed, key=key)


def test_a_real_gain_is_found_and_described():
    got = search(learnable, 25)
    assert got.found
    assert (got.trials, got.asked, got.stopped) == (25, 25, "trials")
    assert got.gain > tuning_module.NOISE * got.error > 0
    assert got.pruned > 0
    assert 0.03 <= got.parameters["learning_rate"] <= 0.15
    assert got.rounds_per_root_row == 0.4
    assert "lightgbm_tuned uses it" in got.finding().message
    assert got.as_dict()["tuned_num_leaves"] == got.parameters["num_leaves"]


def test_noise_stops_the_search_and_leaves_the_default():
    calls = []

    def counted(k, parameters):
        calls.append(k)
        return hopeless(k, parameters)

    got = search(counted, 200)
    assert (got.stopped, got.trials, got.found, dict(got.parameters)) == (
        "noise",
        tuning_module.LEAST_TRIALS,
        False,
        {},
    )
    assert got.rounds_per_root_row == 0.4
    assert len(calls) <= 3 * (tuning_module.LEAST_TRIALS - 1)
    assert "the default parameters stand" in got.finding().message


def test_the_default_is_the_first_trial_and_costs_nothing():
    def never(k, parameters):
        raise AssertionError("the default's margins are known")

    got = search(never, 1)
    assert (got.trials, got.gain, got.found) == (1, 0.0, False)


def test_minutes_end_the_search_and_it_says_that_it_is_not_repeatable():
    clock = itertools.count().__next__
    got = search(learnable, 40, max_minutes=4.0, minutes=lambda: float(clock()))
    assert got.stopped == "minutes"
    assert got.trials < 40
    assert got.finding().severity == "warning"
    assert "another run may end differently" in got.finding().message


def test_another_seed_or_key_is_another_search(tmp_path):
    file = tmp_path / "trials.db"
    one = search(learnable, 6, file)
    assert search(learnable, 6, file, key="other data", seed=6) != one
    assert search(learnable, 6, file) == one


def test_stored_trials_are_not_run_again_and_fewer_asked_give_what_fewer_gave(tmp_path):
    file = tmp_path / "trials.db"
    eight, twelve = search(learnable, 8), search(learnable, 12, file)

    def never(k, parameters):
        raise AssertionError("all trials are stored")

    assert search(never, 12, file) == twelve
    assert search(never, 8, file) == eight


CHILD = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import test_tuning as t
calls = 0
def dying(k, parameters):
    global calls
    calls += 1
    if calls == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return t.learnable(k, parameters)
t.search(dying, 14, Path(sys.argv[2]))
"""


def killed_child(file, call):
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(file), str(call)]
    return subprocess.run(command, capture_output=True, check=False)


def test_killed_twice_and_taken_up_again_it_ends_with_the_same_numbers(tmp_path):
    file = tmp_path / "trials.db"
    kept = []
    for call in (8, 11):  # in the middle of a trial
        child = killed_child(file, call)
        assert child.returncode == -signal.SIGKILL, child.stderr.decode()[-2000:]
        done = tuning_module._finished(tuning_module._study(file, "test"))
        assert len(kept) < len(done) < 14
        assert [trial.params for trial in done[: len(kept)]] == kept
        kept = [trial.params for trial in done]
    resumed, unbroken = search(learnable, 14, file), search(learnable, 14)
    assert resumed == unbroken
    done = tuning_module._finished(tuning_module._study(file, "test"))
    assert [trial.params for trial in done[: len(kept)]] == kept


def test_a_file_that_holds_no_trials_is_refused(tmp_path):
    (tmp_path / "trials.db").write_bytes(b"no database" * 100)
    with pytest.raises(DamagedArtefact, match="must be a database of Optuna"):
        search(learnable, 3, tmp_path / "trials.db")


def test_the_error_of_a_gain_is_that_of_a_mean_of_customers():
    # one row per customer: the textbook standard error of a paired mean
    default, other = RNG.normal(size=50), RNG.normal(size=50)
    gain, error = gain_with_error(default, other, np.array([str(i) for i in range(50)], dtype=object))
    d = default - other
    assert gain == pytest.approx(d.mean())
    assert error == pytest.approx(d.std(ddof=1) / np.sqrt(50))
    # each row three times under its customer's name says nothing new
    thrice = [np.repeat(v, 3) for v in (default, other)]
    again = gain_with_error(*thrice, np.repeat(np.array([str(i) for i in range(50)], dtype=object), 3))
    assert again == (pytest.approx(gain), pytest.approx(error))


def test_the_first_of_equals_is_taken():
    names = np.array([str(i) for i in range(400)], dtype=object)
    base = RNG.random(400)
    losses = {"robust": base + RNG.normal(0, 0.1, 400), "best": base - 0.0001, "clearly worse": base + 0.2}
    losses["robust"] += base.mean() - losses["robust"].mean()
    assert simplest_of_best(losses, names) == "robust"
    assert simplest_of_best({"clearly worse": losses["clearly worse"], "best": base}, names) == "best"
