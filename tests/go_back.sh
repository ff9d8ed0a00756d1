#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A run with checkpoints of which a process dies: it goes back by itself, or says why it does not.

set -eu

. "$(dirname "$0")/sentences.sh"

came() {
    [ "$code" -eq "$1" ] && { [ -z "$2" ] || grep -q -e "$2" err; }
}

says() {
    grep -q -e "$1" "${2:-err}"
}

not_said() {
    ! grep -q -e "$1" err
}

same() {
    cmp -s "$1" "$2"
}

has_checkpoint() {
    ls copy.state 2>/dev/null | grep -q '^checkpoint-.*json$'
}

# process NAME: the pid of the process of the run that has this label
process() {
    for child in $(cat "/proc/$pid/task/$pid/children" 2>/dev/null); do
        case " $({ tr '\0' ' ' <"/proc/$child/cmdline"; } 2>/dev/null)" in
        *" $1 ") echo "$child" && return ;;
        esac
    done
}

# until_it COMMAND...: wait for it, as long as the run is there
until_it() {
    until "$@" || ! kill -0 "$pid" 2>/dev/null; do :; done
}

start() {
    code=0
    "$FLOWRUN" copy.json --mode processes "$@" >out 2>err </dev/null &
    pid=$!
}

finish() {
    wait "$pid" 2>/dev/null || code=$?
}

# flows: records do; a process that dies before they have is started again by itself
flows() {
    "$FLOWRUN" why "$pid" 2>/dev/null | grep -q 'records are moving'
}

# strike NAME: kill that process of the run
strike() {
    victim=
    until_it runs "$1"
    kill -9 "$victim" 2>/dev/null || true
}

runs() {
    victim=$(process "$1")
    [ -n "$victim" ]
}

clean() {
    rm -rf copy.state out.txt total.txt ./*.part-*
}

# graph MORE [CHECKPOINT]: copies lines and counts them, at a pace that leaves time to interrupt it;
# MORE is said of the count
graph() {
    cat >copy.json <<END
{ "flowrun": 1, "run": { "checkpoint": "${2:-20ms}", "state": true, "fuse": false }, "stages": {
    "read": { "use": "lines.read", "with": { "path": "in.txt" } },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "20us" } },
    "print": { "use": "lines.write", "from": "wait", "with": { "path": "out.txt" } },
    "count": { "use": "count.records", "from": "wait", $1 },
    "total": { "use": "lines.write", "from": "count", "with": { "path": "total.txt" } } } }
END
}
seq 1 8000 | sed 's/^/line /' >in.txt
echo 8000 >8000.txt
graph '"restart": true'

# ---- whoever dies ----

for name in read print count total; do
    start
    until_it has_checkpoint
    strike "$name"
    finish
    holds "$name: the run goes on when it is killed" came 0 \
        "^stage '$name' replica 0 (pid $victim) was killed by signal 9 .* (1 of 5); the run goes back to checkpoint [0-9]*, made .* before$"
    holds "$name: with the same output" same in.txt out.txt
    holds "$name: and the same state" same total.txt 8000.txt
    holds "$name: and the report says so" says '^went back to its last checkpoint 1 time$'
    clean
done

start
until_it has_checkpoint
strike wait
finish
holds "a worker without state is replaced, and the run does not go back" came 0 \
    "^stage 'wait' replica 0 (pid $victim) was killed by signal 9 .*; its process is replaced (1 of 5)$"
holds "with the same output as well" same in.txt out.txt
holds "no word of going back is in the report" not_said 'went back'
clean

graph '"restart": true' 1h
start
until_it flows
strike count
finish
holds "without a checkpoint it begins anew" came 0 'the run goes back to its beginning, since there is no checkpoint yet$'
holds "with the same output too" same in.txt out.txt
clean

graph '"isolate": true'
code=0
"$FLOWRUN" copy.json --mode threads --report json >out 2>err </dev/null &
pid=$!
until_it has_checkpoint
strike count
finish
holds "an isolated stage takes a run in threads back" came 0 'the run goes back to checkpoint'
holds "its other stages too" same in.txt out.txt
holds "in JSON it is told as well" says '"went_back": 1,'
clean

# ---- who does not go back ----

graph '"restart": false'
start --report none
until_it has_checkpoint
strike count
finish
holds "with \"restart\": false the run ends, and can be gone on with" came 1 \
    'its "restart" is false; --resume goes on from checkpoint'
try copy.json --resume --report none
holds "by hand it goes on" same in.txt out.txt
clean

graph '"restart": true'
sed -i 's/"path": "in.txt"/"path": "-"/' copy.json
code=0
"$FLOWRUN" copy.json --mode processes --report none <in.txt >out 2>err &
pid=$!
until_it has_checkpoint
strike count
finish
holds "what cannot be read again is not lost by going back" came 1 \
    "does not go back to a checkpoint by itself: what 'read' has read since would be lost: standard input"
clean

# ---- what cannot be read again, and may get lost ----

# Each line is there once and in order, or was read by what died: each death may lack one piece, of
# what one read brought, with the line that was begun before it.  Lines at its ends may be cut.
lacks_little() {
    awk -v most=60000 -v deaths="$1" '
        function line(n) { return sprintf("line %06d", n) }
        function gap(next_one) {
            if (next_one == before + 1) return
            gaps++
            if ((next_one - before - 1) * 12 > 65536 + 2 * 12) exit failed = 1
        }
        {
            n = substr($0, 6) + 0
            if ($0 != line(n)) { cut++; next }
            if (n <= before) exit failed = 1
            gap(n)
            before = n
        }
        END {
            if (!failed) gap(most + 1)
            exit failed || gaps > deaths || cut > gaps
        }' out.txt
}

counted_what_is_written() {
    [ "$(cat total.txt)" -eq "$(wc -l <out.txt)" ]
}

seq 1 60000 | awk '{ printf "line %06d\n", $1 }' >numbered.txt
for victim in read count print; do
    graph '"restart": true'
    sed -i 's/"path": "in.txt"/"path": "-"/; s/"20us"/"2us"/
        s/"use": "lines.read"/"use": "lines.read", "delivery": "at-most-once"/' copy.json
    rm -f pipe
    mkfifo pipe
    cat numbered.txt >pipe &
    code=0
    "$FLOWRUN" copy.json --mode processes --report json <pipe >out 2>err &
    pid=$!
    until_it has_checkpoint
    strike "$victim"
    finish
    holds "$victim: what may get lost does not keep the run from going back by itself" came 0 \
        'the run goes back to checkpoint [0-9]*, made .* before$'
    holds "$victim: and it is counted" says '"went_back": 1,'
    holds "$victim: nothing comes twice, and what is missing is one piece of what was read" lacks_little 1
    holds "$victim: all consumers have had the same" counted_what_is_written
    clean
done

cat >copy.json <<END
{ "flowrun": 1, "run": { "checkpoint": "20ms", "state": true }, "stages": {
    "read": { "use": "lines.read", "with": { "path": "in.txt" } },
    "leave": { "use": "$EXITS", "from": "read" } } }
END
start --report none
finish
holds "a record on which a stage dies three times ends the run by its policy" came 1 \
    "^flowrun: stage 'leave', record 0: its worker exited with code 0$"
holds "and is counted" says 'record 0 was in hand (3 of 3): it is set aside; the run goes back'
clean

{
    seq 1 3000
    echo fall
    seq 3001 6000
} >stones.txt
for how in holder taker; do
    cat >copy.json <<END
{ "flowrun": 1, "run": { "checkpoint": "20ms", "state": true }, "stages": {
    "read": { "use": "lines.read", "with": { "path": "stones.txt" } },
    "walk": { "use": "$FALLS:test.falls.$how", "from": "read", "errors": "skip",
              "restart": { "tries": 2 } } } }
END
    start --report json
    finish
    holds "a stage that waits ($how) goes on without the record that killed it" came 0 \
        "record [0-9]* was in hand (3 of 3): it is set aside; the run goes back"
    holds "which is counted ($how)" says '"skipped": 1'
    clean
done

# ---- asked meanwhile ----

graph '"restart": { "backoff": "1h", "max": "1h", "tries": 9 }' 1h
start --report none
until_it flows
strike count
until_it says 'the run goes back'
until_it flows
strike count
until_it says '(2 of 9)'
try why "$pid"
holds "why says that the run goes back, and when it begins" \
    says "a process has died, and the run goes back to its beginning.*: it begins in" out
kill -TERM "$pid"
code=0
finish
holds "a wish to stop ends the wait, and the run stops at a checkpoint" \
    test "$code" -eq 143
try copy.json --resume --report none
holds "from which it goes on" same in.txt out.txt
clean

graph '"restart": { "tries": 2, "backoff": "1ms" }' 1h
start --report none
for time in 1 2 3; do
    until_it flows
    strike count
    until_it says "($time of 2)"
done
finish
holds "at the limit the run ends with the number" came 1 \
    'the run had gone back for it 2 times within 1.0 m, which is all that "restart" allows'
clean

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
