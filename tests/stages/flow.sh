#!/bin/sh
# SPDX-License-Identifier: MIT
#
# gen.records, sample, dedup, throttle, timer and print against seq, awk and the clock.

set -eu
. "$(dirname "$0")/support/graphs.sh"

seq 1 9000 | awk '{ print $1 % 700 }' >in.txt
awk 'NR % 10 == 1' in.txt >every.txt
awk '!seen[$0]++' in.txt >once.txt

put flow <<'END'
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "in.txt" } },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "20us" } },
    "every": { "use": "sample", "from": "wait", "with": { "how": "every", "n": 10 } },
    "once": { "use": "dedup", "from": "wait" },
    "a": { "use": "lines.write", "from": "every", "with": { "path": "out-every.txt" } },
    "b": { "use": "lines.write", "from": "once", "with": { "path": "out-once.txt" } } } }
END
put gen <<'END'
{ "flowrun": 1, "stages": {
    "gen": { "use": "gen.records", "with": { "count": 9000, "template": "{n} {uuid}" } },
    "wait": { "use": "sleep", "from": "gen", "with": { "delay": "20us" } },
    "out": { "use": "lines.write", "from": "wait", "with": { "path": "gen.txt" } } } }
END
put pace <<'END'
{ "flowrun": 1, "stages": {
    "gen": { "use": "gen.records", "with": { "count": 300 } },
    "slow": { "use": "throttle", "from": "gen", "with": { "rate": 1000, "burst": 1 } },
    "print": { "use": "print", "from": "slow", "with": { "format": "{stage} {record}" } },
    "tick": { "use": "timer", "with": { "every": "20ms", "count": 5 } },
    "ticks": { "use": "lines.write", "from": "tick", "with": { "path": "ticks.txt" } } } }
END

for mode in threads processes; do
    runs "records are sampled and made unique" flow
    holds "$mode: each tenth, as by awk" same out-every.txt every.txt
    holds "$mode: each once, as by awk" same out-once.txt once.txt
    killed flow
    holds "$mode: the same tenths" same out-every.txt every.txt
    holds "$mode: each once" same out-once.txt once.txt

    runs "records are made" gen
    mv gen.txt whole.txt
    holds "$mode: as many as were asked for" [ "$(cut -d ' ' -f 2 whole.txt | sort -u | wc -l)" -eq 9000 ]
    killed gen
    holds "$mode: the same for the same seed" same gen.txt whole.txt

    before=$(date +%s%N)
    runs "records are held back" pace
    holds "$mode: for as long as the rate says" [ $(($(date +%s%N) - before)) -ge 290000000 ]
    seq 1 300 | sed 's/^/print /' >expected
    holds "$mode: and printed in order" same out expected
    holds "$mode: the last tick came" [ "$(tail -n 1 ticks.txt)" = 5 ]
done

done_with_all
