#!/bin/sh
# SPDX-License-Identifier: MIT
# needs: redis.in
#
# redis.in and redis.out against a server of the test's own, asked by redis-cli.

set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
. "$here/support/graphs.sh"
. "$here/support/serve.sh"
serve "$here/support/server.sh" redis

ask() {
    redis-cli -s "$address" "$@"
}

seq 1 10000 | awk '{ printf "number %d of \"many\"\n", $1 }' >lines
put write <<END
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "lines" } },
    "out": { "use": "redis.out", "from": "read", "with": { "server": "$address", "key": "lines" } } } }
END
put alone <<END
{ "flowrun": 1, "stages": {
    "in": { "use": "redis.in", "with": { "server": "$address", "stream": "lines", "field": "data", "until_end": true } },
    "wait": { "use": "sleep", "from": "in", "with": { "delay": "20us" } },
    "out": { "use": "lines.write", "from": "wait", "with": { "path": "alone.out" } } } }
END
put share <<END
{ "flowrun": 1, "stages": {
    "in": { "use": "redis.in", "workers": 2,
            "with": { "server": "$address", "stream": "lines", "group": "many", "field": "data", "until_end": true, "batch": 100 } },
    "wait": { "use": "sleep", "from": "in", "with": { "delay": "20us" } },
    "out": { "use": "lines.write", "from": "wait", "with": { "path": "share.out" } } } }
END
put refused <<END
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "lines" } },
    "out": { "use": "redis.out", "from": "read", "errors": "route", "with": { "server": "$address", "key": "text", "verb": "rpush" } },
    "bad": { "use": "lines.write", "from": "out.errors", "with": { "path": "bad" } } } }
END
put gone <<END
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "lines" } },
    "out": { "use": "redis.out", "from": "read", "with": { "server": "$work/nobody", "key": "x" } } } }
END

is_shared() {
    sort share.out >sorted.out && sort lines | cmp -s - sorted.out
}

is_acknowledged() {
    [ "$(ask XPENDING lines many | head -n 1)" -eq 0 ]
}

for mode in threads processes; do
    ask FLUSHALL >said
    ask SET text text >said
    runs "a stream is written" write
    ask --raw XRANGE lines - + | awk 'NR % 3 == 0' >seen
    holds "$mode: redis-cli sees all lines, in order" same seen lines
    runs "a stream is read" alone
    holds "$mode: all that was written is read, in order" same alone.out lines
    killed alone
    holds "$mode: each entry is read once" same alone.out lines
    runs "a group reads a stream" share
    holds "$mode: its two consumers get each entry once" is_shared
    holds "$mode: all of them are acknowledged" is_acknowledged
    ask XGROUP DESTROY lines many >said
    killed share
    holds "$mode: each entry comes once, whatever was acknowledged" is_shared
    holds "$mode: in the end all are acknowledged" is_acknowledged
    runs "what the server refuses goes to errors" refused
    holds "$mode: every record, with the reason" [ "$(grep -c WRONGTYPE bad)" -eq 10000 ]
    fails "a server that is not there ends the run" gone "cannot connect: No such file"
done

done_with_all
