#!/bin/sh
# SPDX-License-Identifier: MIT
# servers.sh BUILD [TIMES [MODE...]]: kill -9 of everything at random moments, then --resume, again and
# again, in a run from a group of a Redis stream to a table of PostgreSQL: each entry is one row.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/kills.sh"
TIMES=${1:-50}
[ $# -lt 1 ] || shift
MODES=${*:-threads processes}
[ -e "$BUILD/stages/redis.in.so" ] && [ -e "$BUILD/stages/postgres.copy.so" ] || exit 77

support=$(cd "$(dirname "$0")/../stages/support" && pwd)
cd "$WORK"
work=$WORK
. "$support/serve.sh"
serve "$support/server.sh" redis
redis=$address
serve "$support/server.sh" postgres
postgres=$address

seq 1 20000 | awk '{ printf "{\"n\":%d}\n", $1 }' >lines
cat >fill.json <<END
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "lines" } },
    "out": { "use": "redis.out", "from": "read", "with": { "server": "$redis", "key": "stream" } } } }
END
cat >graph.json <<END
{ "flowrun": 1, "stages": {
    "in": { "use": "redis.in", "with": { "server": "$redis", "stream": "stream", "group": "g", "field": "data",
                                         "until_end": true, "batch": 100 } },
    "wait": { "use": "sleep", "from": "in", "with": { "delay": "10us" } },
    "out": { "use": "postgres.copy", "from": "wait",
             "with": { "connection": "$postgres", "table": "rows", "columns": ["n"],
                       "create": "CREATE TABLE IF NOT EXISTS rows(n int)" } } } }
END
"$FLOWRUN" fill.json --quiet 2>err || fail "the stream: exit code $?"

compare() {
    psql "$postgres" -qtA -c 'SELECT n FROM rows ORDER BY n' >rows
    seq 1 20000 | cmp - rows || fail "$mode, after $kills kills: the rows are others"
    psql "$postgres" -q -c 'DROP TABLE rows'
    redis-cli -s "$redis" XGROUP DESTROY stream g >said
    rm -rf graph.state
}

for mode in $MODES; do
    kill_and_resume "$TIMES" 10ms
    echo "$mode: killed everything $kills times, in $runs runs to their ends: each row once"
done
