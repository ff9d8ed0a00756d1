#!/bin/sh
# SPDX-License-Identifier: MIT
# needs: kafka.in
#
# kafka.in and kafka.out against brokers that librdkafka plays, asked by kcat.

set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
. "$here/support/graphs.sh"
. "$here/support/serve.sh"
: "${KAFKA_MOCK:=$root/build/release/tests/stages/kafka_mock}"
serve "$KAFKA_MOCK" threads:3,processes:3,kcat-threads:3,kcat-processes:3,one:1

seq 1 10000 | awk '{ printf "number %d of \"many\"\n", $1 }' >lines
sort lines >lines.sorted

graphs() {
    put write <<END
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "lines" } },
    "key": { "use": "hash", "from": "read", "with": { "to": "key" } },
    "out": { "use": "kafka.out", "from": "key", "with": { "brokers": "$address", "topic": "$mode" } } } }
END
    put read <<END
{ "flowrun": 1, "stages": {
    "in": { "use": "kafka.in", "workers": 2, "with": { "brokers": "$address", "topic": "$mode", "until_end": true } },
    "wait": { "use": "sleep", "from": "in", "with": { "delay": "20us" } },
    "out": { "use": "lines.write", "from": "wait", "with": { "path": "read.out" } } } }
END
    put kept <<END
{ "flowrun": 1, "stages": {
    "in": { "use": "kafka.in", "with": { "brokers": "$address", "topic": "kcat-$mode", "until_end": true, "group": "g" } },
    "out": { "use": "lines.write", "from": "in", "with": { "path": "kept.out" } } } }
END
    put gone <<END
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "lines" } },
    "out": { "use": "kafka.out", "from": "read", "with": { "brokers": "127.0.0.1:1", "topic": "x", "patience": "200ms" } } } }
END
}

is_all() {
    sort "$1" | cmp -s - lines.sorted
}

is_empty() {
    [ ! -s "$1" ]
}

for mode in threads processes; do
    graphs
    runs "records are written" write
    kcat -C -b "$address" -t "$mode" -e -q >seen
    holds "$mode: kcat reads them all" is_all seen
    runs "they are read" read
    holds "$mode: each one once" is_all read.out
    killed read
    holds "$mode: each one once, whatever was killed" is_all read.out
    kcat -P -b "$address" -t "kcat-$mode" <lines
    runs "what kcat has written is read" kept
    holds "$mode: all of it" is_all kept.out
    runs "the group has the offsets" kept
    holds "$mode: nothing is read twice" is_empty kept.out
    fails "brokers that are not there end the run" gone "Connection refused"
done

done_with_all
