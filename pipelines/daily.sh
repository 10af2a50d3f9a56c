#!/usr/bin/env bash
# Writes the lists of one workspace for today (or the day given). Usage: daily.sh WORKSPACE [YYYY-MM-DD]
# The result (one JSON object) goes to stdout, the log to stderr; the exit code is crm-ml's.
# CRM_ML_TRIES=4 tries again, every CRM_ML_WAIT seconds, what may pass by itself; for cron, which cannot.
set -uo pipefail
workspace=${1:?usage: daily.sh WORKSPACE [YYYY-MM-DD]}
command=${CRM_ML:-$(cd "$(dirname "$0")/.." && pwd)/.venv/bin/crm-ml}
tries=${CRM_ML_TRIES:-1}
while [ "$tries" -gt 1 ]; do
  "$command" daily --workspace "$workspace" ${2:+--as-of "$2"} --json
  code=$?
  case $code in 1 | 5) ;; *) exit "$code" ;; esac
  tries=$((tries - 1))
  sleep "${CRM_ML_WAIT:-900}"
done
exec "$command" daily --workspace "$workspace" ${2:+--as-of "$2"} --json
