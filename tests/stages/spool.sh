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
summary
