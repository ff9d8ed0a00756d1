#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Run a graph of graphs/gallery/ on real input and compare what it makes with what the usual
# programs make of it.
#
#     gallery.sh FLOWRUN NAME
#
# NAME.sh defines
#
#     prepare     make the input in ., and what is expected
#     work MODE   run the graph, with `flow`, in the folder MODE, which is empty
#     compare     in that folder: `same EXPECTED ACTUAL`, or any test
#
# Each graph runs in threads and in processes.

set -eu
export LC_ALL=C

bin=$(realpath "$1")
name=$2
root=$(cd "$(dirname "$0")/../.." && pwd -P)
graph=$root/graphs/gallery/$name.json
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
trap 'exit 1' HUP INT TERM
cd "$place"
failed=0

fail() {
    echo "FAILED: $name in $mode: $*"
    failed=1
}

# flow ARGUMENT...: run the graph; what it prints goes to ./printed, what it says to ./said
flow() {
    "$bin" "$graph" --mode "$mode" --report none "$@" >printed 2>said ||
        { fail "flowrun ended with $?"; sed 's/^/    /' said; }
}

# same EXPECTED ACTUAL
same() {
    cmp -s "$1" "$2" && return
    fail "$2 is not as expected"
    diff -a "$1" "$2" | head -n 10
}

# sorted FILE: its lines in order, in the file FILE.sorted
sorted() {
    sort "$1" >"$1.sorted"
}

. "$root/tests/gallery/$name.sh"
mode=preparing
prepare
for mode in threads processes; do
    mkdir "$place/$mode"
    cd "$place/$mode"
    work
    compare
    cd "$place"
done
[ "$failed" -eq 0 ] && echo "$name: as expected in both modes"
