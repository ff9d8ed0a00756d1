#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What goes by the clock comes out although nothing comes in: batch, window and lines.write, in
# threads of their own, in those of others, and behind stages that wait in their own ways.

set -eu
. "$(dirname "$0")/support/graphs.sh"

mkfifo in ends
put batch <<'END'
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "-" } },
    "pass": { "use": "sleep", "from": "read", "with": { "delay": "1us" } },
    "batch": { "use": "batch", "from": "pass",
               "with": { "age": "5ms", "separator": "+" } },
    "out": { "use": "lines.write", "from": "batch" } } }
END
sed 's/"sleep"/"exec"/; s/{ "delay": "1us" }/{ "command": ["cat"] }/' batch.json >exec.json
sed 's/"batch", "from"/"window", "from"/; s/"age": "5ms", "separator": "+"/"every": "5ms"/' batch.json >window.json
put rotate <<'END'
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "-" } },
    "out": { "use": "lines.write", "from": "read", "with": { "path": "log-{n}", "rotate_every": "5ms" } } } }
END
seq 1 8000 >plain
put slow <<'END'
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "plain" } },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "20us" } },
    "batch": { "use": "batch", "from": "wait", "with": { "age": "1ms", "count": 100000 } },
    "out": { "use": "lines.write", "from": "batch", "with": { "path": "slow.txt" } } } }
END

# comes GRAPH WORDS [OPTION]...: a line is given, the input stays open, and WORDS come.
comes() {
    "$FLOWRUN" "$1.json" --mode "$mode" --report none "$3" "$4" <in >ends 2>err &
    pid=$!
    exec 3>in 4<ends
    echo 17 >&3
    got=
    code=0
    read -r got <&4 || code=1
    exec 3>&-
    cat <&4 >out
    exec 4<&-
    wait "$pid" || code=$?
    echo "$got" >out
    [ "$code" -eq 0 ] && echo "$got" | grep -q -e "$2"
}

# appears FILE: while the input is open
appears() {
    "$FLOWRUN" rotate.json --mode "$mode" --report none <in >out 2>err &
    pid=$!
    exec 3>in
    echo 17 >&3
    until [ -e "$1" ] || ! kill -0 "$pid" 2>/dev/null; do :; done
    kill -0 "$pid" 2>/dev/null && code=0 || code=1
    exec 3>&-
    wait "$pid" || code=$?
    [ "$code" -eq 0 ] && [ "$(cat "$1")" = 17 ]
}

for mode in threads processes; do
    for fuse in off auto on; do
        holds "$mode, fuse $fuse: a batch comes" comes batch '^17$' --fuse $fuse
        holds "$mode, fuse $fuse: a window comes" comes window '"count":1,"sum":17' --fuse $fuse
    done
    holds "$mode: a batch comes behind a program" comes exec '^17$' --fuse auto
    holds "$mode: a file comes" appears log-1
    rm -f log-*
    runs "records that come slowly" slow
    holds "$mode: are all there, in order" same slow.txt plain
    killed slow
    holds "$mode: also after a kill" same slow.txt plain
done

done_with_all
