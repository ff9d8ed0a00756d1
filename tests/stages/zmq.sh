#!/bin/sh
# SPDX-License-Identifier: MIT
#
# needs: zmq.in
#
# zmq.in and zmq.out in graphs, in both modes, with each other and with Python's binding of ZeroMQ.

. "$(dirname "$0")/support/doors.sh"

python=
for candidate in python3 /usr/bin/python3; do
    "$candidate" -c 'import zmq' 2>/dev/null && python=$candidate && break
done

seq 1 20000 >numbers
cat >in.json <<'END'
{ "flowrun": 1, "stages": {
  "in":    { "use": "zmq.in", "with": { "bind": ["tcp://127.0.0.1:*"], "end": "END" } },
  "write": { "use": "lines.write", "from": "in", "with": { "path": "out" } } } }
END
cat >out.json <<'END'
{ "flowrun": 1, "params": { "to": { "type": "string", "default": "" } }, "stages": {
  "read": { "use": "lines.read", "with": { "path": "numbers" } },
  "out":  { "use": "zmq.out", "from": "read", "with": { "connect": ["${param:to}"], "end": "END" } } } }
END
cat >pub.json <<'END'
{ "flowrun": 1, "stages": {
  "read": { "use": "lines.read", "with": { "path": "numbers" } },
  "out":  { "use": "zmq.out", "from": "read",
            "with": { "kind": "pub", "bind": ["tcp://127.0.0.1:*"], "wait_for": 2, "end": "END" } } } }
END

for mode in threads processes; do
    : >err.log
    begin in.json --mode "$mode"
    other=0
    "$FLOWRUN" out.json --quiet --mode "$mode" --param to="$(cat address)" 2>>err.log || other=1
    end
    cmp -s numbers out && [ "$other" -eq 0 ] || status=1
    verdict "$status" "from one run to another, $mode" err.log

    [ -n "$python" ] || continue
    begin in.json --mode "$mode"
    "$python" -c 'import sys, zmq
context = zmq.Context()
push = context.socket(zmq.PUSH)
push.connect(sys.argv[1])
for line in open("numbers"): push.send(line.strip().encode())
push.send(b"END")
push.close()
context.term()' "$(cat address)"
    end
    cmp -s numbers out || status=1
    verdict "$status" "from Python, $mode" err.log

    begin pub.json --mode "$mode"
    subscribers=
    for name in one two; do
        "$python" -c 'import sys, zmq
sub = zmq.Context().socket(zmq.SUB)
sub.rcvhwm = 0
sub.subscribe(b"")
sub.connect(sys.argv[1])
while (message := sub.recv()) != b"END": print(message.decode())' "$(cat address)" >"$name" &
        subscribers="$subscribers $!"
    done
    for subscriber in $subscribers; do wait "$subscriber" || true; done
    end
    cmp -s numbers one && cmp -s numbers two || status=1
    verdict "$status" "to two subscribers in Python, $mode" err.log
done

# It can be told to end while nothing comes.
for mode in threads processes; do
    : >err.log
    begin in.json --mode "$mode"
    kill "$run"
    end
    [ "$status" -eq 143 ] && status=0
    verdict "$status" "stopped by SIGTERM, $mode" err.log
done
summary
