#!/bin/sh
# SPDX-License-Identifier: MIT
# speedup.sh BUILD [SQUARES]: 20 jobs for the processor on two workers run at 95 % of the ideal
# speed-up on two cores.  The ideal is half of one worker's time, or, where other programs keep the
# cores busy, what two runs with half of the jobs each take side by side.
. "$(dirname "$0")/common.sh"
SQUARES=${1:-200000000}
[ "$(nproc)" -ge 2 ] || { echo "needs two cores"; exit 77; }

awk -v n="$SQUARES" 'BEGIN { for (i = 0; i < 20; i++) print n }' >"$WORK/all"
head -n 10 "$WORK/all" >"$WORK/half"
cat >"$GRAPH" <<END
{ "flowrun": 1, "params": { "jobs": { "type": "string", "default": "$WORK/all" } }, "stages": {
    "jobs": { "use": "lines.read", "with": { "path": "\${param:jobs}" } },
    "work": { "use": "cpu.squares", "from": "jobs" },
    "sink": { "use": "null", "from": "work" } } }
END

# less A B: the smaller of the two
less() {
    awk -v a="$1" -v b="$2" 'BEGIN { print (a < b ? a : b) }'
}

# beside MODE: how long two runs take side by side [s]
beside() {
    "$FLOWRUN" "$GRAPH" --mode "$1" --param "jobs=$WORK/half" --report json 2>"$WORK/other" &
    other=$!
    run "$1" --param "jobs=$WORK/half"
    wait $other || fail "$1: the run beside it ended with $?"
    awk -v a="$(field elapsed)" -v b="$("$TOOL" field "$WORK/other" elapsed)" \
        'BEGIN { print (a > b ? a : b) }'
}

for mode in threads processes; do
    one=100000
    two=100000
    both=100000
    for try in 1 2 3 4 5; do
        run "$mode" --workers work=1
        one=$(less "$one" "$(field elapsed)")
        run "$mode" --workers work=2
        two=$(less "$two" "$(field elapsed)")
        both=$(less "$both" "$(beside "$mode")")
    done
    echo "$mode: one worker $one s, two $two s ($(awk "BEGIN { printf \"%.2f\", $one / $two }")" \
        "times); two runs side by side $both s"
    holds "$one / $two >= 1.9 || $both / $two >= 0.95" "$mode: two workers are too slow"
done
