#!/bin/sh
# SPDX-License-Identifier: MIT
# tiny_runs.sh BUILD [COUNT]: so many runs of a tiny graph, half of them in processes, leave no
# process, no file and no shared memory.
. "$(dirname "$0")/common.sh"
COUNT=${1:-10000}

cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": 3 } },
    "sink": { "use": "null", "from": "numbers" } } }
END
cat >"$WORK/loop" <<'END'
i=0
while [ $i -lt "$3" ]; do
    mode=threads
    [ $((i % 2)) = 0 ] || mode=processes
    "$1" "$2" --mode $mode --quiet || exit 1
    i=$((i + 1))
done
END

ls -A /dev/shm >"$WORK/shm"
"$TOOL" watch "$WORK/watch" sh "$WORK/loop" "$FLOWRUN" "$GRAPH" "$COUNT" 2>"$WORK/err"
. "$WORK/watch"
[ "$EXIT" = 0 ] || fail "a run ended with exit code $EXIT"
[ "$LEFT" = 0 ] || fail "$LEFT processes left"
nothing_left "$COUNT runs"
ls -A /dev/shm | diff "$WORK/shm" - >&2 || fail "/dev/shm is not as it was"
echo "$COUNT runs in $TOOK_MS ms, nothing left"
