#!/bin/sh
# SPDX-License-Identifier: MIT
#
# sort and batch against sort and jq.

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
done

done_with_all
