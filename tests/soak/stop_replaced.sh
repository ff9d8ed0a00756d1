#!/bin/sh
# SPDX-License-Identifier: MIT
# stop_replaced.sh BUILD [TIMES]: a run that is asked to stop while one of its processes is being
# replaced ends as any other: what is in flight arrives, and the exit code is 130.
. "$(dirname "$0")/common.sh"
TIMES=${1:-20}

cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": 1000000000000 } },
    "work": { "use": "$PLUGIN:rt.map", "from": "numbers", "workers": 2, "restart": { "tries": 1000 },
              "with": { "spin": 100 } },
    "sink": { "use": "$PLUGIN:rt.sink", "from": "work", "with": { "path": "$WORK/sink" } } } }
END

# worker PARENT: the pid of a process of PARENT that runs a stage "work"
worker() {
    for child in $(pgrep -P "$1"); do
        cat /proc/"$child"/task/*/comm 2>/dev/null | grep -q '^work' && echo "$child" && return
    done
}

try=0
while [ "$try" -lt "$TIMES" ]; do
    rm -f "$WORK/sink"
    timeout 30 "$FLOWRUN" "$GRAPH" --mode processes --report none 2>"$WORK/err" &
    outer=$!
    until [ -s "$WORK/sink" ]; do kill -0 "$outer" || fail "the run ended by itself"; done
    run=$(pgrep -P "$outer")
    kill -KILL "$(worker "$run")"
    [ $((try % 2)) -eq 0 ] || until grep -q "is replaced" "$WORK/err"; do kill -0 "$outer" || break; done
    kill -INT "$run"
    code=0
    wait "$outer" || code=$?
    [ "$code" = 130 ] || fail "exit code $code: $(cat "$WORK/err")"
    nothing_left "stopped"
    try=$((try + 1))
done
echo "stopped $TIMES times"
