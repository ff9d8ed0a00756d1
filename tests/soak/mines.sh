#!/bin/sh
# SPDX-License-Identifier: MIT
# mines.sh BUILD [RECORDS]: records that kill their worker, or on which it hangs, are set aside after
# three tries, exactly those, with payload, signal and tries; all others pass.
. "$(dirname "$0")/common.sh"
RECORDS=${1:-200000}
EVERY=$((RECORDS / 4))

# graph TYPE HOW MORE: the records 7, EVERY + 7, ... are mines
graph() {
    cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": $RECORDS } },
    "work": { "use": "$PLUGIN:$1", "from": "numbers", "with": { "how": "$2", "every": $EVERY, "at": 7 },
              "errors": "route", "workers": 2$3 },
    "out": { "use": "lines.write", "from": "work", "with": { "path": "$WORK/good" } },
    "bad": { "use": "lines.write", "from": "work.errors", "with": { "path": "$WORK/bad" } } } }
END
}

# expect WHAT PATTERN: four records aside, each with these words, and the rest in order
expect() {
    run processes
    seq 1 "$RECORDS" | awk "\$1 % $EVERY != 7" | cmp -s - "$WORK/good" || fail "$1: the others are not the same"
    sed 's/.*"text":"\([0-9]*\)".*/\1/' "$WORK/bad" | sort -n >"$WORK/texts"
    seq 7 "$EVERY" "$RECORDS" | cmp -s - "$WORK/texts" || fail "$1: others were set aside: $(cat "$WORK/texts")"
    [ "$(grep -c "$2" "$WORK/bad")" = 4 ] || fail "$1: the errors do not say $2: $(cat "$WORK/bad")"
    [ "$(grep -c '"tries":3' "$WORK/bad")" = 4 ] || fail "$1: other tries: $(cat "$WORK/bad")"
    nothing_left "$1"
    rm -f "$WORK/good" "$WORK/bad"
    echo "$1: set aside"
}

graph rt.mine segv ""
expect "a fault" '"signal":11'
graph rt.mines abort ""
expect "an abort in a batch" '"signal":6'
graph rt.mine exit ""
expect "an exit" 'exited with code 7'
graph rt.mine hang ', "timeout": "150ms"'
expect "a hang" 'took longer for it than'
