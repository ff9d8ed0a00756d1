# SPDX-License-Identifier: MIT
#
# Sourced by the scripts that run graphs of stages; see ../../sentences.sh for what they say.

. "$(dirname "$0")/../sentences.sh"
export LC_ALL=C

# put NAME: a graph from standard input
put() {
    cat >"$1.json"
}

# runs SENTENCE NAME [OPTION]...: the graph ends well in this $mode
runs() {
    told="$mode: $1"
    graph=$2.json
    shift 2
    try "$graph" --mode "$mode" --report none "$@"
    holds "$told" [ "$code" -eq 0 ]
}

# fails SENTENCE NAME WORDS: the graph ends with an error that says WORDS
fails() {
    try "$2.json" --mode "$mode" --report none
    holds "$mode: $1" failed_with "$3"
}

failed_with() {
    [ "$code" -ne 0 ] && grep -q -e "$1" err
}

same() {
    cmp -s "$1" "$2"
}

has_checkpoint() {
    ls "$1.state" 2>/dev/null | grep -q '^checkpoint-.*json$'
}

# killed NAME: the graph is killed behind a checkpoint, and goes on with --resume
killed() {
    rm -rf "$1.state"
    "$FLOWRUN" "$1.json" --mode "$mode" --report none --checkpoint 10ms >out 2>err </dev/null &
    pid=$!
    until has_checkpoint "$1" || ! kill -0 "$pid" 2>/dev/null; do :; done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    try "$1.json" --mode "$mode" --report none --checkpoint 10ms --resume
    holds "$mode: $1 goes on after it was killed" [ "$code" -eq 0 ]
    rm -rf "$1.state"
}

done_with_all() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
