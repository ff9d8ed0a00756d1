#!/bin/sh
# SPDX-License-Identifier: MIT
# chain.sh BUILD [STAGES] [RECORDS] [MODE...]: many stages in a row start, run and end.
. "$(dirname "$0")/common.sh"
if [ $# -eq 0 ]; then
    set -- 1000 1000000 threads
    "$0" "$BUILD" 200 1000000 processes
fi
STAGES=$1
RECORDS=$2
shift 2

awk -v stages="$STAGES" -v records="$RECORDS" -v use="$PLUGIN:rt.forward_batch" 'BEGIN {
    print "{ \"flowrun\": 1, \"stages\": {"
    print "\"s1\": { \"use\": \"gen.sequence\", \"with\": { \"count\": " records " } },"
    for (i = 2; i < stages; i++)
        print "\"s" i "\": { \"use\": \"" use "\", \"from\": \"s" i - 1 "\" },"
    print "\"s" stages "\": { \"use\": \"null\", \"from\": \"s" stages - 1 "\" } } }"
}' >"$GRAPH"

for mode; do
    "$TOOL" watch "$WORK/watch" "$FLOWRUN" "$GRAPH" --mode "$mode" --report json 2>"$WORK/err"
    . "$WORK/watch"
    [ "$EXIT" = 0 ] || fail "$mode, $STAGES stages: exit code $EXIT"
    arrived=$(field stages "s$STAGES" in)
    [ "$arrived" = "$RECORDS" ] || fail "$mode, $STAGES stages: $arrived of $RECORDS arrived"
    [ "$LEFT" = 0 ] || fail "$mode, $STAGES stages: $LEFT processes left"
    nothing_left "$mode, $STAGES stages"
    echo "$mode: $RECORDS records through $STAGES stages in $TOOK_MS ms"
done
