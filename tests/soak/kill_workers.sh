#!/bin/sh
# SPDX-License-Identifier: MIT
# kill_workers.sh BUILD [TIMES] [RECORDS] [MS] [INTERVAL]: workers that are killed at any moment are
# replaced, and the output is the same to the byte.  TIMES kills for each graph, about MS apart; with
# INTERVAL beside checkpoints, where the run goes back to one for those that would need a sequencer.
. "$(dirname "$0")/common.sh"
TIMES=${1:-1000}
RECORDS=${2:-100000000}
MS=${3:-20}
CHECKPOINT=${4:+--checkpoint $4 --state $WORK/state}
TOTAL=0
BACK=0
GREP='"use": "text.grep", "with": { "pattern": "[0-46-9]$" }'
RESTART='"restart": { "tries": 1000000, "backoff": "1ms", "max": "50ms" }'
NUMBERS='"numbers": { "use": "gen.sequence", "with": { "count": '$RECORDS' } }'

# write NAME FROM: a stage that writes to a file of that name
write() {
    echo "\"$1\": { \"use\": \"lines.write\", \"from\": \"$2\", \"with\": { \"path\": \"$WORK/$1\" } }"
}

# graph STAGES...: and a file that says that the run has begun
graph() {
    cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "bell": { "use": "gen.sequence", "with": { "count": 1 } },
    "begun": { "use": "$PLUGIN:rt.sink", "from": "bell", "with": { "path": "$WORK/begun" } },
    $* } }
END
}

# digest FILE KIND: of its bytes, or of its records in any order
digest() {
    case $2 in
    exact) cksum <"$1" ;;
    any) sed 's/"replica":[0-9]*,"record":[0-9]*,//' "$1" | LC_ALL=C sort | cksum ;;
    esac
}

# compare WHAT KIND FILES LABEL...: run the graph undisturbed and under kills
compare() {
    what=$1 kind=$2 files=$3
    shift 3
    for file in $files; do rm -f "$WORK/$file"; done
    # shellcheck disable=SC2086
    run processes $CHECKPOINT
    rm -rf "$WORK/state"
    calm=$(field elapsed)
    for file in $files; do
        digest "$WORK/$file" "$kind" >"$WORK/$file.truth"
        rm -f "$WORK/$file"
    done
    rm -f "$WORK/begun"
    # shellcheck disable=SC2086
    "$TOOL" hail "$WORK/hail" "$WORK/begun" "$TIMES" "$MS" "$@" -- \
        "$FLOWRUN" "$GRAPH" --mode processes $CHECKPOINT --report json >"$WORK/out" 2>"$WORK/err"
    rm -rf "$WORK/state"
    . "$WORK/hail"
    [ "$EXIT" = 0 ] || fail "$what: exit code $EXIT, after $KILLED kills"
    [ "$HUNG$LEFT" = 00 ] || fail "$what: hung $HUNG, $LEFT processes left"
    back=$(field went_back)
    BACK=$((BACK + back))
    TOTAL=$((TOTAL + KILLED))
    for file in $files; do
        digest "$WORK/$file" "$kind" >"$WORK/$file.got"
        cmp -s "$WORK/$file.truth" "$WORK/$file.got" || fail "$what: $file is another after $KILLED kills"
        rm -f "$WORK/$file"
    done
    nothing_left "$what"
    echo "$what: $KILLED kills, went back $back times, the same; $calm s undisturbed, $(field elapsed) s so"
}

graph "$NUMBERS, \"work\": { $GREP, \"from\": \"numbers\", \"workers\": 2, $RESTART }, $(write out work)"
compare "in order" exact out 'work[0]' 'work[1]'

graph "$NUMBERS, \"work\": { $GREP, \"from\": \"numbers\", \"workers\": 3, $RESTART }," \
    "$(write out work), $(write rest work.unmatched)"
compare "in order, to two" exact "out rest" 'work[0]' 'work[1]' 'work[2]'

graph "$NUMBERS, \"work\": { $GREP, \"from\": \"numbers\", $RESTART }, $(write out work)"
compare "one worker" exact out work

graph "$NUMBERS, \"one\": { $GREP, \"from\": \"numbers\", $RESTART }," \
    "\"two\": { $GREP, \"from\": \"one\", \"workers\": 2, $RESTART }, $(write out two), $(write rest one.unmatched)"
compare "in a row" exact "out rest" one 'two[0]' 'two[1]'

graph "$NUMBERS, \"one\": { $GREP, \"from\": \"numbers\", \"workers\": 2, $RESTART }," \
    "\"two\": { $GREP, \"from\": \"one\", \"workers\": 2, $RESTART }," \
    "\"three\": { $GREP, \"from\": \"two\", \"workers\": 2, $RESTART }," \
    "$(write out three), $(write rest one.unmatched), $(write left two.unmatched)"
compare "three in a row" exact "out rest left" 'one[0]' 'one[1]' 'two[0]' 'two[1]' 'three[0]' 'three[1]'

# What is compared sorted is made of fewer records.
RECORDS=$((RECORDS / 10 + 1))
NUMBERS='"numbers": { "use": "gen.sequence", "with": { "count": '$RECORDS' } }'

graph "$NUMBERS, \"work\": { $GREP, \"from\": \"numbers\", \"workers\": 2, \"order\": \"none\", $RESTART }, $(write out work)"
compare "in no order" any out 'work[0]' 'work[1]'

graph "$NUMBERS, \"work\": { $GREP, \"from\": \"numbers\", \"workers\": 2, \"order\": \"none\", $RESTART }," \
    "\"count\": { \"use\": \"count.keys\", \"from\": { \"stage\": \"work\", \"share\": \"key\" }, \"workers\": 2 }, $(write out count)"
compare "by key" any out 'work[0]' 'work[1]'

graph "$NUMBERS, \"work\": { \"use\": \"$PLUGIN:rt.fail\", \"from\": \"numbers\", \"with\": { \"bad\": 5 }," \
    "\"errors\": \"route\", \"workers\": 2, \"order\": \"none\", $RESTART }, $(write out work), $(write errors work.errors)"
compare "with errors" any "out errors" 'work[0]' 'work[1]'

HOLD='"use": "'$PLUGIN':rt.hold", "with": { "bad": 5, "salt": 40 }, "errors": "route"'
graph "$NUMBERS, \"work\": { $HOLD, \"from\": \"numbers\", \"workers\": 2, $RESTART }, $(write out work), $(write errors work.errors)"
compare "with records in flight" any "out errors" 'work[0]' 'work[1]'

graph "$NUMBERS, \"work\": { $HOLD, \"from\": \"numbers\", $RESTART }, $(write out work), $(write errors work.errors)"
compare "with records in flight, one worker" exact "out errors" work

holds "$BACK <= $TOTAL / 2" "it hardly replaced anything: went back $BACK times"
holds "$TOTAL >= $TIMES / 4" "hardly anything was killed: $TOTAL times in all"
