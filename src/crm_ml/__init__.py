"""Churn and lead scoring for B2B companies.

The public names are loaded when they are first asked for, so that importing the package costs nothing:

>>> import crm_ml as crm
>>> crm.open_workspace.__name__
'open_workspace'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from crm_ml.features import Feature, add_feature
    from crm_ml.jobs.backtest import backtest
    from crm_ml.jobs.check import check
    from crm_ml.jobs.compare import compare
    from crm_ml.jobs.daily import run_daily
    from crm_ml.jobs.explain import explain
    from crm_ml.jobs.features import build_features
    from crm_ml.jobs.feedback import import_feedback
    from crm_ml.jobs.forecast import forecast
    from crm_ml.jobs.forecast_backtest import forecast_backtest
    from crm_ml.jobs.promote import promote
    from crm_ml.jobs.score import score
    from crm_ml.jobs.settings import open_workspace
    from crm_ml.jobs.train import train
    from crm_ml.models.candidates import add_candidate, remove_candidate

_HOMES = {
    "Feature": "crm_ml.features",
    "add_candidate": "crm_ml.models.candidates",
    "add_feature": "crm_ml.features",
    "backtest": "crm_ml.jobs.backtest",
    "build_features": "crm_ml.jobs.features",
    "check": "crm_ml.jobs.check",
    "compare": "crm_ml.jobs.compare",
    "explain": "crm_ml.jobs.explain",
    "forecast": "crm_ml.jobs.forecast",
    "forecast_backtest": "crm_ml.jobs.forecast_backtest",
    "import_feedback": "crm_ml.jobs.feedback",
    "open_workspace": "crm_ml.jobs.settings",
    "promote": "crm_ml.jobs.promote",
    "remove_candidate": "crm_ml.models.candidates",
    "run_daily": "crm_ml.jobs.daily",
    "score": "crm_ml.jobs.score",
    "train": "crm_ml.jobs.train",
}

__all__ = [
    "Feature",
    "__version__",
    "add_candidate",
    "add_feature",
    "backtest",
    "build_features",
    "check",
    "compare",
    "explain",
    "forecast",
    "forecast_backtest",
    "import_feedback",
    "open_workspace",
    "promote",
    "remove_candidate",
    "run_daily",
    "score",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'crm_ml' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
