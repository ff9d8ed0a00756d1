#!/bin/sh
# SPDX-License-Identifier: MIT
# shared.sh BUILD [LINES]: what lies in memory that processes share arrives as it was written: with a
# broadcast, batches passed on untouched through several processes, a slow reader, records from a few
# bytes to megabytes, and so little memory that arenas run out.
. "$(dirname "$0")/common.sh"
LINES=${1:-60000}

awk -v lines="$LINES" 'BEGIN {
    srand(3)
    for (long = "abcdefghijklmnopqrstuvwxyz"; length(long) < 3000000; long = long long) ;
    for (i = 0; i < lines; i++) {
        size = i % 20000 == 7 ? 3000000 : i % 500 == 3 ? int(rand() * 100000) : int(rand() * 300)
        print i " " substr(long, 1 + i % 26, size)
    }
}' >"$WORK/input"
grep -v 9 "$WORK/input" >"$WORK/no-nine"

# graph MEMORY ISOLATE
graph() {
    cat >"$GRAPH" <<END
{ "flowrun": 1, $1 "stages": {
    "read": { "use": "lines.read", "with": { "path": "$WORK/input" } },
    "all": { "use": "lines.write", "from": "read", "with": { "path": "$WORK/all" } },
    "pass": { "use": "$PLUGIN:rt.forward_batch", "from": "read", "isolate": $2 },
    "again": { "use": "$PLUGIN:rt.forward", "from": "pass", "isolate": $2 },
    "passed": { "use": "lines.write", "from": "again", "with": { "path": "$WORK/passed" } },
    "slow": { "use": "$PLUGIN:rt.map", "from": "again", "with": { "spin": 50 } },
    "most": { "use": "text.grep", "from": "again", "workers": 2, "isolate": $2,
              "with": { "pattern": "9", "invert": true } },
    "picked": { "use": "lines.write", "from": "most", "with": { "path": "$WORK/picked" } },
    "slow_end": { "use": "count.records", "from": "slow" },
    "count": { "use": "lines.write", "from": "slow_end", "with": { "path": "$WORK/count" } } } }
END
}

check() {
    cmp "$WORK/input" "$WORK/all" || fail "$1: a reader of the broadcast got something else"
    cmp "$WORK/input" "$WORK/passed" || fail "$1: what was passed on twice is something else"
    cmp "$WORK/no-nine" "$WORK/picked" || fail "$1: what two workers picked is something else"
    [ "$(cat "$WORK/count")" = "$LINES" ] || fail "$1: the slow reader missed records"
    rm "$WORK/all" "$WORK/passed" "$WORK/picked" "$WORK/count"
    nothing_left "$1"
}

for memory in '' '"run": { "memory": "64MiB" },' '"run": { "memory": "2MiB" },'; do
    graph "$memory" false
    run processes
    check "processes, $memory"
    graph "$memory" true
    run threads
    check "some stages isolated, $memory"
done

# Where the system forbids so much address space or so large a file, the run does without.
graph '' false
(ulimit -f 100000 && run processes) || fail "with a limit on the size of files"
check "a limit on the size of files"
echo "arrived as written, whoever read it where"
