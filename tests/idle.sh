#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A run that waits for input takes next to no CPU: its threads sleep, they do not look around.

set -eu

root=$(cd "$(dirname "$0")/.." && pwd -P)
: "${FLOWRUN:=$root/build/release/bin/flowrun}"
: "${JSON_GET:=$root/build/release/tests/json_get}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

passed=0
failed=0
mkfifo pipe
cat >graph.json <<END
{
  "flowrun": 1,
  "stages": {
    "read":  { "use": "lines.read", "with": { "path": "pipe" } },
    "words": { "use": "text.words", "from": "read", "workers": 4 },
    "count": { "use": "count.keys", "from": { "stage": "words", "share": "key" }, "workers": 2 },
    "print": { "use": "lines.write", "from": "count" }
  }
}
END

for mode in threads processes; do
    "$FLOWRUN" graph.json --mode "$mode" --fuse off --report json >out 2>report &
    run=$!
    # Somebody writes a line, says nothing for a while, and writes another.  How long the while is
    # does not matter, since shares of it are looked at, as long as starting up is little beside it.
    { echo one; sleep 2; echo two; } >pipe
    wait "$run"
    used=$("$JSON_GET" cpus_used <report)
    if [ "$(sort out | tr '\n' ' ')" = "1 one 1 two " ] &&
        awk -v used="$used" 'BEGIN { exit !(used < 0.01) }'; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: an idle run in $mode takes less than 1 % of a core: it took $used of one"
        cat out
    fi
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
