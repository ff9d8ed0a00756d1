#!/bin/sh
# SPDX-License-Identifier: MIT
# kill_rate.sh BUILD [KILLS] [RECORDS] [SIZE...]: what deaths cost.  A long stream is searched for one line
# in ten by one worker and by two, undisturbed and with about KILLS of them killed (-9) at any moment,
# evenly over the run; the output must be the same to the byte.  SIZE: of a record [bytes].
. "$(dirname "$0")/common.sh"
KILLS=${1:-1000}
RECORDS=${2:-100000000}
[ $# -lt 2 ] && set -- || shift 2
[ $# -gt 0 ] || set -- 10 100

# graph SIZE WORKERS
graph() {
    cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "bell": { "use": "gen.sequence", "with": { "count": 1 } },
    "begun": { "use": "$PLUGIN:rt.sink", "from": "bell", "with": { "path": "$WORK/begun" } },
    "numbers": { "use": "gen.sequence", "with": { "count": $RECORDS, "size": $1 } },
    "work": { "use": "text.grep", "with": { "pattern": "7\$" }, "from": "numbers", "workers": $2,
              "restart": { "tries": 1000000, "backoff": "1ms", "max": "50ms" } },
    "out": { "use": "lines.write", "from": "work", "with": { "path": "$WORK/out" } } } }
END
}

# measure SIZE WORKERS LABEL...
measure() {
    size=$1 workers=$2
    shift 2
    graph "$size" "$workers"
    run processes
    calm=$(field elapsed)
    cksum <"$WORK/out" >"$WORK/truth"
    rm -f "$WORK/out" "$WORK/begun"
    # So many that they last to its end, if a kill costs what it does on an idle machine; and a worker
    # that is killed before it has got anything done, again and again, would be held back (backoff).
    apart=$(awk "BEGIN { print int($calm * 1000 / $KILLS + 7 / $workers + 0.5) }")
    "$TOOL" hail "$WORK/hail" "$WORK/begun" "$KILLS" "$apart" "$@" -- \
        "$FLOWRUN" "$GRAPH" --mode processes --report json >"$WORK/log" 2>"$WORK/err"
    . "$WORK/hail"
    [ "$EXIT" = 0 ] || fail "size $size, workers $workers: exit code $EXIT after $KILLED kills"
    [ "$HUNG$LEFT" = 00 ] || fail "size $size, workers $workers: hung $HUNG, $LEFT processes left"
    cksum <"$WORK/out" | cmp -s - "$WORK/truth" || fail "size $size, workers $workers: another output"
    rm -f "$WORK/out" "$WORK/begun"
    so=$(field elapsed)
    awk "BEGIN { printf \"| %d | %d | %d | %.1f s | %.1f s | %.1f ms | %.0f %% |\\n\", $size, $workers, $KILLED, \\
        $calm, $so, ($so - $calm) / ($KILLED + ($KILLED == 0)) * 1000, 100 * $calm / $so }"
}

echo "$RECORDS records, the output the same to the byte"
echo "| bytes | workers | kills | undisturbed | so | a kill | rate |"
echo "|---|---|---|---|---|---|---|"
for size; do
    measure "$size" 1 work
    measure "$size" 2 'work[0]' 'work[1]'
done
nothing_left "runs"
