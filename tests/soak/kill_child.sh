#!/bin/sh
# SPDX-License-Identifier: MIT
# kill_child.sh BUILD [TIMES]: a process of a run that dies ends the run with exit code 1 and a
# message that names stage, replica, pid and signal; all the others are gone within a second.
. "$(dirname "$0")/common.sh"
TIMES=${1:-20}

# graph ISOLATE: with a stage "work" of two replicas
graph() {
    cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": 1000000000000 } },
    "work": { "use": "$PLUGIN:rt.map", "from": "numbers", "workers": 2, "isolate": $1, "restart": false,
              "with": { "spin": 100 } },
    "sink": { "use": "$PLUGIN:rt.sink", "from": "work", "with": { "path": "$WORK/sink" } } } }
END
}

# strike MODE SIGNAL NUMBER
strike() {
    rm -f "$WORK/sink"
    "$TOOL" strike "$WORK/strike" --signal "$2" --when "$WORK/sink" --after $((TIMES * 3 % 50)) \
        --victim 'work[1]' -- "$FLOWRUN" "$GRAPH" --mode "$1" --report none 2>"$WORK/err"
    . "$WORK/strike"
    [ "$EXIT" = 1 ] || fail "$1: exit code $EXIT, signal $ENDED_BY"
    holds "$TOOK_MS <= 1000 && $GONE_MS <= 1000" \
        "$1: the run ended after $TOOK_MS ms, the last of it after $GONE_MS ms"
    [ "$LEFT" = 0 ] || fail "$1: $LEFT processes left"
    for words in "stage 'work' replica 1" "pid $VICTIM" "signal $3 "; do
        grep -q "$words" "$WORK/err" || fail "$1: the message does not say: $words"
    done
    nothing_left "$1"
}

while [ "$TIMES" -gt 0 ]; do
    graph false
    strike processes KILL 9
    strike processes ABRT 6
    graph true
    strike threads KILL 9
    TIMES=$((TIMES - 1))
done
cat "$WORK/err"
