#!/usr/bin/env bash
# Makes the virtual environment: a fitting Python, the pinned packages (checked against their hashes), this package.
# Usage: pipelines/setup.sh [.venv]
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}

fits() { "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; }

python=${PYTHON:-}
if [ -z "$python" ]; then
  for candidate in python3 python3.13 python3.12 python3.11 python; do
    if command -v "$candidate" >/dev/null 2>&1 && fits "$candidate"; then python=$candidate; break; fi
  done
fi
if [ -z "$python" ] || ! fits "$python"; then
  echo "setup: Python 3.11, 3.12 or 3.13 with venv is needed; found: $(python3 --version 2>&1 || echo none)." >&2
  echo "setup: install one (Debian: apt-get install python3 python3-venv) or name it: PYTHON=/path/to/python make setup" >&2
  exit 1
fi

[ -x "$venv/bin/python" ] || { echo "setup: $($python --version) -> $venv" >&2; "$python" -m venv "$venv"; }
# uv installs in seconds what pip needs minutes for; its own wheel is pinned and checked like the rest
awk '/^uv==/{on=1} on{print} on && !/\\$/{exit}' requirements.txt >"$venv/uv.txt"
if ! { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$venv/uv.txt" \
  && "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r requirements.txt; }; then
  echo "setup: uv could not install the packages; trying pip (slower)" >&2
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
echo "setup: ready, the command is $venv/bin/crm-ml" >&2
