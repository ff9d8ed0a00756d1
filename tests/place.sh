#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Stages run on the CPUs that the graph, or --pin, gives them: a stage says where it finds itself.

set -eu

. "$(dirname "$0")/sentences.sh"
: "${WHERE:=$root/build/release/tests/test_where.so}"
: "${HWLOC:=1}"

# says TEXT...: the last try ended well, and its lines, sorted, are these.
says() {
    [ "$code" -eq 0 ] && printf '%s\n' "$@" | sort >expected && sort out | cmp -s - expected
}

refused() { # code, pattern
    [ "$code" -eq "$1" ] && [ ! -s out ] && grep -q -e "$2" err
}

# graph CPUS: the stage that says where it runs has two replicas, which both get every record.
graph() {
    cat >graph.json <<END
{
  "flowrun": 1,
  "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": 3 } },
    "where": { "use": "$WHERE", "from": { "stage": "numbers", "share": "all" },
               "workers": 2, "order": "none" $1 },
    "print": { "use": "lines.write", "from": "where" }
  }
}
END
}

# The CPUs of this process, one a line.
sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status | tr ',' '\n' |
    while IFS=- read -r from to; do
        seq "$from" "${to:-$from}"
    done >cpus
first=$(head -n 1 cpus)
last=$(tail -n 1 cpus)
all=$(tr '\n' ' ' <cpus)
all=${all% }

graph ''
try graph.json --quiet
holds "without a word, replicas run anywhere" says "where 0: $all" "where 1: $all"
try graph.json --quiet --pin none
holds "nothing is placed by --pin none" says "where 0: $all" "where 1: $all"

if [ "$HWLOC" != 1 ]; then
    for option in check explain run; do
        try "$option" graph.json --pin compact
        holds "$option: without hwloc --pin is refused" refused 5 'built without hwloc'
    done
    graph ', "cpus": "0"'
    try graph.json
    holds "without hwloc 'cpus' is refused" refused 5 'built without hwloc'
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
fi

for mode in threads processes; do
    graph ", \"cpus\": \"$first\""
    try graph.json --quiet --mode "$mode"
    holds "$mode: more replicas than CPUs share them" says "where 0: $first" "where 1: $first"
    if [ "$first" != "$last" ]; then
        graph ", \"cpus\": \"$last,$first\""
        try graph.json --quiet --mode "$mode"
        holds "$mode: replicas have a CPU each" says "where 0: $first" "where 1: $last"
        try explain graph.json --json --mode "$mode"
        holds "$mode: the plan says so" [ "$("$JSON_GET" replicas 2 cpus 0 <out)" = "$last" ]
        try graph.json --quiet --mode "$mode" --pin spread
        holds "$mode: pinning leaves them alone" says "where 0: $first" "where 1: $last"
    fi
    graph ''
    for pin in compact spread; do
        try explain graph.json --json --mode "$mode" --pin "$pin"
        for replica in 0 1; do
            cpus=
            n=0
            while cpu=$("$JSON_GET" replicas $((replica + 1)) cpus $n <out 2>/dev/null); do
                cpus="$cpus $cpu"
                n=$((n + 1))
            done
            # As numbers in order, which is how the stage finds them.
            sorted=$(printf '%s\n' $cpus | sort -n | tr '\n' ' ')
            echo "where $replica: ${sorted% }"
        done >planned
        try graph.json --quiet --mode "$mode" --pin "$pin"
        holds "$mode, $pin: replicas run where the plan says" says "$(cat planned)"
    done
done

graph ', "cpus": "8191"'
for verb in check explain run; do
    try "$verb" graph.json
    holds "$verb: a CPU that is not there is refused" \
        refused 3 "^flowrun: stage 'where' asks for CPU 8191, which does not exist on this machine"
done
if [ "$first" != "$last" ] && command -v taskset >/dev/null; then
    graph ", \"cpus\": \"$last\""
    code=0
    taskset -c "$first" "$FLOWRUN" check graph.json >out 2>err || code=$?
    holds "a CPU outside of the affinity is refused" \
        refused 3 "asks for CPU $last, which is closed to this process; to be had: $first\$"
fi
try graph.json --pin sideways
holds "an unknown way to pin is refused" refused 2 'none|compact|spread'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
