#!/usr/bin/env bash
# Sends one payment with kcat: BROKERS TOPIC SCHEMA_ID TRANSACTION_ID PAYER [more options of kcat]
# SCHEMA_ID: that of transaction.v2, as `sluice schemas list` shows it (2 for a line without a registry).
set -euo pipefail
brokers=$1 topic=$2 id=$3 transaction=$4 payer=$5
shift 5
here=$(cd "$(dirname "$0")" && pwd)
value=$(mktemp)
trap 'rm -f "$value"' EXIT
node "$here/value.ts" "$id" "$transaction" "$payer" >"$value"
# The key is the payer account; murmur2_random is the partitioner of the Java client. A file is sent whole, as one value.
kcat -P -b "$brokers" -t "$topic" -k "$payer" -X topic.partitioner=murmur2_random -X acks=all "$@" "$value"
