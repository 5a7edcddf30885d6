#!/usr/bin/env bash
# Makes .venv from nothing but Python >= 3.11; does nothing when it is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."
UV_VERSION=0.13.9
packages=(shared services/ingest-email services/triage services/router services/delivery services/register cli)
stamp=.venv/.vaxel-setup
wanted=$(cat requirements.lock tools/setup.sh "${packages[@]/%//pyproject.toml}" | cksum)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

python=${PYTHON:-}
if [ -z "$python" ]; then
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      python=$candidate; break
    fi
  done
fi
[ -n "$python" ] || { echo "setup: no Python >= 3.11 found; install one or set PYTHON=/path/to/python" >&2; exit 3; }

echo "setup: making .venv with $("$python" --version)"
"$python" -m venv .venv
echo "setup: installing uv $UV_VERSION"
.venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
echo "setup: installing $(grep -c '==' requirements.lock) pinned packages, checked by hash"
.venv/bin/uv pip install --python .venv/bin/python --require-hashes --requirement requirements.lock
echo "setup: installing Vaxel itself"
editable=(); for package in "${packages[@]}"; do editable+=(--editable "$package"); done
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation "${editable[@]}"
echo "$wanted" >"$stamp"
echo "setup: done"
