#!/bin/sh
# Draws the passwords of the composed line into the volume /run/sluice (or the folder given), once: what is there stays.
#
# The containers that read them run under different users, so the files are readable; the volume is mounted nowhere else.
set -eu
cd "${1:-/run/sluice}"

draw() { # draw FILE: 32 random characters, whole or not at all.
  [ -s "$1" ] && return
  head -c 24 /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_' >"$1.new"
  mv "$1.new" "$1"
}

draw redis
draw clickhouse
draw grafana
draw api-key
[ -s redis.conf ] || printf 'requirepass %s\n' "$(cat redis)" >redis.conf
[ -s api-keys ] || printf 'compose:%s' "$(cat api-key)" >api-keys
chmod 0444 ./*
