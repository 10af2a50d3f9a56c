"""Where the results of each kind of model stand in a workspace, and what their columns are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crm_ml import names as n
from crm_ml.jobs.inputs import CHURN, LEADS


@dataclass(frozen=True)
class ScoreFile:
    """One file of a set of scores.

    Attributes
    ----------
    file : str
        Its name.
    key, probability : str
        The columns with the id and the calibrated probability.
    """

    file: str
    key: str
    probability: str


SCORES: Final[Mapping[str, ScoreFile]] = {
    CHURN: ScoreFile("churn_scores.parquet", n.CUSTOMER_ID, "p_churn"),
    LEADS: ScoreFile("lead_scores.parquet", n.LEAD_ID, "p_win"),
}
"""By kind of model."""
BACKTESTS: Final = "backtests"


def backtest_folder(kind: str) -> str:
    """Return where the backtests of a kind of model lie in a workspace.

    Examples
    --------
    >>> backtest_folder("churn"), backtest_folder("leads")
    ('backtests', 'backtests/leads')
    """
    return BACKTESTS if kind == CHURN else f"{BACKTESTS}/{kind}"
