#!/bin/sh
# SPDX-License-Identifier: MIT
#
# lines.write with several files and with compression, against split, zcat and zstd.

set -eu
. "$(dirname "$0")/support/graphs.sh"

seq 1 8000 >plain
split -C 2000 -a 3 -d plain split-

put packed <<'END'
{ "flowrun": 1, "params": { "how": { "type": "string", "default": "gz" } }, "stages": {
    "read": { "use": "lines.read", "with": { "path": "plain" } },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "20us" } },
    "out": { "use": "lines.write", "from": "wait",
             "with": { "path": "packed", "compression": "${param:how}" } } } }
END
put rows <<'END'
{ "flowrun": 1, "params": { "how": { "type": "string", "default": "none" } }, "stages": {
    "read": { "use": "lines.read", "with": { "path": "plain" } },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "20us" } },
    "out": { "use": "lines.write", "from": "wait",
             "with": { "path": "rows/{n:4}", "rotate_size": "2000B", "compression": "${param:how}" } } } }
END
put hours <<'END'
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "plain" } },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "20us" } },
    "out": { "use": "lines.write", "from": "wait",
             "with": { "path": "rows/{time:%s}-{n:5}", "rotate_every": "20ms", "rotate_size": "3000B" } } } }
END

unpack() {
    if [ "$how" = gz ]; then zcat "$@"; else zstd -dc "$@"; fi
}

as_split() {
    for file in split-*; do
        number=$(printf '%04d' $((1$(echo "$file" | cut -c 7-) - 999)))
        same "$file" "rows/$number" || return 1
    done
    nothing_else 'rows/.*part.*' && [ "$(ls rows | wc -l)" -eq "$(ls split-* | wc -l)" ]
}

nothing_else() {
    [ -z "$(find . -regex "./$1")" ]
}

anew() {
    rm -rf rows
    mkdir rows
}

for mode in threads processes; do
    for how in gz zst; do
        runs "lines are compressed as $how" packed --param how=$how
        unpack <packed >unpacked
        holds "$mode: $how gives them back" same unpacked plain
        killed packed
        zcat <packed >unpacked
        holds "$mode: each is there once" same unpacked plain
    done
    anew
    runs "files follow on one another" rows
    holds "$mode: as split makes them" as_split
    anew
    killed rows
    holds "$mode: the same after it was killed" as_split
    anew
    how=zst
    runs "compressed ones too" rows --param how=zst
    zstd -dc rows/* >unpacked
    holds "$mode: zstd gives them back" same unpacked plain
    anew
    killed hours
    cat rows/* >unpacked
    holds "$mode: files by time hold each line once, in order" same unpacked plain
    holds "$mode: there are several" [ "$(ls rows | wc -l)" -gt 5 ]
    anew
    runs "three files are kept" rows --set out.keep=3
    ls split-* | tail -n 3 | xargs cat >expected
    cat rows/* >unpacked
    holds "$mode: the last ones" same unpacked expected
done

done_with_all
