"""The job of the morning for Airflow 3: put this file and daily.yaml beside each other into the DAG folder.

The machine needs CRM_ML (the command) and CRM_ML_WORKSPACE. The day of the run becomes `--as-of`, so that a run
that is cleared and repeated later writes the lists of its own day; a day that is published already is left alone.
"""

import os
import subprocess
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml
from airflow.sdk import dag, get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

try:
    from airflow.sdk.exceptions import AirflowFailException
except ImportError:  # its place in the first releases of Airflow 3
    from airflow.exceptions import AirflowFailException

JOB = yaml.safe_load((Path(__file__).parent / "daily.yaml").read_text(encoding="utf-8"))
ZONE = JOB["when"]["timezone"]


def command_of(day):
    """Return the command line for a day."""
    values = {"workspace": os.environ.get("CRM_ML_WORKSPACE", "/srv/crm-ml/firm"), "day": day}
    words = [word.format(**values) for word in JOB["command"]]
    return [os.environ.get("CRM_ML", "/opt/crm-ml/.venv/bin/crm-ml"), *words[1:]]


@dag(
    dag_id="crm_ml_daily",
    # the run belongs to the day on which it starts, not to the one before
    schedule=CronTriggerTimetable(JOB["when"]["cron"], timezone=ZONE),
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": JOB["retry"]["times"],
        "retry_delay": timedelta(minutes=JOB["retry"]["after_minutes"]),
        "execution_timeout": timedelta(hours=2),
    },
    tags=["crm-ml"],
)
def crm_ml_daily():
    """Check, score, decide, write the lists."""

    @task
    def daily():
        context = get_current_context()
        moment = context.get("logical_date") or context["dag_run"].run_after  # started by hand: no logical date
        day = moment.astimezone(ZoneInfo(ZONE)).date().isoformat()
        code = subprocess.run(command_of(day), check=False).returncode
        if code == 0:
            return
        known = JOB["exit_codes"].get(code, {"meaning": "it was killed", "then": "retry"})
        said = f"crm-ml daily for {day} ended with {code}: {known['meaning']}"
        raise RuntimeError(said) if known["then"] == "retry" else AirflowFailException(said)

    daily()


crm_ml_daily()
