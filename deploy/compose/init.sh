#!/bin/sh
# Makes the secrets that docker-compose.yml mounts, each once: what exists is left alone.
# The folder is closed to others; the files in it are readable, because a container's user, whose
# number no account here has, reads them through the mount.
set -eu
umask 077
folder="$(dirname "$0")/secrets"
mkdir -p "$folder"
chmod 0700 "$folder"

make() { # a file, and what writes a fresh secret
  if [ ! -s "$folder/$1" ]; then
    "$2" >"$folder/$1.new"
    mv "$folder/$1.new" "$folder/$1"
    echo "made $folder/$1"
  fi
  chmod 0444 "$folder/$1"
}

key() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
webhook() { printf 'whsec_%s' "$(head -c 32 /dev/urandom | base64 | tr -d '\n')"; }

make deployment.key key      # never exchange it: conversations and customers are known by it
make database.password key   # of PostgreSQL
make grafana.password key    # of Grafana's user admin
make partner-webhook webhook # what the partner of config/channels.yaml signs with
