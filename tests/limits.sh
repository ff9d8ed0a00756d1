#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What runs into a limit of its surroundings says which, with its path or number, and waits where
# others can make room.

set -eu

. "$(dirname "$0")/sentences.sh"

# limited COMMAND ARGUMENT...: run flowrun with the arguments after the shell command.
limited() {
    command=$1
    shift
    code=0
    # shellcheck disable=SC2016
    sh -c "$command"' && exec "$@"' sh "$FLOWRUN" --report none "$@" >out 2>err </dev/null ||
        code=$?
}

says() {
    grep -q -e "$1" err
}

# An end that is right, or one with a code and a message of ours; or libzmq's, which has no other way
# to say that it lacks memory than to abort its process.
is_orderly() {
    case $code in
    134) says "OUT OF MEMORY" ;;
    0) [ "$(wc -l <counts)" -eq 20000 ] ;;
    5) says "^flowrun: .*\(memory\|thread\)" ;;
    *) false ;;
    esac
}

cat >graph.json <<'END'
{
  "flowrun": 1,
  "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": 20000 } },
    "words":   { "use": "text.words", "from": "numbers", "workers": 4 },
    "count":   { "use": "count.keys", "from": { "stage": "words", "share": "key" }, "workers": 2 },
    "write":   { "use": "lines.write", "from": "count", "with": { "path": "counts" } }
  }
}
END

# A mesh of 90,000 links, each of which may have some megabytes under way.
cat >large.json <<'END'
{
  "flowrun": 1,
  "run": { "memory": "100TB" },
  "stages": {
    "from": { "use": "gen.sequence", "with": { "count": 1 }, "workers": 300 },
    "to":   { "use": "null", "from": { "stage": "from", "share": "all" }, "workers": 300 }
  }
}
END

for mode in threads processes; do
    limited 'ulimit -n 40' graph.json --mode $mode
    holds "$mode: too few descriptors are told before the run, with what it needs" \
        says "the run needs [0-9]* open descriptors in one process, and no more than 40 are allowed"
    holds "$mode: ... with the code of the environment" [ "$code" -eq 5 ]

    limited : large.json --mode $mode
    holds "$mode: more memory than there is is told before the run, with the numbers" \
        says "the run may take .* of memory, .* and .* can be had (.*): a smaller \"memory\""
    holds "$mode: ... with the code of the environment" [ "$code" -eq 5 ]

    # Sanitizers take address room without end for themselves.
    for room in 20000 30000 40000 50000 70000 100000 300000; do
        [ -z "${SANITIZE:-}" ] || break
        rm -f counts
        # shellcheck disable=SC2016
        limited "ulimit -v $room" graph.json --mode $mode
        # The system may not even load a program with so little.
        says "error while loading\|failed to map\|annot allocate memory in static" && continue
        holds "$mode: with $room KiB of address room the run ends in order" is_orderly
    done

    TMPDIR=/proc XDG_RUNTIME_DIR=/proc
    export TMPDIR XDG_RUNTIME_DIR
    limited : graph.json --mode $mode
    unset TMPDIR XDG_RUNTIME_DIR
    holds "$mode: a folder for sockets that cannot be written is passed over for the next" \
        [ "$code" -eq 0 ]
    limited : graph.json --mode $mode --set write.path=/proc/counts
    holds "$mode: an output folder that cannot be written is named" \
        says "stage 'write': cannot write '/proc/counts': "
    holds "$mode: ... with the code of a failed run" [ "$code" -eq 1 ]
done

# ---- a disk that is full ----

# A file system of our own, for us alone.
full_disk() {
    mkdir -p disk
    mount -t tmpfs -o size=1m flowrun-test disk
}

# until_waiting: until the run says that it waits, or has ended; ten seconds at most.
until_waiting() {
    tries=0
    until says "waiting until there is room" || ! kill -0 $run 2>/dev/null || [ $tries -ge 100 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
}

if [ "${FLOWRUN_TEST_DISK:-}" != yes ]; then
    if unshare -m sh -c "mkdir -p '$work/probe' && mount -t tmpfs probe '$work/probe'" 2>/dev/null; then
        # The rest runs where a mount is seen by nobody else.
        code=0
        FLOWRUN_TEST_DISK=yes unshare -m "$root/tests/limits.sh" >disk.log 2>&1 || code=$?
        cat disk.log >err
        : >out
        holds "a full disk is waited for, and the run goes on when there is room" [ "$code" -eq 0 ]
    else
        echo "no mounts of our own are allowed here: the full disk is not tried"
    fi
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
fi

full_disk
sed 's/20000/60000/' graph.json >big.json # about 700 KB of counts
for mode in threads processes; do
    head -c 600000 /dev/zero >disk/ballast
    : >err # what the last run said is not what we wait for
    "$FLOWRUN" big.json --mode $mode --report none --set write.path=disk/counts >out 2>err &
    run=$!
    until_waiting
    holds "$mode: a full disk is told with the path, and waited for" \
        says "^write: cannot write 'disk/counts': No space left on device; waiting until there is room"
    rm disk/ballast
    code=0
    wait $run || code=$?
    holds "$mode: when there is room the run goes on" says "there is room again for 'disk/counts'"
    holds "$mode: ... to its end" [ "$code" -eq 0 ]
    holds "$mode: ... with all of its output" [ "$(sort -u disk/counts | wc -l)" -eq 60000 ]
    rm disk/counts

    head -c 600000 /dev/zero >disk/ballast
    limited : big.json --mode $mode --set write.path=disk/counts --set write.on_full=fail
    holds "$mode: a run that shall fail then, fails" \
        says "stage 'write': cannot write 'disk/counts': No space left on device"
    holds "$mode: ... and leaves nothing" [ "$(ls disk)" = ballast ]

    : >err # what the last run said is not what we wait for
    "$FLOWRUN" big.json --mode $mode --report none --set write.path=disk/counts >out 2>err &
    run=$!
    until_waiting
    kill -INT $run
    kill -TERM $run # two of one kind might be taken for one
    code=0
    wait $run || code=$?
    holds "$mode: a run that waits for room can be stopped" [ "$code" -eq 143 ]
    holds "$mode: ... and leaves nothing either" [ "$(ls disk)" = ballast ]
    rm disk/ballast
done
umount disk
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
