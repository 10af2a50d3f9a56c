#!/usr/bin/env bash
# The MLflow pages of one workspace, on this machine only. Usage: mlflow/serve.sh [WORKSPACE] [PORT]
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
workspace=$(cd "${1:-demo}" && pwd)
port=${2:-5000}
[ -f "$workspace/mlflow/mlflow.db" ] || { echo "serve: $workspace/mlflow/mlflow.db is not there: train a model first" >&2; exit 1; }
export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=1 MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
cd "$workspace/mlflow"   # from the root, a folder called mlflow would shadow the package
exec "$here/.venv/bin/mlflow" server --host 127.0.0.1 --port "$port" \
  --backend-store-uri "sqlite:///$workspace/mlflow/mlflow.db" --default-artifact-root "$workspace/mlflow/artifacts"
