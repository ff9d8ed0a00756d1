#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What a spool costs: lines on standard input into a file, by way of a filter, in processes, with a
# checkpoint every second; with a spool and without one, in turn.
#
#     tests/soak/spool_price.sh BUILD [MIB [ROUNDS]]
#
# For each size of line: records a second and CPU seconds for a million records, medians of ROUNDS
# (5), for MIB mebibytes (64) each.
set -eu

export LC_ALL=C
build=$(cd "$1" && pwd -P)
mib=${2:-64}
rounds=${3:-5}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/spool_price.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM
cd "$WORK"

for spool in false true; do
    cat >$spool.json <<END
{ "flowrun": 1, "run": { "state": true, "checkpoint": "1s", "delivery": "at-most-once" }, "stages": {
    "read":  { "use": "lines.read", "spool": $spool, "with": { "path": "-" } },
    "grep":  { "use": "text.grep", "from": "read", "with": { "pattern": "x" } },
    "write": { "use": "lines.write", "from": "grep", "with": { "path": "out.txt" } } } }
END
done
sed -i 's/, "delivery": "at-most-once"//' true.json

median() {
    sort -n "$1" | awk '{ at[NR] = $1 } END { print at[int((NR + 1) / 2)] }'
}

# once SPOOL: adds records a second to SPOOL.rate, CPU seconds for a million to SPOOL.cpu
once() {
    rm -rf out.txt "$1.state"
    bash -c 'TIMEFORMAT="%R %U %S"; time "$0" "$1" --mode processes --report none <&3' \
        "$build/bin/flowrun" "$1.json" 3<pipe 2>time &
    run=$!
    cat in.txt >pipe
    wait "$run" || { cat time >&2; exit 1; }
    cmp -s in.txt out.txt || { echo "the output is another" >&2; exit 1; }
    tail -n 1 time | awk -v n="$count" -v name="$1" '{
        print n / $1 >>(name ".rate")
        print ($2 + $3) * 1e6 / n >>(name ".cpu") }'
}

mkfifo pipe
printf '%8s %14s %14s %7s %12s %12s %7s\n' bytes records/s with ratio CPU/million with ratio
for size in 16 100 1024; do
    count=$((mib * 1048576 / size))
    awk -v n="$count" -v size="$size" 'BEGIN {
        for (rest = ""; length(rest) < size - 11;) rest = rest "x"
        for (i = 0; i < n; i++) printf "%010d%s\n", i, rest }' >in.txt
    rm -f ./*.rate ./*.cpu
    for round in $(seq "$rounds"); do
        once false
        once true
    done
    awk -v size="$size" -v a="$(median false.rate)" -v b="$(median true.rate)" \
        -v c="$(median false.cpu)" -v d="$(median true.cpu)" 'BEGIN {
            printf "%8d %14d %14d %7.2f %12.2f %12.2f %7.2f\n", size, a, b, b / a, c, d, d / c }'
done
