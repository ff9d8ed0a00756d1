#!/bin/sh
# SPDX-License-Identifier: MIT
# mines.sh BUILD [RECORDS]: records that kill their worker, or on which it hangs, are set aside after
# three tries, exactly those, with payload, signal and tries; all others pass.  So where its process is
# replaced, and where the run goes back to a checkpoint.
. "$(dirname "$0")/common.sh"
RECORDS=${1:-200000}
EVERY=$((RECORDS / 4))
CHECKPOINT=

# graph TYPE HOW MORE: the records 7, EVERY + 7, ... are mines
graph() {
    cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": $RECORDS } },
    "work": { "use": "$PLUGIN:$1", "from": "numbers", "with": { "how": "$2", "every": $EVERY, "at": 7 },
              "errors": "route"$3 },
    "out": { "use": "lines.write", "from": "work", "with": { "path": "$WORK/good" } },
    "bad": { "use": "lines.write", "from": "work.errors", "with": { "path": "$WORK/bad" } } } }
END
}

# expect WHAT PATTERN: four records aside, each with these words, and the rest in order
expect() {
    run processes $CHECKPOINT
    seq 1 "$RECORDS" | awk "\$1 % $EVERY != 7" >"$WORK/right"
    [ -z "${3:-}" ] || awk '{ print NR, $1 }' "$WORK/right" >"$WORK/numbered"
    cmp -s "$WORK/${3:-right}" "$WORK/good" || fail "$1: the others are not the same"
    sed 's/.*"text":"\([0-9]*\)".*/\1/' "$WORK/bad" | sort -n >"$WORK/texts"
    seq 7 "$EVERY" "$RECORDS" | cmp -s - "$WORK/texts" || fail "$1: others were set aside: $(cat "$WORK/texts")"
    [ "$(grep -c "$2" "$WORK/bad")" = 4 ] || fail "$1: the errors do not say $2: $(cat "$WORK/bad")"
    [ "$(grep -c '"tries":3' "$WORK/bad")" = 4 ] || fail "$1: other tries: $(cat "$WORK/bad")"
    nothing_left "$1"
    back=$(field went_back)
    rm -rf "$WORK/good" "$WORK/bad" "$WORK/graph.state"
    echo "$1: set aside, went back $back times"
}

for CHECKPOINT in "" "--checkpoint 20ms"; do
    graph rt.mine segv ', "workers": 2'
    expect "a fault" '"signal":11'
    graph rt.mines abort ', "workers": 2'
    expect "an abort in a batch" '"signal":6'
    graph rt.mine exit ', "workers": 2'
    expect "an exit" 'exited with code 7'
    graph rt.mine hang ', "workers": 2, "timeout": "150ms"'
    expect "a hang" 'took longer for it than'
done
graph rt.keep segv ""
expect "a fault of a stage with state" '"signal":11' numbered
graph rt.keep hang ', "timeout": "150ms"'
expect "a hang of a stage with state" 'took longer for it than' numbered
