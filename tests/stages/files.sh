#!/bin/sh
# SPDX-License-Identifier: MIT
#
# files.list, files.write and lines.read against find, split, zcat, zstd and xargs.

set -eu
. "$(dirname "$0")/support/graphs.sh"

mkdir -p tree/a/b tree/a.b tree/none
seq 1 2000 | while read -r i; do echo "tree/a/b/$i"; done | xargs touch
touch tree/a.b/x tree/a/y tree/z
seq 1 8000 >plain
gzip -k plain
zstd -q plain
tr '\n' '\0' <plain >nul
seq 1 2000 >few

put list <<'END'
{ "flowrun": 1, "stages": {
    "list": { "use": "files.list", "with": { "path": "tree", "tree": true, "kind": "any" } },
    "wait": { "use": "sleep", "from": "list", "with": { "delay": "20us" } },
    "out": { "use": "lines.write", "from": "wait", "with": { "path": "list.txt" } } } }
END
find tree -mindepth 1 | sort >find.txt

put files <<'END'
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "few" } },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "20us" } },
    "out": { "use": "files.write", "from": "wait",
             "with": { "path": "files/{n:5}.txt", "on_exists": "refuse", "end": "\n" } } } }
END

put packed <<'END'
{ "flowrun": 1, "params": { "input": { "type": "string", "default": "plain.gz" },
                             "framing": { "type": "string", "default": "lines" } },
  "stages": {
    "read": { "use": "lines.read", "with": { "path": "${param:input}", "framing": "${param:framing}" } },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "20us" } },
    "out": { "use": "lines.write", "from": "wait", "with": { "path": "packed.txt" } } } }
END

for mode in threads processes; do
    runs "a tree is listed" list
    holds "$mode: as by find" same list.txt find.txt
    killed list
    holds "$mode: with the same names" same list.txt find.txt

    rm -rf files
    runs "each record gets a file" files
    cat files/*.txt >together.txt
    holds "$mode: nothing is missing or changed" same together.txt few
    rm -rf files
    killed files
    cat files/*.txt >together.txt
    holds "$mode: each file is there once" same together.txt few
    holds "$mode: and nothing else" [ "$(find files -name '.*' | wc -l)" -eq 0 ]

    for input in plain.gz plain.zst; do
        runs "$input is read" packed --param input=$input
        holds "$mode: $input as its lines" same packed.txt plain
    done
    runs "records that end with a zero byte are read" packed --param input=nul --param framing=nul
    holds "$mode: as lines" same packed.txt plain
    killed packed
    holds "$mode: a compressed file is read on" same packed.txt plain
done

done_with_all
