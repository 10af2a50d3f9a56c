"""Two models on the same rows: what each says about customers it was not fitted on, and how they would list today's.

A prediction is fair at a day if the model knew nothing of that day or later: that of a bundle at its training day or
after, or the kept one of the training's evaluation, which comes from a model fitted on label windows that ended before.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from crm_ml import names as n
from crm_ml.errors import HeldBack
from crm_ml.features import cutoff_us
from crm_ml.features.choice import contradictory
from crm_ml.jobs import bundles, tracking
from crm_ml.jobs.definition import flat_label
from crm_ml.jobs.evaluations import read_evaluation
from crm_ml.jobs.problem import Problem, problem_of
from crm_ml.jobs.settings import Workspace
from crm_ml.jobs.tracking import ServingVersion
from crm_ml.models import Model
from crm_ml.models.bundle import load_bundle, read_meta, trial_load
from crm_ml.models.evaluation.promotion import GateResult, judge, list_overlap, pair

if TYPE_CHECKING:
    from crm_ml.tables import Tables

_MAX_DAYS = 6
_MAX_KEPT_DAYS = 24
_KEYS = [n.CUSTOMER_ID, n.AS_OF]
_CUTOFF = "cutoff"
REFUSED = "refused"
MODELS, RECIPES = "models", "recipes"


@dataclass(frozen=True)
class Side:
    """A model that takes part.

    Attributes
    ----------
    version : ServingVersion
    model : Model
    verdict : str
        Of its training, as the bundle says it.
    recipe : str
        Name of the candidate or rule it is.
    evaluation : DataFrame or None
        The kept predictions of its training.
    """

    version: ServingVersion
    model: Model
    verdict: str
    recipe: str
    evaluation: pd.DataFrame | None

    @property
    def kept_days(self) -> set[dt.date]:
        """Days on which its training was evaluated."""
        return set() if self.evaluation is None else set(self.evaluation[n.AS_OF])

    def fair_on(self, day: dt.date) -> bool:
        """Return whether there is a prediction for a day that knew nothing of it."""
        return day >= self.model.train_as_of or day in self.kept_days

    def predictions(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return customer_id, as_of, y, margin and p for the rows of `frame` (features and y)."""
        own = frame[frame[n.AS_OF] >= self.model.train_as_of]
        parts = []
        if len(own):
            parts.append(own[[*_KEYS, "y"]].assign(margin=self.model.margin(own), p=self.model.predict_proba(own)))
        if self.evaluation is not None:
            kept = self.evaluation[self.evaluation[n.AS_OF] < self.model.train_as_of]
            # what happened is taken from today's tables: what was corrected since counts for both
            parts.append(frame[[*_KEYS, "y"]].merge(kept[[*_KEYS, "margin", "p"]], on=_KEYS))
        return pd.concat(parts, ignore_index=True) if parts else frame[[*_KEYS, "y"]].iloc[:0].assign(margin=0.0, p=0.0)


@dataclass(frozen=True)
class Contest:
    """How a comparison ended.

    Attributes
    ----------
    gate : GateResult
    compared : {"models", "recipes"}
        The models themselves, or, for want of rows that neither has seen, what the recipe of the champion gave when the
        challenger's training tried it on the same snapshots.
    later : date
        From that day on there are rows that neither model has seen, if they are asked again.
    """

    gate: GateResult
    compared: str
    later: dt.date


def load_side(workspace: Workspace, version: ServingVersion) -> Side:
    """Return a registered version, its files checked and loaded.

    Raises
    ------
    DamagedArtefact
        If they are not exactly those that were registered.
    Failure
        If they are gone.
    HeldBack
        If it was trained for another label than crm.yaml says.
    """
    folder = tracking.fetch_bundle(workspace, version)
    meta = read_meta(folder, sha256=version.sha256)
    store = tracking.bundle_store(workspace)
    bundles.tried(store, version.sha256, lambda: trial_load(folder, sha256=version.sha256))
    model = load_bundle(folder, sha256=version.sha256, trial=False)
    wanted = problem_of(workspace, version.name).label
    if model.label != wanted:
        then, now = flat_label(model.label.as_json()), flat_label(wanted.as_json())
        keys = sorted(key for key in {*then, *now} if then.get(key) != now.get(key))
        raise HeldBack(
            f"Version {version.version} was trained with "
            f"{', '.join(f'{key} {then.get(key)}' for key in keys)}, and crm.yaml says "
            f"{', '.join(f'{key} {now.get(key)}' for key in keys)}",
            remedy="Train again with the new definition, or restore the old one.",
            code="other_label",
        )
    name = str(getattr(model.scorer, "name", "") or model.kind) if model.kind == "rule" else model.kind
    recipe = version.tags.get("recipe", name)
    return Side(
        version, model, str(meta["meta"].get("verdict", "")), recipe, read_evaluation(workspace, version.run_id)
    )


def contest(workspace: Workspace, tables: Tables, champion: Side, challenger: Side, day: dt.date) -> Contest:
    """Compare two models as of a day and let the gate decide.

    The models themselves are compared on the snapshots that are mature at `day` and fair for both. Where those hold too
    few customers, the recipes are: the challenger's training has fitted the champion's recipe as well, on the same
    snapshots, and kept what it predicted for the evaluation rows. Of the same recipe there is then nothing to compare.

    Raises
    ------
    DataError
        If one of the models needs a feature that the tables do not give.
    """
    problem = problem_of(workspace, challenger.version.name)
    refresh = champion.recipe == challenger.recipe and challenger.model.train_as_of >= champion.model.train_as_of
    if refresh:
        challenger = _with_earlier(workspace, champion, challenger)
    days = _fair_days(problem, champion, challenger, day)
    kept = [side.evaluation for side in (champion, challenger) if side.evaluation is not None]
    frames = _frames(problem, tables, problem.rows_on(tables, [*days, day], kept), champion, challenger)
    today = [frame[frame[n.AS_OF] == day].sort_values(n.CUSTOMER_ID) for frame in frames]
    overlap = list_overlap(champion.model.margin(today[0]), challenger.model.margin(today[1]))
    old, new = (_labelled(problem, tables, frame[frame[n.AS_OF] != day], day) for frame in frames)
    worth = new[_KEYS].assign(value_at_stake=problem.stakes(new))
    paired = pair(champion.predictions(old), challenger.predictions(new).merge(worth, on=_KEYS))
    found, compared = _judged(paired, overlap, refresh=refresh), MODELS
    recipes = _recipes(champion, challenger)
    if [one.name for one in found.criteria] == ["evidence"] and recipes is not None:
        found, compared = judge(recipes, overlap=overlap), RECIPES
    label_days = problem.label.longest_days
    newest = max(champion.model.train_as_of, challenger.model.train_as_of)
    return Contest(found, compared, newest + dt.timedelta(days=label_days))


def _frames(
    problem: Problem, tables: Tables, rows: pd.DataFrame, champion: Side, challenger: Side
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what each of the two reads of the rows: one table, unless an own feature was declared anew."""
    models = [champion.model, challenger.model]
    if not contradictory(champion.model.declared, challenger.model.declared):
        frame = problem.features(tables, rows, models=models)
        return frame, frame
    old, new = (problem.features(tables, rows, models=[model]) for model in models)
    return old, new


def _with_earlier(workspace: Workspace, champion: Side, challenger: Side) -> Side:
    """Return the challenger with what earlier trainings of its recipe said about days since the champion's.

    A firm with few customers cannot tell two models apart on the days of one training. What refreshing every time would
    have said, against the champion left as it was, adds up from month to month.
    """
    if challenger.evaluation is None:
        return challenger
    frames, known = [challenger.evaluation], challenger.kept_days
    problem = problem_of(workspace, challenger.version.name)
    apart = dt.timedelta(days=problem.calendar.every_days / 2) if problem.shared_days else dt.timedelta(0)
    mine = challenger.version
    for version in tracking.versions(workspace, mine.name):
        same = all(version.tags.get(key) == mine.tags.get(key) for key in ("recipe", "config_hash"))
        if not same or not champion.version.as_of < version.as_of < mine.as_of:
            continue
        earlier = read_evaluation(workspace, version.run_id)
        for day in sorted(set() if earlier is None else set(earlier[n.AS_OF]), reverse=True):
            near = any(abs(day - other) < apart for other in known)
            if earlier is None or near or day < champion.model.train_as_of or len(known) >= _MAX_KEPT_DAYS:
                continue
            frames.append(earlier[earlier[n.AS_OF] == day])
            known = known | {day}
    return replace(challenger, evaluation=pd.concat(frames, ignore_index=True, join="inner"))


def _judged(paired: pd.DataFrame, overlap: float, *, refresh: bool) -> GateResult:
    strict = judge(paired, overlap=overlap)
    return judge(paired, overlap=overlap, refresh=True) if refresh and not strict.passed else strict


def _fair_days(problem: Problem, champion: Side, challenger: Side, day: dt.date) -> list[dt.date]:
    mature = day - dt.timedelta(days=problem.label.longest_days)
    newest = max(champion.model.train_as_of, challenger.model.train_as_of)
    after: list[dt.date] = []
    step = mature
    while step >= newest and len(after) < _MAX_DAYS:
        after.append(step)
        step -= dt.timedelta(days=problem.calendar.every_days)
    asked = {*after, *champion.kept_days, *challenger.kept_days}
    return sorted(one for one in asked if one <= mature and champion.fair_on(one) and challenger.fair_on(one))


def _labelled(problem: Problem, tables: Tables, frame: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    y, _ = problem.outcomes(tables, frame[[*_KEYS, _CUTOFF]], known_until=cutoff_us(day, tables.zone))
    return frame.assign(y=y).reset_index(drop=True)


def _recipes(champion: Side, challenger: Side) -> pd.DataFrame | None:
    """Return the evaluation rows of the challenger with what the champion's recipe said about them, if it was tried."""
    kept, name = challenger.evaluation, champion.recipe
    if kept is None or name == challenger.recipe or not {f"margin_{name}", f"p_{name}"} <= set(kept.columns):
        return None
    theirs = kept[[*_KEYS, "y"]].assign(margin=kept[f"margin_{name}"], p=kept[f"p_{name}"])
    return pair(theirs, kept)
