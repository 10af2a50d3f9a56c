"""What every test run shares: which folders hold no tests, and that a skip in CI is a failure unless it is listed."""

import os
from pathlib import Path

import pytest

# a Python file in mlflow/ would shadow the package of that name; models/ holds cards, notebooks/ stories
collect_ignore = ["mlflow", "models", "notebooks"]

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# reason of the skip (its beginning) -> why it may be skipped in CI
ALLOWED_SKIPS: dict[str, str] = {
    "SCIPY_ARRAY_API is not set": "scikit-learn's check of other array libraries; ours take NumPy and pandas",
    "root reads everything": "CI runs as root, for whom no file is unreadable",
    "the superuser may write anywhere": "CI runs as root, for whom no folder is read-only",
}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        words = reason.removeprefix("Skipped: ")
        if not any(words.startswith(allowed) for allowed in ALLOWED_SKIPS):
            report.outcome = "failed"
            report.longrepr = f"skipped in CI, which counts as a failure: {words}"


@pytest.fixture(scope="session")
def real_data():
    """The folder of real data, or a skip that says what is missing."""
    folder = os.environ.get("CRM_ML_REAL_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("CRM_ML_REAL_DATA does not name the folder of real data")
    return Path(folder)
