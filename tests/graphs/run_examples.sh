#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Run example graphs and compare what they write with tests/graphs/expected/.
#
#     run_examples.sh FLOWRUN [NAME]...        without a name: all of them
#
# Each graph is checked, then run in threads, in processes, and in threads with one of its stages in
# a process of its own.  Results are compared exactly, or, where a graph promises less, sorted.

set -eu
export LC_ALL=C

bin=$(realpath "$1")
shift
here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$root"

passed=0
failed=0

fail() {
    echo "FAILED: $label: $*" >&2
    failed=$((failed + 1))
}

# ordered HOW FILE: its lines in the order in which they are compared
ordered() {
    case $1 in
    exact) cat "$2" ;;
    sorted) sort "$2" ;;
    by-customer) sort -s -t '"' -k 6,6 "$2" ;; # keeps the order of those of one customer
    esac
}

# same HOW EXPECTED ACTUAL: compare two files
same() {
    ordered "$1" "$2" >"$work/expected"
    ordered "$1" "$3" >"$work/actual" || true
    if ! cmp -s "$work/expected" "$work/actual"; then
        fail "$(basename "$3") differs from what is expected"
        diff "$work/expected" "$work/actual" | head -n 20 >&2
        return
    fi
    passed=$((passed + 1))
}

# run GRAPH [OPTION]...: 0 when it ran well and left nothing unfinished behind
run() {
    if ! "$bin" "$@" --param output="$work/out/output" >"$work/printed" 2>&1; then
        fail "flowrun $* ended with an error"
        cat "$work/printed" >&2
        return 1
    fi
    if [ -n "$(find "$work/out" -name '*.part-*')" ]; then
        fail "an unfinished file was left behind"
    fi
}

# The words of the licence texts that every Debian machine has, or of the text here.
wordcount_files() {
    for file in /usr/share/common-licenses/*; do
        if [ -f "$file" ]; then
            echo '/usr/share/common-licenses/*'
            return
        fi
    done
    echo 'graphs/data/*.txt'
}

# The same with the usual tools.
count_words() {
    # shellcheck disable=SC2086  # a glob
    cat $1 | tr -cs 'A-Za-z0-9' '\n' | sed '/^$/d' | sort | uniq -c |
        awk '{ print $1 " " $2 }' | sort -k1,1nr -k2
}

# What is expected of the graphs that count words.
expect_words() {
    files=$(wordcount_files)
    if [ ! -e "$work/words" ]; then
        count_words "$files" >"$work/words"
        head -n 20 "$work/words" >"$work/top"
        # shellcheck disable=SC2086  # a glob
        echo "$(cat $files | wc -l | tr -d ' ') lines" >"$work/total"
    fi
}

wordcount() {
    expect_words
    run "$@" --param input="$files" --param total="$work/out/total" || return 0
    same exact "$work/top" "$work/out/output"
    same exact "$work/total" "$work/out/total"
    run "$@" --param input="$files" --param total="$work/out/total" --param top=100000000 || return 0
    same exact "$work/words" "$work/out/output"
}

# With tables that are emitted once, again and again as they are full, and after every batch.
part_counts() {
    expect_words
    for held in memory=8MiB memory=64KiB hold=0s; do
        run "$@" --param input="$files" --param top=100000000 --set "words.$held" || return 0
        same exact "$work/words" "$work/out/output"
    done
}

# example NAME GRAPH [OPTION]...: run it and compare all that it writes
example() {
    name=$1
    shift
    case $name in
    wordcount)
        wordcount "$@"
        return
        ;;
    part-counts)
        part_counts "$@"
        return
        ;;
    broadcast) set -- exact count "$@" ;;
    dead-letter) set -- exact errors "$@" ;;
    grep) set -- exact others "$@" ;;
    keyed) set -- by-customer "" "$@" ;;
    diamond | merge | skewed-sleep) set -- sorted "" "$@" ;;
    *) set -- exact "" "$@" ;;
    esac
    how=$1
    second=$2
    shift 2
    if [ -n "$second" ]; then
        run "$@" --param "$second=$work/out/$second" || return 0
        same exact "$here/expected/$name.$second.txt" "$work/out/$second"
    else
        run "$@" || return 0
    fi
    same "$how" "$here/expected/$name.txt" "$work/out/output"
}

# isolate NAME: the graph with one of its stages, neither first nor last, in its own process
isolate() {
    case $1 in
    pipeline | ordered | wordcount | part-counts) type=text.words ;;
    n-workers | dead-letter | diamond) type=cpu.squares ;;
    skewed-sleep | keyed) type="sleep" ;;
    broadcast) type=count.records ;;
    merge) type=lines.read ;;
    grep) type=text.grep ;;
    esac
    sed "s/\"use\": \"$type\"/\"isolate\": true, &/" "graphs/$1.json" >"$work/$1.json"
    if ! grep -q '"isolate"' "$work/$1.json"; then
        fail "no stage of type $type to isolate"
    fi
}

try() {
    name=$1
    label="$name: check"
    "$bin" check "graphs/$name.json" >"$work/printed" 2>&1 || {
        fail "flowrun check refuses it"
        cat "$work/printed" >&2
        return 0
    }
    isolate "$name"
    for mode in threads processes isolated; do
        label="$name: $mode"
        rm -rf "$work/out"
        mkdir "$work/out"
        if [ "$mode" = isolated ]; then
            example "$name" "$work/$name.json" --mode threads
        else
            example "$name" "graphs/$name.json" --mode "$mode"
        fi
    done
}

if [ $# -eq 0 ]; then
    for graph in graphs/*.json; do
        case $graph in
        */download.json) continue ;; # it needs a server, see tests/http.sh
        esac
        set -- "$@" "$(basename "$graph" .json)"
    done
fi
for name; do
    try "$name"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
