#!/bin/sh
# SPDX-License-Identifier: MIT
# speedup.sh BUILD [SQUARES]: 20 jobs for the processor on two workers run at 95 % of the ideal
# speed-up on two cores.
. "$(dirname "$0")/common.sh"
SQUARES=${1:-200000000}
[ "$(nproc)" -ge 2 ] || { echo "needs two cores"; exit 77; }

awk -v n="$SQUARES" 'BEGIN { for (i = 0; i < 20; i++) print n }' >"$WORK/jobs"
cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "jobs": { "use": "lines.read", "with": { "path": "$WORK/jobs" } },
    "work": { "use": "cpu.squares", "from": "jobs" },
    "sink": { "use": "null", "from": "work" } } }
END

# best MODE WORKERS: the shortest of three runs [s]
best() {
    shortest=100000
    for try in 1 2 3; do
        run "$1" --workers "work=$2"
        shortest=$(awk -v a="$shortest" -v b="$(field elapsed)" 'BEGIN { print (a < b ? a : b) }')
    done
    echo "$shortest"
}

for mode in threads processes; do
    one=$(best "$mode" 1)
    two=$(best "$mode" 2)
    echo "$mode: one worker $one s, two $two s: $(awk "BEGIN { printf \"%.3f\", $one / $two }") times"
    holds "$one / $two >= 1.9" "$mode: two workers are too slow"
done
