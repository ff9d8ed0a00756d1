#!/bin/sh
# SPDX-License-Identifier: MIT
#
# sort, batch, join and window against sort, join and jq.

set -eu
. "$(dirname "$0")/support/graphs.sh"

seq 1 9000 | awk '{ printf "%d.%d\t%s\n", ($1 * 7919) % 1013 - 500, $1 % 7, $1 % 50 }' >in.txt
put sort <<'END'
{ "flowrun": 1, "params": { "how": { "type": "string", "default": "record" } }, "stages": {
    "read": { "use": "lines.read", "with": { "path": "in.txt" } },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "20us" } },
    "sort": { "use": "sort", "from": "wait", "with": { "by": "${param:how}" } },
    "out": { "use": "lines.write", "from": "sort", "with": { "path": "sorted.txt" } } } }
END
put batch <<'END'
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "in.txt" } },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "20us" } },
    "batch": { "use": "batch", "from": "wait", "with": { "count": 700, "as": "strings" } },
    "out": { "use": "lines.write", "from": "batch", "with": { "path": "batches.txt" } } } }
END

seq 1 4000 | awk '{ printf "{\"k\":\"%d\",\"l\":%d}\n", $1 % 1500, $1 }' >left.jsonl
seq 1 3000 | awk '{ printf "{\"k\":\"%d\",\"r\":%d}\n", $1 % 2000, $1 }' >right.jsonl
put join <<'END'
{ "flowrun": 1, "stages": {
    "left": { "use": "lines.read", "with": { "path": "left.jsonl" } },
    "right": { "use": "lines.read", "with": { "path": "right.jsonl" } },
    "wait": { "use": "sleep", "from": "left", "with": { "delay": "20us" } },
    "join": { "use": "join", "inputs": { "left": "wait", "right": "right" },
              "with": { "left_field": "/k", "right_field": "/k" } },
    "out": { "use": "lines.write", "from": "join", "with": { "path": "pairs.jsonl" } },
    "rest": { "use": "lines.write", "from": "join.unmatched", "with": { "path": "single.jsonl" } } } }
END
put window <<'END'
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "left.jsonl" } },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "20us" } },
    "window": { "use": "window", "from": "wait",
                "with": { "time": "/l", "value": "/l", "size": "60s" } },
    "out": { "use": "lines.write", "from": "window", "with": { "path": "windows.jsonl" } } } }
END
jq -r '"\(.k) \(.l)"' left.jsonl | sort >left.txt
jq -r '"\(.k) \(.r)"' right.jsonl | sort >right.txt
join left.txt right.txt | sort >joined.txt
join -v 1 -v 2 left.txt right.txt | sort >alone.txt
jq -s -c 'group_by(.l / 60 | floor)[] | [(.[0].l / 60 | floor * 60), length, (map(.l) | add), .[0].l, .[-1].l]' \
    left.jsonl >grouped.txt

# check_join: what came is what join prints
check_join() {
    jq -r '"\(.left.k) \(.left.l) \(.right.r)"' pairs.jsonl | sort >pairs.txt
    jq -r '"\(.k) \(.l // .r)"' single.jsonl | sort >single.txt
    holds "$mode: pairs as by join" same pairs.txt joined.txt
    holds "$mode: the others as by join -v" same single.txt alone.txt
}

check_window() {
    jq -c '[.start, .count, .sum, .min, .max]' windows.jsonl >windows.txt
    holds "$mode: windows as by jq" same windows.txt grouped.txt
}

for mode in threads processes; do
    sort in.txt >expected
    runs "records are sorted" sort
    holds "$mode: as by sort" same sorted.txt expected
    killed sort
    holds "$mode: each is there once" same sorted.txt expected
    sort -s -n in.txt >expected
    runs "numbers are sorted" sort --set sort.numeric=true
    holds "$mode: as by sort -s -n" same sorted.txt expected
    sort -s -r -k 2,2 -t "$(printf '\t')" in.txt >expected
    runs "columns are sorted" sort --param how=column --set sort.column=2 --set sort.reverse=true
    holds "$mode: as by sort -s -r -k" same sorted.txt expected
    sort -u -n in.txt >expected
    runs "equal ones are left out" sort --set sort.numeric=true --set sort.unique=true
    holds "$mode: as by sort -u" same sorted.txt expected

    runs "records are joined" batch
    jq -r '.[]' batches.txt >apart.txt
    holds "$mode: jq takes them apart" same apart.txt in.txt
    holds "$mode: there are as many as there should be" [ "$(wc -l <batches.txt)" -eq 13 ]
    killed batch
    jq -r '.[]' batches.txt >apart.txt
    holds "$mode: each is in one batch" same apart.txt in.txt

    runs "two inputs are joined" join
    check_join
    killed join
    check_join
    runs "windows are summed up" window
    check_window
    killed window
    check_window
done

done_with_all
