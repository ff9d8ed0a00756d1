#!/bin/sh
# SPDX-License-Identifier: MIT
# hundred_million.sh BUILD [COUNT]: nothing of a long stream is lost, and memory stays under the bound
# that the plan promises.
. "$(dirname "$0")/common.sh"
COUNT=${1:-100000000}

cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": $COUNT } },
    "sink": { "use": "null", "from": "numbers" } } }
END

for mode in threads processes; do
    run "$mode"
    for value in "$(field stages numbers out)" "$(field stages sink in)" \
        "$(field edges 'numbers -> sink' received)"; do
        [ "$value" = "$COUNT" ] || fail "$mode: $value of $COUNT records"
    done
    "$FLOWRUN" explain "$GRAPH" --mode "$mode" --json >"$WORK/plan"
    bound=$(($("$TOOL" field "$WORK/plan" memory in_flight) +
        $("$TOOL" field "$WORK/plan" memory engine)))
    peak=$(field memory peak)
    holds "$peak <= $bound" "$mode: memory rose to $peak bytes, the plan's bound is $bound"
    elapsed=$(field elapsed)
    echo "$mode: $COUNT records in $elapsed s, peak $peak of $bound bytes"
done
nothing_left "runs"
