#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The documentation says what is so: every graph in README.md and docs/ passes `flowrun check`, and
# every block of commands marked "sh test" does what it is said to do.  docs.awk tells which blocks.
# The blocks of a file run in one folder, in order, with `flowrun` and the folder graphs/ at hand.
#
#     docs.sh [FILE]...
#
# The page of a stage type that was not built is left out, as is a file that says "<!-- needs: a b -->"
# where one of these programs is missing; both are said.

set -eu

root=$(cd "$(dirname "$0")/.." && pwd -P)
: "${FLOWRUN:=$root/build/release/bin/flowrun}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH=$(dirname "$FLOWRUN"):$PATH
export PATH

passed=0
failed=0
left_out=0

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

# Why a file cannot be tried here; fails where it can.
leave_out() {
    needed=$(sed -n 's/^<!-- needs: \(.*\) -->$/\1/p' "$1")
    for program in $needed; do
        command -v "$program" >"$work/said" || {
            echo "$program is not installed"
            return
        }
    done
    type=$(sed -n 's/^<!-- parameters: \(.*\) -->$/\1/p' "$1")
    [ -n "$type" ] || return 1
    "$FLOWRUN" describe "$type" >"$work/said" 2>&1 && return 1
    echo "$type was not built"
}

[ $# -gt 0 ] || set -- "$root"/README.md "$root"/docs/*.md
for file; do
    if reason=$(leave_out "$file"); then
        echo "left out: ${file#"$root"/}, $reason"
        left_out=$((left_out + 1))
        continue
    fi
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
[ "$failed" -eq 0 ] && [ $((passed + left_out)) -gt 0 ]
