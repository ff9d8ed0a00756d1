#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The documentation says what is so: every graph in README.md and docs/ passes `flowrun check`, and
# every block of commands marked "sh test" does what it is said to do.  docs.awk tells which blocks.
# The blocks of a file run in one folder, in order, with `flowrun` and the folder graphs/ at hand.

set -eu

root=$(cd "$(dirname "$0")/.." && pwd -P)
: "${FLOWRUN:=$root/build/release/bin/flowrun}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH=$(dirname "$FLOWRUN"):$PATH
export PATH

passed=0
failed=0

# verdict STATUS PLACE [FILE]...: count, and where it failed show the files.
verdict() {
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "FAILED: $2"
    shift 2
    for shown in "$@"; do
        [ ! -s "$shown" ] || sed 's/^/    /' "$shown"
    done
}

# A graph: check it, and leave it under its name for the commands.
try_graph() {
    status=0
    "$FLOWRUN" check "$1" >"$work/said" 2>&1 || status=$?
    verdict "$status" "$2" "$work/said"
    name=${1%.json}.name
    [ ! -e "$name" ] || cp "$1" "$(cat "$name")"
}

# Commands: they succeed, and print what stands below them.
try_commands() {
    status=0
    sh -eu "$1" >"$work/printed" 2>"$work/said" </dev/null || status=$?
    verdict "$status" "$2" "$work/printed" "$work/said"
    expected=${1%.sh}.out
    if [ "$status" -eq 0 ] && [ -e "$expected" ]; then
        diff "$expected" "$work/printed" >"$work/said" || status=$?
        verdict "$status" "$2 prints something else" "$work/said"
    fi
}

for file in "$root"/README.md "$root"/docs/*.md "$root"/docs/stages/*.md; do
    [ -e "$file" ] || continue
    blocks=$work/blocks
    rm -rf "$blocks" "$work/place"
    mkdir "$blocks" "$work/place"
    ln -s "$root/graphs" "$work/place/graphs"
    awk -v to="$blocks" -f "$root/tests/docs.awk" "$file"
    cd "$work/place"
    for block in "$blocks"/*; do
        line=$(basename "${block%.*}" | sed 's/^0*//')
        case $block in
        *.json) try_graph "$block" "${file#"$root"/}:$line" ;;
        *.sh) try_commands "$block" "${file#"$root"/}:$line" ;;
        esac
    done
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
