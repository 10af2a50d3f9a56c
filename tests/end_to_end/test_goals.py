"""The two goals that decide whether the scores are worth anything: a firm whose truth is known, and real orders."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))


@pytest.mark.stress
def test_scores_of_a_synthetic_firm_come_close_to_its_truth() -> None:
    import synthetic_firm

    found = synthetic_firm.measure(customers=3000, seed=1)
    assert found["verdict"] == "champion"
    assert found["least_share"] >= 0.92, found
    assert found["pooled_rows"] >= 5000
    assert found["pooled_calibration_error"] <= 0.03, found


@pytest.mark.stress
@pytest.mark.real
def test_scores_of_real_orders_beat_days_since_last_order(real_data: Path) -> None:
    import real_orders

    found = real_orders.measure(real_data)
    assert found["auc"] >= 0.765, found
    assert found["auc_days_since_last_order"] == pytest.approx(0.715, abs=0.001)
    assert found["paired_interval"][0] > 0, found
    assert any("Less than two seasons of history" in warning for warning in found["warnings"])
