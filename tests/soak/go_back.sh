#!/bin/sh
# SPDX-License-Identifier: MIT
# go_back.sh BUILD [TIMES] [RECORDS] [MS]: processes of any kind (producers, workers, stages with state,
# consumers) are killed at any moment in a run that takes checkpoints.  It goes back to the last one
# each time; output and counts are those of an undisturbed run.  TIMES kills for each graph, about MS apart.
. "$(dirname "$0")/common.sh"
TIMES=${1:-200}
RECORDS=${2:-10000000}
MS=${3:-150}
TOTAL=0
BACK=0
RESTART='"restart": { "tries": 1000000, "backoff": "1ms", "max": "50ms" }'

cd "$WORK"
seq 1 $((RECORDS / 4)) | awk '{ print "line", $1, "word" ($1 * 7919) % 1009 }' >in.txt
READ='"read": { "use": "lines.read", "with": { "path": "in.txt" }, '$RESTART' }'
NUMBERS='"numbers": { "use": "gen.sequence", "with": { "count": '$RECORDS' }, '$RESTART' }'

# write NAME FROM: a stage that writes to a file of that name
write() {
    echo "\"$1\": { \"use\": \"lines.write\", \"from\": \"$2\", \"with\": { \"path\": \"$1.txt\" }, $RESTART }"
}

# worker NAME USE FROM [MORE]
worker() {
    echo "\"$1\": { \"use\": \"$2\", \"from\": $3, $RESTART${4:+, $4} }"
}

graph() {
    echo "{ \"flowrun\": 1, \"stages\": { $* } }" >"$GRAPH"
}

# What every stage and edge has counted.
counts() {
    "$TOOL" counts "$WORK/err" >"$1" || fail "no report"
}

# compare WHAT MODE FILES LABEL...: run the graph undisturbed and under kills
compare() {
    what=$1 mode=$2 files=$3
    shift 3
    run "$mode" --checkpoint 20ms
    rm -rf graph.state
    calm=$(field elapsed)
    counts counts.truth
    for file in $files; do mv "$file.txt" "$file.truth"; done
    "$TOOL" hail hail graph.state "$TIMES" "$MS" "$@" -- \
        "$FLOWRUN" "$GRAPH" --mode "$mode" --checkpoint 20ms --report json >out 2>err
    . ./hail
    [ "$EXIT" = 0 ] || fail "$what: exit code $EXIT, after $KILLED kills"
    [ "$HUNG$LEFT" = 00 ] || fail "$what: hung $HUNG, $LEFT processes left"
    for file in $files; do
        cmp "$file.txt" "$file.truth" || fail "$what: $file is another after $KILLED kills"
    done
    counts counts.got
    cmp counts.truth counts.got || fail "$what: counts are others after $KILLED kills"
    left=$(ls | grep '\.part-' || true)
    [ -z "$left" ] || fail "$what: left behind: $left"
    nothing_left "$what"
    back=$(field went_back)
    TOTAL=$((TOTAL + KILLED))
    BACK=$((BACK + back))
    rm -rf graph.state
    echo "$what: $KILLED kills, went back $back times, the same; $calm s undisturbed, $(field elapsed) s so"
}

graph "$NUMBERS, $(worker work text.grep '"numbers"' '"workers": 2, "with": { "pattern": "[0-46-9]$" }')," \
    "$(write out work), $(write rest work.unmatched)"
compare "in order" processes "out rest" numbers 'work[0]' 'work[1]' out rest

graph "$READ, $(worker words text.words '"read"' '"workers": 2')," \
    "$(worker count count.keys '{ "stage": "words", "share": "key" }' '"workers": 2')," \
    "$(worker top sort.top '"count"' '"with": { "n": 50 }'), $(write print top)"
compare "words counted by key" processes print read 'words[0]' 'words[1]' 'count[0]' 'count[1]' top print

graph "$NUMBERS, $(worker left "$PLUGIN:rt.map" '"numbers"' '"workers": 2, "with": { "kind": "xor" }')," \
    "$(worker right count.records '"numbers"')," \
    "$(worker both count.records '["left", "right"]'), $(write total both), $(write copy left)"
compare "a diamond" processes "total copy" numbers 'left[0]' 'left[1]' right both total copy

graph "$NUMBERS, $(write one numbers), $(write two numbers), $(worker count count.records '"numbers"')," \
    "$(write three count)"
compare "to all" processes "one two three" numbers one two count three

graph "$NUMBERS, $(worker work text.grep '"numbers"' '"with": { "pattern": "5" }, "isolate": true')," \
    "$(worker count count.records '"work"' '"isolate": true'), $(write out work), $(write total count)"
compare "groups of a run in threads" threads "out total" work count

echo "$TOTAL kills, went back $BACK times"
holds "$TOTAL >= $TIMES * 2" "hardly anything was killed"
holds "$BACK > 0 && $BACK <= $TOTAL" "it did not go back once for each death, or for several at once"
