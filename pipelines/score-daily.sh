#!/usr/bin/env bash
# Scores one workspace for today (or the day given). Usage: score-daily.sh WORKSPACE [YYYY-MM-DD]
# The result (one JSON object) goes to stdout, the log to stderr; the exit code is crm-ml's.
set -euo pipefail
workspace=${1:?usage: score-daily.sh WORKSPACE [YYYY-MM-DD]}
command=${CRM_ML:-$(cd "$(dirname "$0")/.." && pwd)/.venv/bin/crm-ml}
exec "$command" score churn --workspace "$workspace" ${2:+--as-of "$2"} --json
