#!/usr/bin/env bash
# Makes .venv from nothing but Python >= 3.11; does nothing when it is up to date.
# With --kafka it also fetches Apache Kafka's jars, beside the packages, unless they are there.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

packages=(shared services/ingest-email services/ingest-chat services/triage services/router services/delivery services/register services/sla-monitor cli)
# What fetching the jars needs of the lock (jgo with its dependencies): installed first, so that the
# jars, which take longest, come in beside everything else.
fetcher=(jgo cjdk click progressbar2 python-utils typing-extensions requests certifi
  charset-normalizer idna urllib3 psutil semver tomli-w)
stamp=.venv/.vaxel-setup
wanted=$(cat requirements.lock tools/setup.sh "${packages[@]/%//pyproject.toml}" | cksum)
with_kafka=${1:-}

say() { echo "setup: $*"; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if command -v "$candidate" >/dev/null &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "setup: no Python >= 3.11 found; install one, or name it: PYTHON=/path/to/python make setup" >&2
  exit 3
}

# The lines of the lock for the named packages, hashes and all.
locked() {
  awk -v names=" $* " '
    /^[a-z0-9]/ { name = $1; sub(/==.*/, "", name); take = index(names, " " name " ") > 0 }
    /^#/ { take = 0 }
    take' requirements.lock
}

fetch_kafka() {
  PYTHONPATH=shared/src:cli/src .venv/bin/python tools/fetch_kafka.py ||
    say "Apache Kafka isn't there yet; \`vaxel up\` will try again"
}

make_venv() {
  local python
  trap 'say "failed; the lines above say why. The first time needs a network to a package index (pip.conf, UV_INDEX_URL)" >&2' ERR
  rm -f "$stamp"
  if ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$(find_python)
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
  fi
  say "installing uv"
  locked uv >.venv/uv.txt
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
  if [ "$with_kafka" = --kafka ]; then
    locked "${fetcher[@]}" >.venv/fetcher.txt
    .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --require-hashes -r .venv/fetcher.txt
    fetch_kafka &
  fi
  say "installing $(grep -c '==' requirements.lock) pinned packages, checked by hash"
  .venv/bin/uv pip install --python .venv/bin/python --require-hashes -r requirements.lock 2>&1 |
    grep -v '^ +' || [ "${PIPESTATUS[0]}" = 0 ] # not a line for each package
  say "installing Vaxel itself"
  local editable=() package
  for package in "${packages[@]}"; do editable+=(--editable "$package"); done
  .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation "${editable[@]}"
  # Once, here: else every process compiles all that it imports at every start, where Python is told
  # not to write what it compiled, and that is half of the time until a killed service is back.
  .venv/bin/python -m compileall -q -j 0 .venv/lib/python3*/site-packages "${packages[@]/%//src}" >/dev/null ||
    say "not everything could be compiled ahead; it will be when it is used"
  wait # for the jars
  echo "$wanted" >"$stamp"
  say "done after $SECONDS s"
}

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  [ "$with_kafka" != --kafka ] || fetch_kafka
else
  make_venv
fi
