#!/bin/sh
# SPDX-License-Identifier: MIT
#
# needs: http.listen
#
# Spools: everything is killed again and again, and what was accepted is there.

. "$(dirname "$0")/support/doors.sh"

# Whoever is answered 202 does not send again.  Doubles come only of those that were sent again.
cat >accept.json <<'END'
{ "flowrun": 1, "run": { "state": true, "checkpoint": "20ms" }, "stages": {
  "door":  { "use": "http.listen", "spool": true, "with": { "key": "header:X-Id", "idle": "5s" } },
  "slow":  { "use": "sleep", "from": "door", "with": { "delay": "200us" } },
  "write": { "use": "lines.write", "from": "slow", "with": { "path": "out" } } } }
END
for mode in threads processes; do
    rm -rf out out.part-* accept.state
    : >err.log
    begin accept.json --mode "$mode" --resume
    python3 "$here/support/sender.py" address 3000 202 >twice &
    sender=$!
    for round in 1 2 3; do
        kill_and_resume accept.json --mode "$mode" --resume
    done
    sent=0
    wait "$sender" || sent=1
    # What has been accepted is not all out yet: it is killed once more.
    kill_and_resume accept.json --mode "$mode" --resume
    end
    [ "$sent" -eq 0 ] || status=1
    each_came out 3000
    verdict "$status" "killed four times, $mode" lost doubles err.log
done

# ---- one process is killed, and the run goes back by itself ----

sed 's/"run": {/"run": { "fuse": false,/; s/"5s"/"3s"/' accept.json >back.json
sed 's/"20ms"/"1h"/' back.json >early.json

# process NAME: the pid of the process of the run that has this label
process() {
    for child in $(cat "/proc/$run/task/$run/children" 2>/dev/null); do
        case " $({ tr '\0' ' ' <"/proc/$child/cmdline"; } 2>/dev/null)" in
        *" $1 ") echo "$child" && return ;;
        esac
    done
}

# until_it COMMAND...: wait for it, as long as the run is there
until_it() {
    until "$@" || ! kill -0 "$run" 2>/dev/null; do sleep 0.02; done
}

newest() {
    ls "$folder" | grep '^checkpoint-.*json' | sort | tail -n 1
}

# log_end: where the log ends
log_end() {
    end=0
    for file in "$folder"/spool-0-*; do
        size=$(stat -c %s "$file" 2>/dev/null) || continue
        at=$((${file##*-} + size))
        [ "$at" -le "$end" ] || end=$at
    done
    echo "$end"
}

# Since the last time more has been accepted, and there is another checkpoint to go back to.
is_on_its_way() {
    dead=$(process "$victim")
    [ -n "$dead" ] && [ "$(log_end)" -gt "$logged" ] &&
        { [ "$graph" = early ] || [ "$(newest)" != "$before" ]; }
}

has_gone_back() {
    [ "$(grep -c 'the run goes back to' err.log)" -eq "$1" ]
}

# Kill only the process of that stage, three times.
for graph in back early; do
    for victim in door write; do
        folder=$graph.state
        rm -rf out out.part-* "$folder"
        : >err.log
        begin "$graph.json" --mode processes
        python3 "$here/support/sender.py" address 3000 202 >twice &
        sender=$!
        status=0
        before=
        logged=0
        for round in 1 2 3; do
            until_it is_on_its_way
            before=$(newest)
            logged=$(log_end)
            kill -9 "$dead" || status=1
            until_it has_gone_back "$round"
        done
        wait "$sender" || status=1
        sent=$status
        end
        [ "$sent" -eq 0 ] || status=1
        has_gone_back 3 || status=1
        each_came out 3000
        verdict "$status" "$graph, $victim killed three times" lost doubles err.log
    done
done
summary
