#!/bin/sh
# SPDX-License-Identifier: MIT
# signals.sh BUILD: SIGINT and SIGTERM drain a run, so that its output is whole; a second one aborts.
. "$(dirname "$0")/common.sh"

# drain MODE SIGNAL CODE
drain() {
    rm -f "$WORK/lines" "$WORK/seen"
    cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": 1000000000000 } },
    "work": { "use": "$PLUGIN:rt.map", "from": "numbers", "workers": 3, "with": { "spin": 50 } },
    "lines": { "use": "lines.write", "from": "work", "with": { "path": "$WORK/lines" } },
    "seen": { "use": "$PLUGIN:rt.sink", "from": "work", "with": { "path": "$WORK/seen" } } } }
END
    "$TOOL" strike "$WORK/strike" --signal "$2" --when "$WORK/seen" --after 20 -- \
        "$FLOWRUN" "$GRAPH" --mode "$1" --report json 2>"$WORK/err"
    . "$WORK/strike"
    [ "$EXIT" = "$3" ] || fail "$1, SIG$2: exit code $EXIT, signal $ENDED_BY"
    made=$(field stages numbers out)
    awk -v made="$made" '$0 != NR { exit 1 } END { exit NR != made }' "$WORK/lines" ||
        fail "$1, SIG$2: the output is not the numbers from 1 to $made"
    [ "$LEFT" = 0 ] || fail "$1, SIG$2: $LEFT processes left"
    nothing_left "$1, SIG$2"
    echo "$1: SIG$2 drained $made records in $TOOK_MS ms"
}

# abort MODE
abort() {
    rm -f "$WORK/seen"
    cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": 1000000000000 } },
    "slow": { "use": "sleep", "with": { "delay": "1h" },
              "from": { "stage": "numbers", "queue": { "when_full": "drop_new" } } },
    "sink": { "use": "null", "from": "slow" },
    "seen": { "use": "$PLUGIN:rt.sink", "from": "numbers", "with": { "path": "$WORK/seen" } } } }
END
    "$TOOL" strike "$WORK/strike" --signal INT --when "$WORK/seen" --again 200 -- \
        "$FLOWRUN" "$GRAPH" --mode "$1" --report none 2>"$WORK/err"
    . "$WORK/strike"
    [ "$EXIT" = 130 ] || fail "$1, two SIGINT: exit code $EXIT, signal $ENDED_BY"
    holds "$TOOK_MS >= 200" "$1: the first SIGINT must drain, but the run ended after $TOOK_MS ms"
    holds "$AFTER_LAST_MS <= 1000" "$1: $AFTER_LAST_MS ms after the second SIGINT"
    [ "$LEFT" = 0 ] || fail "$1, two SIGINT: $LEFT processes left"
    nothing_left "$1, two SIGINT"
    echo "$1: a second SIGINT aborted in $AFTER_LAST_MS ms"
}

for mode in threads processes; do
    drain $mode INT 130
    drain $mode TERM 143
    abort $mode
done
