"""What was known, when? Point-in-time features, eligible customers and labels over timelines of events.

Declare with `Feature`, compute with `build_features`, label with `churn_labels`; `visible` and `data_hash` say what was
known at a cutoff.
"""

from __future__ import annotations

from crm_ml.features.build import build_features, feature_parts
from crm_ml.features.catalogue import (
    CATALOGUE,
    LEAD_CATALOGUE,
    OPTIONAL,
    add_feature,
    catalogue_markdown,
    default_features,
    optional_features,
    remove_feature,
    sources,
)
from crm_ml.features.fingerprint import data_hash
from crm_ml.features.labels import churn_labels, label_horizons, make_spine, usual_gap_days
from crm_ml.features.lead_rows import before_target, lead_labels, lead_moments, lead_spine, lead_training_rows
from crm_ml.features.outcome import Outcome, OwnGap
from crm_ml.features.spec import (
    AnyFeature,
    AttributeFeature,
    CalendarFeature,
    Difference,
    Feature,
    FunctionFeature,
    PeakFeature,
    PeerFeature,
    PooledFeature,
    Ratio,
)
from crm_ml.features.streams import STREAMS
from crm_ml.features.subjects import CUSTOMER, LEAD, Subject
from crm_ml.features.timeline import cutoff_us, shift_days
from crm_ml.features.visibility import sees_any, visible

__all__ = [
    "CATALOGUE",
    "CUSTOMER",
    "LEAD",
    "LEAD_CATALOGUE",
    "OPTIONAL",
    "STREAMS",
    "AnyFeature",
    "AttributeFeature",
    "CalendarFeature",
    "Difference",
    "Feature",
    "FunctionFeature",
    "Outcome",
    "OwnGap",
    "PeakFeature",
    "PeerFeature",
    "PooledFeature",
    "Ratio",
    "Subject",
    "add_feature",
    "before_target",
    "build_features",
    "catalogue_markdown",
    "churn_labels",
    "cutoff_us",
    "data_hash",
    "default_features",
    "feature_parts",
    "label_horizons",
    "lead_labels",
    "lead_moments",
    "lead_spine",
    "lead_training_rows",
    "make_spine",
    "optional_features",
    "remove_feature",
    "sees_any",
    "shift_days",
    "sources",
    "usual_gap_days",
    "visible",
]
