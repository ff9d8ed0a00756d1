#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Run graphs and compare what they write with what another program makes of the same input.
#
#     counterparts.sh FLOWRUN NAME
#
# NAME.sh calls `lines` or makes files of its own, then for each case
#
#     same STAGES COMMAND...      the records of STAGES, JSON for the stages between "read", which
#                                 gives the lines of the file `input`, and "write", which takes those
#                                 of the stage "last", are the lines that COMMAND prints
#
# in threads, in processes, and with several workers in processes.

set -eu
export LC_ALL=C

bin=$(realpath "$1")
name=$2
here=$(cd "$(dirname "$0")" && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

passed=0
failed=0

# verdict LABEL: count, and show what differs.  The status before it is that of the comparison.
verdict() {
    if cmp -s expected actual; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "FAILED: $name: $1: output differs (< expected, > flowrun)"
    diff -a expected actual | head -n 10
}

# graph STAGES: write graph.json.
graph() {
    cat >graph.json <<END
{ "flowrun": 1, "stages": {
  "read": { "use": "lines.read", "with": { "path": "input" } },
  $1,
  "write": { "use": "lines.write", "from": "last", "with": { "path": "actual" } }
} }
END
}

# run LABEL [OPTION]...: run graph.json.
run() {
    label=$1
    shift
    rm -f actual
    if ! "$bin" graph.json --quiet "$@" >said 2>&1; then
        echo "FAILED: $name: $label: flowrun ended with an error"
        cat said
        : >actual
    fi
}

# same_run: compare graph.json's output with the file `expected`, in all ways to run it.
same_run() {
    for mode in threads processes; do
        run "$mode" --mode "$mode"
        verdict "$mode: $(head -c 300 graph.json | sed -n 3p)"
    done
    if [ "${alone:-no}" = no ]; then
        run "3 workers" --mode processes --workers last=3
        verdict "3 workers: $(sed -n 3p graph.json)"
    fi
}

same() {
    graph "$1"
    shift
    "$@" >expected
    same_run
}

# lines COUNT PROGRAM: a file `input` of so many lines that awk's PROGRAM prints, with `n` and the
# function pick(a, b), a number from a to b that is always the same in the same place.
lines() {
    awk -v count="$1" 'function pick(a, b) { seed = (seed * 1103515245 + 12345) % 2147483648
                                             return a + int(seed / 65536) % (b - a + 1) }
        BEGIN { seed = 1; for (n = 1; n <= count; n++) { '"$2"' } }' >input
}

# shellcheck disable=SC1090
. "$here/$name.sh"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
