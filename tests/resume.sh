#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checkpoints as people meet them: what is promised, refused and said, and how a run goes on.

set -eu

. "$(dirname "$0")/sentences.sh"

came() {
    [ "$code" -eq "$1" ] && { [ -z "$2" ] || grep -q -e "$2" err; }
}

says() {
    grep -q -e "$1" "${2:-out}"
}

same() {
    cmp -s "$1" "$2"
}

gone() {
    for file in "$@"; do
        [ ! -e "$file" ] || return 1
    done
}

# What a graph reads and writes, at a pace that leaves time to interrupt it: each line takes 20 us.
seq 1 20000 | sed 's/^/line /' >in.txt
cat >copy.json <<'END'
{
  "flowrun": 1,
  "run": { "checkpoint": "20ms", "state": true },
  "stages": {
    "read": { "use": "lines.read", "with": { "path": "in.txt" } },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "20us" } },
    "print": { "use": "lines.write", "from": "wait", "with": { "path": "out.txt" } },
    "count": { "use": "count.records", "from": "wait" },
    "total": { "use": "lines.write", "from": "count", "with": { "path": "total.txt" } }
  }
}
END
echo 20000 >20000.txt

# has_checkpoint FOLDER: there is one.
has_checkpoint() {
    ls "$1" 2>/dev/null | grep -q '^checkpoint-.*json$'
}

# interrupt SIGNAL MODE [OPTION...]: a run that gets the signal once it has made a checkpoint.
interrupt() {
    signal=$1
    shift
    code=0
    "$FLOWRUN" copy.json --report none --mode "$@" >out 2>err </dev/null &
    pid=$!
    until has_checkpoint copy.state || ! kill -0 "$pid" 2>/dev/null; do :; done
    kill "-$signal" "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || code=$?
}

for mode in threads processes; do
    interrupt KILL "$mode"
    holds "$mode: a run that is killed leaves no output" gone out.txt total.txt
    try copy.json --mode "$mode"
    holds "$mode: a run that could go on is not begun anew" \
        came 3 "copy.state' holds a run that was interrupted, with checkpoint .*: go on with --resume"
    try copy.json --mode "$mode" --resume --report none
    holds "$mode: with --resume it goes on" came 0 "^going on from checkpoint [0-9]* in 'copy.state'"
    holds "$mode: and ends with the same output" same in.txt out.txt
    holds "$mode: and the same state" same total.txt 20000.txt
    rm out.txt
    try copy.json --mode "$mode" --resume --report none
    holds "$mode: a run that is done says so" came 0 "the run in 'copy.state' is done"
    holds "$mode: and does nothing" gone out.txt
    try copy.json --mode "$mode" --report none
    holds "$mode: without --resume it begins anew" same in.txt out.txt
    rm -r copy.state out.txt total.txt

    interrupt INT "$mode"
    holds "$mode: a run that is stopped stops at a checkpoint" \
        came 130 'stopped at checkpoint [0-9]*: --resume goes on from there'
    holds "$mode: and leaves no output" gone out.txt total.txt
    try copy.json --mode "$mode" --resume --report none
    holds "$mode: it goes on" came 0 'going on from checkpoint'
    holds "$mode: and ends with the same output too" same in.txt out.txt
    holds "$mode: no file is left over" gone out.txt.part-print total.txt.part-total
    rm -r copy.state out.txt total.txt
done

# ---- the other mode, another graph, another input, another run ----

interrupt KILL processes
sed 's/20us/30us/' copy.json >other.json
try other.json --state copy.state --resume
holds "another graph's name is refused" came 3 "it is of a run of the graph 'copy', and this is 'other'"
mv copy.json kept.json
mv other.json copy.json
try copy.json --resume
holds "a stage that has changed is named" came 3 "stage 'wait' is not what it was at the checkpoint"
sed 's/"use": "sleep"/"workers": 2, &/' kept.json >copy.json
try copy.json --resume
holds "so is one with another number of workers" \
    came 3 "stage '.*wait.*' \(had 1 worker at the checkpoint, and has 2 now\|is not what it was\)"
mv kept.json copy.json
cp in.txt kept.txt
sed 's/line/LINE/' kept.txt >in.txt
try copy.json --resume
holds "an input that has changed is named" came 1 "'in.txt' is not the file that was read before"
mv kept.txt in.txt
mv out.txt.part-print kept.part
: >out.txt.part-print
try copy.json --resume
holds "an output that has become shorter is named" came 1 "'out.txt.part-print' has 0 bytes"
mv kept.part out.txt.part-print
try copy.json --resume --mode threads --report none
holds "a run may go on in the other mode" same in.txt out.txt
rm -r copy.state out.txt total.txt

"$FLOWRUN" copy.json --report none 2>first </dev/null &
pid=$!
until has_checkpoint copy.state; do :; done
try copy.json --resume
holds "a second run is refused, with the pid of the first" came 5 "in use by another run, process $pid"
wait "$pid"
rm -r copy.state out.txt total.txt

try copy.json --resume --report none
holds "without a checkpoint --resume begins anew and says so" came 0 "no checkpoint in 'copy.state' yet"
try - --resume
holds "a graph without a file needs a folder" came 3 ''

# ---- what is promised ----

try explain copy.json
holds "explain says exactly once" says 'read → print  *exactly once'
holds "and how often a checkpoint is taken" says 'a checkpoint every 20'
sed 's/, "with": { "path": "out.txt" }//; s/"path": "in.txt"/"path": "-"/' copy.json >pipe.json
try explain pipe.json
holds "from standard input to standard output nothing is promised" \
    says 'read → print  *none  *standard input is read once; what is on standard output cannot'
holds "to a file it comes at most once" says 'read → total  *at most once  *standard input is read once'
sed 's/"state"/"delivery": "exactly-once", &/' pipe.json >demand.json
try check demand.json
holds "what cannot be had is refused, with the reason" \
    came 3 'run.delivery demands "exactly-once", but from .read. to .print. it is none: standard input'
try demand.json
holds "by a run too" came 3 'run.delivery demands'
sed 's/"state"/"delivery": "exactly-once", &/' copy.json >demand.json
try check demand.json
holds "what can be had is not" came 0 ''
own() { # own STAGE WORD: of its own, in place of what pipe.json has
    sed "s/\"$1\": { /&\"delivery\": \"$2\", /" pipe.json >demand.json
    try check demand.json
}
own total exactly-once
holds "a stage may demand it of the paths that it ends" \
    came 3 'stages.total.delivery demands "exactly-once", but from .read. to .total. it is at most once: standard input'
own total at-most-once
holds "of others it says nothing" came 0 ''
own wait at-most-once
holds "one in the middle of paths may not" came 3 "stage 'wait' has \"delivery\", but it stands in the middle of its paths"
own read at-most-once
holds "one that begins them may, of all of them" \
    came 3 'stages.read.delivery demands "at-most-once", but from .read. to .print. it is none: what is on standard output'
sed 's/"state"/"delivery": "exactly-once", &/; s/"print": { /&"delivery": "at-least-once", /; s/, "with": { "path": "out.txt" }//' \
    copy.json >demand.json
try check demand.json
holds "what a stage says counts, and not what the run does" came 0 ''
sed 's/"state": true, //; s/, "state": true//; s/"checkpoint": "20ms"/"delivery": "at-least-once"/' copy.json >demand.json
try check demand.json
holds "without checkpoints nothing is promised" came 3 'it is none: the run takes no checkpoints'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
