"""The job of the morning for Dagster: `dagster dev -f pipelines/dagster_daily.py`, with daily.yaml beside it.

The machine needs CRM_ML (the command) and CRM_ML_WORKSPACE. The day of the schedule becomes `--as-of`, so that a run
that is repeated later writes the lists of its own day; a day that is published already is left alone.
"""

import os
import subprocess
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import yaml

JOB = yaml.safe_load((Path(__file__).parent / "daily.yaml").read_text(encoding="utf-8"))
ZONE = JOB["when"]["timezone"]


def command_of(day):
    """Return the command line for a day."""
    values = {"workspace": os.environ.get("CRM_ML_WORKSPACE", "/srv/crm-ml/firm"), "day": day}
    words = [word.format(**values) for word in JOB["command"]]
    return [os.environ.get("CRM_ML", "/opt/crm-ml/.venv/bin/crm-ml"), *words[1:]]


@dg.op(
    config_schema={"as_of": str},
    retry_policy=dg.RetryPolicy(max_retries=JOB["retry"]["times"], delay=60 * JOB["retry"]["after_minutes"]),
)
def daily(context):
    """Check, score, decide, write the lists of the day in the configuration."""
    day = context.op_config["as_of"]
    code = subprocess.run(command_of(day), check=False).returncode
    if code == 0:
        return
    known = JOB["exit_codes"].get(code, {"meaning": "it was killed", "then": "retry"})
    raise dg.Failure(
        description=f"crm-ml daily for {day} ended with {code}: {known['meaning']}",
        allow_retries=known["then"] == "retry",
    )


@dg.job
def crm_ml_daily():
    """The job of the morning."""
    daily()


@dg.schedule(job=crm_ml_daily, cron_schedule=JOB["when"]["cron"], execution_timezone=ZONE)
def every_morning(context):
    """Ask for the run of the day; asked twice, it is one run."""
    day = context.scheduled_execution_time.astimezone(ZoneInfo(ZONE)).date().isoformat()
    return dg.RunRequest(run_key=day, run_config={"ops": {"daily": {"config": {"as_of": day}}}})


defs = dg.Definitions(jobs=[crm_ml_daily], schedules=[every_morning])
