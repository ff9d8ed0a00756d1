#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A run that stands still says who waits for whom, by itself and when it is asked.

set -eu

. "$(dirname "$0")/sentences.sh"
: "${HANGS:=$root/build/release/tests/test_hangs.so}"

started=
code=0
trap 'for pid in $started; do kill -KILL "$pid" 2>/dev/null || :; done; rm -rf "$work"' EXIT

# begin ARGUMENT...: run flowrun beside us, with ./out, ./err, and ./pipe as its input; its pid is
# in $run.
begin() {
    : >out
    : >err
    "$FLOWRUN" --report none "$@" >out 2>err <&3 &
    run=$!
    started="$started $run"
}

# until_said PATTERN: wait for a line of standard error, or for the run's end, half a minute at most.
until_said() {
    tries=0
    until grep -q -e "$1" err; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] && kill -0 "$run" 2>/dev/null || break
        sleep 0.1
    done
    grep -q -e "$1" err
}

# leave: end the run, however stuck.
leave() {
    kill -KILL "$run" 2>/dev/null || :
    wait "$run" 2>/dev/null || :
}

said() {
    grep -q -e "$1" err
}

silent_on() {
    ! grep -q -e "$1" err
}

asked() {
    code=0
    "$FLOWRUN" why "$@" >answer 2>err.why </dev/null || code=$?
    [ "$code" -eq 0 ]
}

# until_asked ARGUMENT...: the run is asked as soon as it can be.
until_asked() {
    tries=0
    until asked "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] && kill -0 "$run" 2>/dev/null || return 1
        sleep 0.1
    done
}

answers() {
    grep -q -e "$1" answer
}

verdict_is() {
    [ "$("$JSON_GET" verdict <answer)" = "$1" ]
}

mkfifo pipe
exec 3<>pipe
cat >hang.json <<END
{
  "flowrun": 1,
  "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": 1000000 } },
    "work":    { "use": "$HANGS", "from": "numbers", "with": { "at": 3 } },
    "print":   { "use": "lines.write", "from": "work" }
  }
}
END
cat >stdin.json <<END
{
  "flowrun": 1,
  "stages": {
    "read":  { "use": "lines.read", "with": { "path": "-" } },
    "print": { "use": "lines.write", "from": "read" }
  }
}
END
cat >sleep.json <<END
{
  "flowrun": 1,
  "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": 2 } },
    "nap":     { "use": "sleep", "from": "numbers", "with": { "delay": "600s" } },
    "drop":    { "use": "null", "from": "nap" }
  }
}
END
cat >beside.json <<END
{
  "flowrun": 1,
  "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": 100 } },
    "work":    { "use": "$HANGS", "from": "numbers", "with": { "at": 3 } },
    "drop":    { "use": "null", "from": "work" },
    "more":    { "use": "gen.sequence", "with": { "count": 1000000000000 } },
    "nothing": { "use": "null", "from": "more" }
  }
}
END
sed 's/"at": 3/"open": true/' hang.json >opening.json

for mode in threads processes; do
    begin hang.json --mode $mode --stall 400ms
    holds "$mode: a callback that does not come back is named within the limit" \
        until_said "^nothing has moved for at least .* stage 'work' (process .*) has not come back from a callback for"
    holds "$mode: the line says which system call it is in" said "in the system call pause"
    holds "$mode: it says who waits for it" said "numbers *waits for room at work, which has [0-9]* of"
    holds "$mode: ... on both sides" said "print *waits for input from work, for"
    holds "$mode: the run can be asked by its process" asked "$run" --no-stack
    holds "$mode: ... and answers the same" answers "^run .*(process $run, graph hang.json): nothing has moved .*stage 'work'"
    holds "$mode: it can be asked for JSON" asked "$run" --json
    holds "$mode: ... which has the verdict" verdict_is callback
    holds "$mode: without a name all live runs are listed" asked
    holds "$mode: ... this one among them" answers "^$run  .*hang.json: nothing has moved"
    if command -v eu-stack >/dev/null || command -v gdb >/dev/null; then
        holds "$mode: a debugger shows the stack" asked "$run"
        holds "$mode: ... of the stage that is stuck" answers "#.* pause"
    fi
    leave

    begin hang.json --mode $mode --stall 0s
    holds "$mode: without a limit the run can be asked all the same" until_asked "$run" --json
    holds "$mode: ... and has said nothing by itself" silent_on "nothing has moved"
    leave

    begin opening.json --mode $mode --stall 400ms
    holds "$mode: a stage that does not come back from opening is named" \
        until_said "stage 'work' .* has not come back from opening for"
    leave

    begin stdin.json --mode $mode --stall 200ms
    holds "$mode: a producer that waits for its input is not called a deadlock" \
        until_said "^nothing has moved for .* stage 'read' .* waits by itself for descriptor 0 (.*pipe)"
    holds "$mode: ... and nobody says it is" silent_on "deadlock\|callback"
    leave

    begin sleep.json --mode $mode --stall 200ms
    holds "$mode: a stage that sleeps says how long" \
        until_said "stage 'nap' .* waits by itself for its time to pass, .* more"
    leave

    begin beside.json --mode $mode --stall 400ms
    holds "$mode: one stage that hangs is named while others go on" \
        until_said "^records are moving, but stage 'work' .* has not come back from a callback for"
    leave
done

begin hang.json --mode processes --stall 300ms
until_said "nothing has moved" || :
worker=$("$FLOWRUN" why "$run" --json | "$JSON_GET" replicas 1 process)
kill -STOP "$worker"
holds "a process that was stopped can be asked about" asked "$run" --json
holds "... and is named for it" verdict_is stopped
kill -CONT "$worker"
leave

sed '/"flowrun": 1,/a\  "run": { "stall": "1s", "on_stall": "stop" },' hang.json >stop.json
for mode in threads processes; do
    try stop.json --mode $mode --report none
    holds "$mode: a run that shall stop then, stops, and says why" \
        grep -q "^flowrun: nothing has moved for .* stage 'work'" err
    holds "$mode: ... with the code of a failed run" [ "$code" -eq 1 ]
done

sed '/"flowrun": 1,/a\  "run": { "stall": "1s", "on_stall": "stop" },' sleep.json |
    sed 's/600s/2s/' >nap.json
try nap.json --report none
holds "a run that only waits for time goes on, even if it shall stop when it stands still" \
    [ "$code" -eq 0 ]

try why 999999999
holds "a run that is not there is told" grep -q "no live run of this user is '999999999'" err
holds "... as a fault of the command line" [ "$code" -eq 2 ]
try stdin.json --stall soon
holds "a stall that is no duration is refused" grep -q -e "--stall must be a duration" err

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
