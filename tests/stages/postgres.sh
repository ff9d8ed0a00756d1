#!/bin/sh
# SPDX-License-Identifier: MIT
# needs: postgres.copy
#
# postgres.copy against a server of the test's own, asked by psql and compared with its \copy.

set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
. "$here/support/graphs.sh"
. "$here/support/serve.sh"
serve "$here/support/server.sh" postgres

ask() {
    PGOPTIONS=--client-min-messages=warning psql "$address" -qtA -v ON_ERROR_STOP=1 "$@"
}

seq 1 3000 | awk '{ printf "{\"id\":%d,\"name\":\"number %d\\t\\\\\",\"half\":%.1f}\n", $1, $1, $1 / 2 }' >rows.jsonl
seq 1 10000 | awk '{ printf "%d,\"number \"\"%d\"\"\",%.1f\n", $1, $1, $1 / 2 }' >rows.csv
awk -F, 'NR % 100 == 0 { print "x" $0; next } { print }' rows.csv >some-bad.csv
put json <<END
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "rows.jsonl" } },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "20us" } },
    "out": { "use": "postgres.copy", "from": "wait",
             "with": { "connection": "$address", "table": "rows", "columns": ["id", "name", "half"] } } } }
END
put csv <<END
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "some-bad.csv" } },
    "out": { "use": "postgres.copy", "from": "read", "errors": "route",
             "with": { "connection": "$address", "table": "rows", "format": "csv" } },
    "bad": { "use": "lines.write", "from": "out.errors", "with": { "path": "bad" } } } }
END
put gone <<END
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "rows.csv" } },
    "out": { "use": "postgres.copy", "from": "read", "with": { "connection": "host=$work", "table": "rows", "format": "csv" } } } }
END

fresh() {
    ask -c 'DROP TABLE IF EXISTS rows; CREATE TABLE rows(id int, name text, half numeric)'
}

is_all() {
    ask -c "SELECT json_build_object('id', id, 'name', name, 'half', half) FROM rows ORDER BY id" |
        sed 's/ : /:/g; s/, "/,"/g; s/{"/{"/' >seen
    cmp -s seen rows.jsonl
}

is_good_part() {
    ask -c '\copy rows TO seen WITH (FORMAT csv)'
    sort -t, -k1,1n seen >seen.sorted
    awk 'NR % 100 != 0' rows.csv | sed 's/,"number ""\([0-9]*\)""",/,number \1,/' >some
    sed 's/,"number ""\([0-9]*\)""",/,number \1,/' seen.sorted | cmp -s - some
}

for mode in threads processes; do
    fresh
    runs "rows are written" json
    holds "$mode: psql sees them all" is_all
    fresh
    killed json
    holds "$mode: each row is there once" is_all
    fresh
    runs "rows of CSV are written, some of them bad" csv
    holds "$mode: the good ones are there, as \\copy shows them" is_good_part
    holds "$mode: the bad ones are not" [ "$(grep -c 'invalid input syntax for type integer' bad)" -eq 100 ]
    fails "a server that is not there ends the run" gone "PostgreSQL: cannot connect"
done

done_with_all
