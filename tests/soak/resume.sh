#!/bin/sh
# SPDX-License-Identifier: MIT
# resume.sh BUILD [TIMES [MODE...]]: kill -9 of everything at random moments, then --resume, again and
# again; the output is that of an undisturbed run, to the byte.  Says in which phases the kills fell.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/kills.sh"
TIMES=${1:-200}
[ $# -lt 1 ] || shift
MODES=${*:-threads processes}

cd "$WORK"
seq 1 1000000 | awk '{ print "line", $1, "word" ($1 * 7919) % 1009 }' >in.txt
cat >graph.json <<END
{ "flowrun": 1, "stages": {
    "read":  { "use": "lines.read", "with": { "path": "in.txt" } },
    "words": { "use": "text.words", "from": "read", "workers": 2, "with": { "count": true } },
    "count": { "use": "count.keys", "from": { "stage": "words", "share": "key" }, "workers": 2,
               "with": { "sum": true } },
    "top":   { "use": "sort.top", "from": "count", "with": { "n": 50 } },
    "print": { "use": "lines.write", "from": "top", "with": { "path": "top.txt" } },
    "work":  { "use": "$PLUGIN:rt.map", "from": "read", "workers": 3, "with": { "kind": "xor" } },
    "copy":  { "use": "lines.write", "from": "work", "with": { "path": "copy.txt" } },
    "gen":   { "use": "gen.sequence", "with": { "count": 300000 } },
    "sum":   { "use": "count.records", "from": ["gen", "read"] },
    "total": { "use": "lines.write", "from": "sum", "with": { "path": "total.txt" } } } }
END
"$FLOWRUN" graph.json --quiet || fail "undisturbed: exit code $?"
mkdir truth
mv top.txt copy.txt total.txt truth

# The phase in which the run was killed, by what it has left in its state folder.
phase() {
    newest=$(ls graph.state 2>/dev/null | sed -n 's/^checkpoint-\([0-9]*\)\.json$/\1/p' | sort -n | tail -n 1)
    if [ -e graph.state/checkpoint.new ]; then
        echo committing
    elif [ -z "$newest" ]; then
        echo before_first
    elif ! grep -q '"finished":false' "graph.state/checkpoint-$newest.json"; then
        echo draining
    elif ls graph.state | sed -n 's/^state-\([0-9]*\)-.*/\1/p' | awk -v n="$newest" '$1 > n { found = 1 } END { exit !found }'; then
        echo aligning
    else
        echo between
    fi
}

note_phase() {
    phase >>phases
}

compare() {
    for file in top.txt copy.txt total.txt; do
        cmp "$file" "truth/$file" || fail "$mode, after $kills kills: $file is another"
    done
    left=$(ls | grep '\.part-' || true)
    [ -z "$left" ] || fail "$mode: left behind: $left"
    rm -rf graph.state top.txt copy.txt total.txt
}

: >phases
for mode in $MODES; do
    kill_and_resume "$TIMES" 15ms note_phase
    echo "$mode: killed everything $kills times, in $runs runs to their ends: the same to the byte"
done
sort phases | uniq -c | awk '{ printf "%s%s %d", (NR > 1 ? ", " : "phases: "), $2, $1 } END { print "" }'
