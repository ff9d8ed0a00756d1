#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The stage type exec with real programs, in both modes, compared with the programs alone.

set -eu
export LC_ALL=C

root=$(cd "$(dirname "$0")/.." && pwd -P)
: "${FLOWRUN:=$root/build/release/bin/flowrun}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
PYTHONPATH=$root/tools/python
export PYTHONPATH

verdict() { # STATUS LABEL [FILE]...
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "FAILED: $2"
    shift 2
    for shown; do [ ! -s "$shown" ] || head -n 5 "$shown" | sed 's/^/    /'; done
}

# compare LABEL INPUT COMMAND JSON: the program alone, and as a stage with these parameters
compare() {
    sh -c "$3" <"$2" >"$work/alone" 2>/dev/null || true
    printf '{ "flowrun": 1, "stages": {
  "read": { "use": "lines.read", "with": { "path": "%s" } },
  "run": { "use": "exec", "from": "read", "with": { %s } },
  "write": { "use": "lines.write", "from": "run", "with": { "path": "%s/out" } } } }' \
        "$2" "$4" "$work" >"$work/graph.json"
    for mode in threads processes; do
        rm -f "$work/out"
        status=0
        "$FLOWRUN" "$work/graph.json" --quiet --mode "$mode" >"$work/said" 2>&1 || status=1
        cmp -s "$work/alone" "$work/out" || status=1
        verdict "$status" "$1, $mode" "$work/said" "$work/out"
    done
}

has() { command -v "$1" >/dev/null; }

seq 1 20000 >"$work/numbers"
seq 1 300 | awk '{ printf "{\"id\":%d,\"name\":\"n%d\",\"on\":%s}\n", $1, $1 % 7, $1 % 2 ? "true" : "false" }' >"$work/json"

compare "cat" "$work/numbers" cat '"command": "cat"'
awk 'BEGIN { for (i = 0; i < 3000; i++) { s = ""; for (k = 0; k < i * 7 % 301; k++) s = s sprintf("%c", 33 + (i + k) % 90); print s } }' >"$work/sizes"
compare "cat, lines of every size" "$work/sizes" cat '"command": "cat"'
compare "head" "$work/numbers" "head -n 5" '"command": "head -n 5"'
compare "grep" "$work/numbers" "grep 7" '"command": ["grep", "7"]'
compare "grep that finds nothing" "$work/numbers" "grep x" '"command": ["grep", "x"], "exit_codes": ["0", "1"]'
compare "sed" "$work/numbers" "sed s/1/one/g" '"command": ["sed", "s/1/one/g"]'
compare "awk" "$work/numbers" "awk '{ s += \$1 } END { print s }'" '"command": "awk '"'{ s += \$1 } END { print s }'"'"'
compare "sort" "$work/numbers" "sort" '"command": "sort"'
compare "sed, a window" "$work/numbers" "sed s/1/one/g" '"command": ["sed", "-u", "s/1/one/g"], "window": 100'
compare "awk, a window" "$work/numbers" "awk '{ print \$1 * 2 }'" '"command": "awk '"'{ print \$1 * 2; fflush() }'"'", "window": 1000'
compare "sh, a window" "$work/json" "tr a-z A-Z" "\"command\": \"$root/docs/examples/exec/upper.sh\", \"window\": 5"
if has jq; then
    compare "jq" "$work/json" "jq -c 'select(.on) | .id'" '"command": ["jq", "-c", "select(.on) | .id"]'
    compare "jq, a window" "$work/json" "jq -c .name" '"command": ["jq", "-c", "--unbuffered", ".name"], "window": 20'
fi
if has python3; then
    compare "python3" "$work/json" "tr a-z A-Z" "\"command\": [\"python3\", \"$root/docs/examples/exec/upper.py\"]"
    compare "python3, a window" "$work/json" "tr a-z A-Z" "\"command\": [\"python3\", \"$root/docs/examples/exec/upper.py\"], \"window\": 10"
fi
if has node; then
    compare "node" "$work/json" "tr a-z A-Z" "\"command\": [\"node\", \"$root/docs/examples/exec/upper.js\"]"
    compare "node, a window" "$work/json" "tr a-z A-Z" "\"command\": [\"node\", \"$root/docs/examples/exec/upper.js\"], \"window\": 10"
fi

# A program that buffers what it writes is named, with what helps.
cat >"$work/buffers.json" <<END
{ "flowrun": 1, "stages": {
  "read": { "use": "lines.read", "with": { "path": "$work/json" } },
  "run": { "use": "exec", "from": "read", "with": { "command": "sed s/1/one/", "window": 10 } },
  "drop": { "use": "null", "from": "run" } }, "run": { "stall": "2s" } }
END
"$FLOWRUN" "$work/buffers.json" >"$work/said" 2>&1 &
pid=$!
until grep -q "10 records in flight" "$work/said" || ! kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
kill -9 "$pid" 2>/dev/null && status=0 || status=1
wait "$pid" 2>/dev/null || true
grep -q "run: 'sed s/1/one/' has written nothing for 1 s while 10 records are out; it may buffer its output: try stdbuf -oL" \
    "$work/said" || status=1
grep -q "stage 'run'.* waits for 10 records in flight" "$work/said" || status=1
verdict "$status" "a buffering program is named" "$work/said"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
