#!/bin/sh
# SPDX-License-Identifier: MIT
#
# needs: http.listen
#
# http.listen in graphs, in both modes, with curl and a client in Python that sends again what is not
# answered.

. "$(dirname "$0")/support/doors.sh"

cat >count.json <<'END'
{ "flowrun": 1, "stages": {
  "door":  { "use": "http.listen", "with": { "count": 500 } },
  "write": { "use": "lines.write", "from": "door", "with": { "path": "out" } } } }
END
for mode in threads processes; do
    : >err.log
    begin count.json --mode "$mode"
    seq 1 500 | sed "s|.*|next\nurl = $(cat address)/\ndata = &\noutput = /dev/null\nwrite-out = %{http_code}\\\\n|" |
        curl -s --parallel --parallel-max 50 -K - >codes 2>/dev/null || true
    end
    sort -n out >sorted
    seq 1 500 | cmp -s - sorted && [ "$(grep -c '^202$' codes)" -eq 500 ] || status=1
    verdict "$status" "500 requests by curl, $mode" codes err.log
done

# Whoever asks for the end gets it: what was accepted comes out.
cat >forever.json <<'END'
{ "flowrun": 1, "stages": {
  "door":  { "use": "http.listen" },
  "write": { "use": "lines.write", "from": "door", "with": { "path": "out" } } } }
END
for mode in threads processes; do
    : >err.log
    begin forever.json --mode "$mode"
    python3 "$here/support/sender.py" address 200 202 >twice
    kill "$run"
    end
    [ "$status" -eq 143 ] && status=0
    sort -n out >sorted
    seq 1 200 | cmp -s - sorted || status=1
    verdict "$status" "stopped by SIGTERM, $mode" sorted err.log
done

# Everything is killed again and again, and gone on with.  What is answered is there, once; what was
# sent again may be there as often as it was sent.
cat >delivery.json <<'END'
{ "flowrun": 1, "run": { "state": true, "checkpoint": "20ms" }, "stages": {
  "door":  { "use": "http.listen", "with": { "answer": "delivery" } },
  "write": { "use": "lines.write", "from": "door", "with": { "path": "out" } } } }
END
for mode in threads processes; do
    rm -rf out out.part-* delivery.state
    : >err.log
    begin delivery.json --mode "$mode" --resume
    python3 "$here/support/sender.py" address 400 200 >twice &
    sender=$!
    for round in 1 2 3; do
        kill_and_resume delivery.json --mode "$mode" --resume
    done
    sent=0
    wait "$sender" || sent=1
    kill "$run"
    end
    [ "$status" -eq 143 ] && status=0
    [ "$sent" -eq 0 ] || status=1
    each_came out.part-write 400
    verdict "$status" "killed three times, $mode" lost doubles err.log
done

summary
