#!/bin/sh
# SPDX-License-Identifier: MIT
#
# `flowrun advise` tries a graph out, says what would help, and leaves nothing behind.

set -eu

. "$(dirname "$0")/sentences.sh"

# of PATH...: what the JSON in ./out has there
of() {
    "$JSON_GET" "$@" <out
}

cat >waits.json <<'END'
{ "flowrun": 1, "stages": {
    "jobs": { "use": "gen.sequence", "with": { "count": 100000 } },
    "fetch": { "use": "sleep", "from": "jobs", "with": { "delay": "10ms" } },
    "save": { "use": "lines.write", "from": "fetch", "with": { "path": "saved" } },
    "show": { "use": "lines.write", "from": "fetch" } },
  "run": { "state": "kept", "delivery": "at-least-once" } }
END

try advise waits.json --seconds 0.3 --json
holds "advice is given" [ "$code" -eq 0 ]
holds "the stage that waits is the bottleneck" [ "$(of bottleneck)" = fetch ]
holds "it is known to wait outside" [ "$(of stages 1 does)" = blocks ]
holds "it is to have many workers" [ "$(of stages 1 advised)" -gt 16 ]
holds "what was advised was tried" [ "$(of trials 2 tried)" = advised ]
holds "processes were tried" [ "$(of trials 3 tried)" = processes ]
holds "more workers have done more" \
    awk -v a="$(of trials 0 rate)" -v b="$(of trials 2 rate)" 'BEGIN { exit !(b > 4 * a) }'
holds "no state folder was made" [ ! -e kept ]
holds "no file was written" [ ! -e saved ]

try advise waits.json --seconds 0.3
holds "people are told the same" grep -q 'fetch holds the run up: it waits for something outside' out
holds "and what to do" grep -q 'More workers pay: --workers fetch=' out
holds "nothing of what stages print is among it" [ "$(grep -c '^[0-9]*$' out)" -le 3 ]

cat >short.json <<'END'
{ "flowrun": 1, "stages": {
    "jobs": { "use": "gen.sequence", "with": { "count": 10 } },
    "end": { "use": "null", "from": "jobs" } } }
END
try advise short.json
holds "a graph that takes no time is left alone" grep -q 'one thread is enough' out
try advise short.json --json
holds "and not tried again" [ "$("$JSON_GET" trials <out)" = '[]' ]

cat >once.json <<'END'
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "-" } },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "20ms" } },
    "end": { "use": "null", "from": "wait" } } }
END
code=0
seq 1 50 | "$FLOWRUN" advise once.json --seconds 0.5 >out 2>err || code=$?
holds "what is read once is sampled once" [ "$code" -eq 0 ]
holds "and that is said" grep -q "producer 'read' could not begin again" out
holds "advice is given all the same" grep -q 'More workers pay: --workers wait=' out

try advise -
holds "a graph on standard input is refused" grep -q 'put the graph into a file' err
try advise nowhere.json
holds "a graph that is not there is no graph" [ "$code" -eq 3 ]
try advise short.json --seconds 0
holds "a sample of no time is refused" grep -q -- "--seconds takes a number from 0.1" err
holds "as wrong usage" [ "$code" -eq 2 ]

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
