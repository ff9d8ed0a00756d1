#!/bin/sh
# SPDX-License-Identifier: MIT
# power_loss.sh BUILD [STATES [MODE...]]: a run whose writes, syncs and renames are written down; at
# each point the power is lost, and what a disk may hold then is rebuilt.  --resume goes on from the
# last checkpoint that had been committed, or a later one, and ends with the output of an undisturbed
# run, to the byte.  STATES: how many of the states are tried, chosen by chance; 0: all.
. "$(dirname "$0")/common.sh"
STATES=${1:-0}
[ $# -lt 1 ] || shift
MODES=${*:-threads processes}
POWER=$BUILD/tests/soak/power_tool
SEED=${SEED:-1}
CHANCES=${CHANCES:-4} # states by chance at each point
LINES_LEFT=2500       # of the input, that the recorded run reads at least

cd "$WORK"
mkdir fresh fresh/out

# lines COUNT: the beginning of the input
lines() {
    seq 1 "$1" | awk '{ print "line", $1, "word" ($1 * 7919) % 1009 }'
}

cat >fresh/graph.json <<END
{ "flowrun": 1, "stages": {
    "read":  { "use": "lines.read", "with": { "path": "in.txt" } },
    "pace":  { "use": "sleep", "from": "read", "with": { "delay": "30us" } },
    "words": { "use": "text.words", "from": "pace" },
    "count": { "use": "count.keys", "from": "words" },
    "top":   { "use": "sort.top", "from": "count", "with": { "n": 50 } },
    "print": { "use": "lines.write", "from": "top", "with": { "path": "out/top.txt" } },
    "copy":  { "use": "lines.write", "from": "pace", "with": { "path": "out/copy.txt" } } } }
END

has_second_checkpoint() {
    for kept in base/graph.state/checkpoint-*.json; do
        case $kept in *-1.json | *-\*.json) ;; *) return 0 ;; esac
    done
    return 1
}

# What a run leaves that is killed behind its second checkpoint, the disk having got all of it, and
# input for the next one.  It cannot end before that is seen, since what it would still have to read
# takes half a minute at least: the input is cut afterwards, behind what the run has got to.
leave_behind() {
    lines 1000000 >base/in.txt
    (cd base && exec "$FLOWRUN" graph.json --mode "$mode" --checkpoint 10ms --report none 2>../err) &
    until has_second_checkpoint; do kill -0 $! || fail "$mode: it ended"; done
    kill -KILL $!
    wait $! 2>/dev/null || true
    flock base/graph.state/members true # its processes end by themselves
    written=$(wc -l <base/out/copy.txt.part-copy)
}

# What the recorded run begins with, nothing or what one that was killed has left, and what it is to
# end with.
prepare() {
    written=0
    rm -rf base truth && cp -r fresh base
    [ "$begin" = anew ] || leave_behind
    lines $((written + LINES_LEFT)) >base/in.txt
    cp -r fresh truth && cp base/in.txt truth
    (cd truth && "$FLOWRUN" graph.json --quiet 2>../err) || fail "undisturbed: exit code $?"
}

# Everything that is done is in the log, if what it says makes the same folder.
record() {
    rm -rf now log && cp -r base now
    (cd now && POWER_ROOT=$WORK/now POWER_LOG=$WORK/log LD_PRELOAD=$BUILD/tests/soak/power_record.so \
        "$FLOWRUN" graph.json --mode "$mode" --checkpoint 10ms --resume --report none 2>../err) ||
        fail "$mode: recorded, it ends with $?"
    [ "$begin" = anew ] || grep -q '^going on from checkpoint' err || fail "$mode: it began anew"
    count=$("$POWER" count log)
    rm -rf played && cp -r base played
    "$POWER" rebuild log "$count" all 0 played >/dev/null
    diff -r now played >err || fail "$mode: the log does not tell of everything"
}

# lose POINT WAY SEED: the power is lost there, and comes back
lose() {
    rm -rf now && cp -r base now
    "$POWER" rebuild log "$1" "$2" "$3" now >state
    . ./state
    for kept in base/graph.state/checkpoint-*.json; do
        number=$(expr "$kept" : '.*checkpoint-\([0-9]*\)') || number=0
        [ "$number" -le "$PROMISED" ] || PROMISED=$number
    done
    ! grep -q "$STATE" seen || return 0
    echo "$STATE" >>seen
    what="$mode, $begin: power lost after $1 of $count, what was not synced: $2 (seed $3)"
    (cd now && "$FLOWRUN" graph.json --mode threads --resume --report none 2>../err) ||
        fail "$what: exit code $?"
    for file in out/top.txt out/copy.txt; do
        cmp now/$file truth/$file || fail "$what: $file is another"
    done
    from=$(sed -n 's/^going on from checkpoint \([0-9]*\).*/\1/p' err)
    grep -q 'is done' err || [ "${from:-0}" -ge "$PROMISED" ] ||
        fail "$what: checkpoint $PROMISED had been committed, and it goes on from ${from:-the beginning}"
}

# The states to be tried, one a line: point, way, seed.
choose() {
    for point in $(seq 0 "$count"); do
        for way in none all names bytes zeros; do echo "$point $way 0"; done
        for n in $(seq "$CHANCES"); do echo "$point some $((SEED * 1000000 + point * 100 + n))"; done
    done >all
    [ "$STATES" -gt 0 ] || { cat all && return; }
    awk -v seed="$SEED$$" 'BEGIN { srand(seed) } { print rand(), $0 }' all | sort -n | head -n "$STATES" |
        cut -d ' ' -f 2-
}

lose_everywhere() {
    prepare
    record
    : >seen
    choose >chosen
    while read -r point way seed; do
        lose "$point" "$way" "$seed"
    done <chosen
    echo "$mode, $begin: power lost at $count points, $(wc -l <chosen) states tried, $(sort -u seen | wc -l)" \
        "of them different: the same to the byte"
}

for mode in $MODES; do
    for begin in anew resumed; do
        lose_everywhere
    done
done
