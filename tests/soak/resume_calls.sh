#!/bin/sh
# SPDX-License-Identifier: MIT
# resume_calls.sh BUILD [CALLS [STEP [MODE...]]]: a run is killed at its n-th system call of a kind, for
# n up to CALLS in steps, or gets an error from it; --resume then ends with the output of an
# undisturbed run, to the byte.
. "$(dirname "$0")/common.sh"
CALLS=${1:-200}
STEP=${2:-1}
[ $# -lt 2 ] || shift 2
MODES=${*:-threads processes}

if ! strace -qq -o /dev/null true 2>/dev/null; then
    echo "skipped: strace is not there, or may not trace"
    exit 77
fi
cd "$WORK"
seq 1 100000 | awk '{ print "line", $1, "word" ($1 * 7919) % 1009 }' >in.txt
cat >graph.json <<END
{ "flowrun": 1, "stages": {
    "read":  { "use": "lines.read", "with": { "path": "in.txt" } },
    "words": { "use": "text.words", "from": "read", "with": { "count": true } },
    "count": { "use": "count.keys", "from": "words", "with": { "sum": true } },
    "top":   { "use": "sort.top", "from": "count", "with": { "n": 50 } },
    "print": { "use": "lines.write", "from": "top", "with": { "path": "top.txt" } },
    "copy":  { "use": "lines.write", "from": "read", "with": { "path": "copy.txt" } } } }
END
"$FLOWRUN" graph.json --quiet || fail "undisturbed: exit code $?"
mkdir truth
mv top.txt copy.txt truth

# One run, disturbed at call $n of $call by $what, then the others until it is done.
try() {
    rm -rf graph.state top.txt copy.txt
    code=0
    strace -f -qq -o /dev/null -e trace="$call" -e inject="$call:$what:when=$n" \
        "$FLOWRUN" graph.json --mode "$mode" --checkpoint 10ms --report none 2>err || code=$?
    if [ "$code" != 0 ]; then
        disturbed=$((disturbed + 1))
        "$FLOWRUN" graph.json --mode "$mode" --resume --report none 2>err ||
            fail "$mode, $call $n, $what: exit code $? when resumed (first: $code)"
    fi
    for file in top.txt copy.txt; do
        cmp "$file" "truth/$file" || fail "$mode, $call $n, $what: $file is another"
    done
}

tries=0
disturbed=0
for mode in $MODES; do
    for call in write fsync renameat,rename openat ftruncate; do
        for what in signal=KILL error=ENOSPC; do
            n=1
            while [ "$n" -le "$CALLS" ]; do
                try
                tries=$((tries + 1))
                n=$((n + STEP))
            done
        done
    done
done
echo "disturbed $disturbed of $tries runs, in $MODES: the same to the byte"
