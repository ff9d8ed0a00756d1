#!/bin/sh
# SPDX-License-Identifier: MIT
# skew.sh BUILD: work goes to the worker that is free.  390 records of 1 ms and 10 of 50 ms, spread
# through the input, on two workers must end within 1.3 times the ideal of 0.445 s.
. "$(dirname "$0")/common.sh"

awk 'BEGIN { for (i = 0; i < 400; i++) print(i % 40 == 20 ? "50 long " i : "1 short " i) }' \
    >"$WORK/jobs"
cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "jobs": { "use": "lines.read", "with": { "path": "$WORK/jobs" } },
    "work": { "use": "sleep", "from": "jobs", "workers": 2 },
    "sink": { "use": "null", "from": "work" } } }
END

for mode in threads processes; do
    best=1000
    for try in 1 2 3; do
        run "$mode"
        [ "$(field stages sink in)" = 400 ] || fail "$mode: records are missing"
        best=$(awk -v a="$best" -v b="$(field elapsed)" 'BEGIN { print (a < b ? a : b) }')
    done
    holds "$best <= 0.445 * 1.3" "$mode: $best s"
    echo "$mode: $best s, the ideal is 0.445 s"
done
