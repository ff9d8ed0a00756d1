#!/bin/sh
# SPDX-License-Identifier: MIT
# resume_calls.sh BUILD [CALLS [STEP [MODE...]]]: a run is killed at its n-th call of a kind, for n up
# to CALLS in steps, or gets an error from it; --resume then ends with the output of an undisturbed
# run, to the byte.  Ends early with a call that the run does not make so often.
#
# BY=preload (the default) counts the calls of the whole run and kills the process that makes the
# n-th; BY=strace disturbs the n-th of each thread, from outside, and sees what the C library calls.
. "$(dirname "$0")/common.sh"
CALLS=${1:-200}
STEP=${2:-1}
[ $# -lt 2 ] || shift 2
MODES=${*:-threads processes}
BY=${BY:-preload}
KINDS=${KINDS:-write fsync rename openat ftruncate socket mmap}

if [ "$BY" = strace ] && ! strace -qq -o /dev/null true 2>/dev/null; then
    echo "skipped: strace is not there, or may not trace"
    exit 77
fi
cd "$WORK"
seq 1 100000 | awk '{ print "line", $1, "word" ($1 * 7919) % 1009 }' >in.txt
cat >graph.json <<END
{ "flowrun": 1, "run": { "stall": "5s", "on_stall": "stop" }, "stages": {
    "read":  { "use": "lines.read", "with": { "path": "in.txt" } },
    "words": { "use": "text.words", "from": "read", "with": { "count": true } },
    "count": { "use": "count.keys", "from": "words", "with": { "sum": true } },
    "top":   { "use": "sort.top", "from": "count", "with": { "n": 50 } },
    "print": { "use": "lines.write", "from": "top", "with": { "path": "top.txt", "on_full": "fail" } },
    "copy":  { "use": "lines.write", "from": "read", "with": { "path": "copy.txt" } } } }
END
"$FLOWRUN" graph.json --quiet || fail "undisturbed: exit code $?"
mkdir truth
mv top.txt copy.txt truth

# What a call of a kind fails with.
error_of() {
    case $1 in
    write | rename) echo ENOSPC 28 ;;
    openat | socket) echo EMFILE 24 ;;
    mmap) echo ENOMEM 12 ;;
    *) echo EIO 5 ;;
    esac
}

# The run, disturbed at call $n of $call by $what; false: there was no such call.
disturb() {
    code=0
    set -- "$FLOWRUN" graph.json --mode "$mode" --checkpoint 10ms --report none
    if [ "$BY" = strace ]; then
        traced=$call
        [ "$call" != rename ] || traced=renameat,rename
        inject="error=${what% *}"
        [ "$what" != KILL ] || inject=signal=KILL
        timeout -s KILL 60 strace -f -qq -o trace -e trace="$traced" \
            -e inject="$traced:$inject:when=$n" "$@" 2>err || code=$?
        grep -q 'INJECTED\|killed by SIGKILL' trace || return 1
    else
        head -c 8 /dev/zero >counted
        number=${what#* }
        [ "$what" != KILL ] || number=0
        timeout -s KILL 60 env CALL_NAME="$call" CALL_AT="$n" CALL_ERRNO="$number" \
            CALL_COUNT="$WORK/counted" LD_PRELOAD="$BUILD/tests/soak/call_fail.so" "$@" 2>err || code=$?
        made=$(od -An -t u8 counted)
        [ "$made" -ge "$n" ] || return 1
    fi
}

# One run, disturbed, then the others until it is done; false: there was no such call.
try() {
    rm -rf graph.state top.txt copy.txt
    begun=$(date +%s)
    disturb || return 1
    tries=$((tries + 1))
    [ $(($(date +%s) - begun)) -lt 58 ] || fail "$mode, $call $n, $what: it hangs"
    if [ "$code" != 0 ]; then
        disturbed=$((disturbed + 1))
        "$FLOWRUN" graph.json --mode "$mode" --resume --report none 2>err ||
            fail "$mode, $call $n, $what: exit code $? when resumed (first: $code)"
    fi
    for file in top.txt copy.txt; do
        cmp "$file" "truth/$file" || fail "$mode, $call $n, $what: $file is another (code $code)"
    done
}

# disturb_all WHAT: at each of the calls; `reached` is the last one there was
disturb_all() {
    what=$1
    n=1
    while [ "$n" -le "$CALLS" ] && try; do
        [ "$n" -le "$reached" ] || reached=$n
        n=$((n + STEP))
    done
}

for mode in $MODES; do
    tries=0 disturbed=0 seen=''
    for call in $KINDS; do
        reached=0
        disturb_all KILL
        disturb_all "$(error_of "$call")"
        seen="$seen $call $reached"
    done
    [ "$tries" -gt 0 ] || fail "$mode: no call was disturbed"
    echo "$mode, $BY: disturbed at the first calls of$seen: $tries runs, $disturbed of which ended early: the same to the byte"
done
