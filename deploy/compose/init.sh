#!/bin/sh
# Makes the secrets that docker-compose.yml mounts, each once: what exists is left alone.
# The folder is closed to others; the files in it are readable, because a container's user, whose
# number no account here has, reads them through the mount.
set -eu
umask 077
folder="$(dirname "$0")/secrets"
mkdir -p "$folder"
chmod 0700 "$folder"

make() {
  if [ ! -s "$folder/$1" ]; then
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$folder/$1.new"
    mv "$folder/$1.new" "$folder/$1"
    echo "made $folder/$1"
  fi
  chmod 0444 "$folder/$1"
}

make deployment.key    # never exchange it: conversations and customers are known by it
make database.password # of PostgreSQL
make grafana.password  # of Grafana's user admin
