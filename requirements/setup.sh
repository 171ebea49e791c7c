#!/bin/sh
# Create or bring up to date .venv from a hashed file: requirements/<all|run>.txt. Needs nothing
# but Python 3.11 and a package registry; does nothing when .venv is as it should be.
set -eu
cd "$(dirname "$0")/.."
FILE="requirements/$1.txt"
PY=.venv/bin/python

find_python() {
  for candidate in "${PYTHON:-python3.11}" python3.11 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "error: Python 3.11 was not found." >&2
  echo "  Install it (Debian: apt-get install python3.11 python3.11-venv), or say where it is:" >&2
  echo "  make setup PYTHON=/path/to/python3.11" >&2
  exit 3
}

# What .venv must agree with: its place (scripts hold absolute paths), the pins, the project.
wanted="$(pwd) $(cat requirements/bootstrap.txt "$FILE" pyproject.toml requirements/setup.sh | cksum)"
if [ "$(cat .venv/.sutradhar 2>/dev/null)" = "$wanted" ] && [ -x .venv/bin/sutradhar ]; then
  exit 0
fi

if ! "$PY" -c "import sys; sys.exit(sys.prefix != '$(pwd)/.venv')" 2>/dev/null; then
  "$(find_python)" -m venv --clear .venv
fi
rm -f .venv/.sutradhar
if ! "$PY" -m uv --version >/dev/null 2>&1; then
  "$PY" -m pip --version >/dev/null 2>&1 || "$PY" -m ensurepip --upgrade >/dev/null
  "$PY" -m pip install --quiet --disable-pip-version-check --require-hashes \
    -r requirements/bootstrap.txt
fi
# sync, not install: what is no longer pinned goes (decord beside decord2 would break both)
"$PY" -m uv pip sync --quiet --python "$PY" --require-hashes requirements/bootstrap.txt "$FILE"
"$PY" -m uv pip install --quiet --python "$PY" --no-deps --no-build-isolation \
  --editable .
echo "$wanted" >.venv/.sutradhar
