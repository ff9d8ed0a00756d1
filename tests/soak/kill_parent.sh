#!/bin/sh
# SPDX-License-Identifier: MIT
# kill_parent.sh BUILD [TIMES]: kill -9 of the launching process at random moments leaves no orphan,
# and no folder that outlives the next run.
. "$(dirname "$0")/common.sh"
TIMES=${1:-100}

cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": 1000000000000 } },
    "work": { "use": "$PLUGIN:rt.map", "from": "numbers", "workers": 3, "with": { "kind": "xor" } },
    "slow": { "use": "sleep", "from": "numbers", "with": { "delay": "5ms" } },
    "sink": { "use": "null", "from": ["work", "slow"] } } }
END

cat >"$WORK/next.json" <<END
{ "flowrun": 1, "stages": { "numbers": { "use": "gen.sequence", "with": { "count": 1 }, "fuse": false },
                            "sink": { "use": "null", "from": "numbers", "fuse": false } } }
END

# Killed between making its folder and starting its first process, nobody is left to remove it.  It
# is empty then, and the next run sweeps it away.
sweep_empty() {
    for folder in "$WORK/run"/flowrun-*; do
        if [ -d "$folder" ] && [ -z "$(ls -A "$folder")" ]; then
            "$FLOWRUN" "$WORK/next.json" --mode processes --quiet || fail "the next run: exit code $?"
            return
        fi
    done
}

moments=$(awk -v n="$TIMES" -v seed="$$" 'BEGIN { srand(seed); for (; n > 0; n--) print int(rand() * 300) }')
for moment in $moments; do
    "$TOOL" strike "$WORK/strike" --signal KILL --after "$moment" -- \
        "$FLOWRUN" "$GRAPH" --mode processes --quiet 2>"$WORK/err"
    . "$WORK/strike"
    [ "$ENDED_BY" = 9 ] || fail "struck after $moment ms: exit code $EXIT, signal $ENDED_BY"
    [ "$LEFT" = 0 ] || fail "killed after $moment ms: $LEFT orphans"
    holds "$GONE_MS <= 2000" "killed after $moment ms: orphans lived for $GONE_MS ms"
    sweep_empty
    nothing_left "killed after $moment ms"
done
echo "killed $TIMES times, nothing left"
