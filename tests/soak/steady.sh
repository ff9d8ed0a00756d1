#!/bin/sh
# SPDX-License-Identifier: MIT
# steady.sh BUILD [SECONDS] [MODE...]: at full rate neither memory nor descriptors grow, whatever ends
# and begins meanwhile: batches, files that are rotated, windows, records that are dropped, a
# checkpoint each second and, in processes, a worker that is killed each ten seconds.  With SAMPLES
# in the environment, KiB, descriptors and processes over the time go to $SAMPLES.MODE.  Compared are
# the middle and the last fifth: at first pools fill, which on a busy machine takes some 20 minutes.
. "$(dirname "$0")/common.sh"
SECONDS_LONG=${1:-3600}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- threads processes
EVERY=$((SECONDS_LONG / 100 + 1)) # seconds between two samples
KILL=$((SECONDS_LONG < 100 ? 3 : 10))

cat >"$GRAPH" <<END
{ "flowrun": 1, "run": { "checkpoint": "1s" }, "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": 1000000000000, "size": 100, "keys": 1000 } },
    "work": { "use": "text.grep", "from": "numbers", "workers": 2, "with": { "pattern": "[0-46-9]\$" },
              "restart": { "tries": 1000000, "backoff": "1ms", "max": "50ms" } },
    "file": { "use": "lines.write", "from": "work",
              "with": { "path": "$WORK/run/file-{n}", "rotate_size": "64MiB", "keep": 2 } },
    "short": { "use": "text.regex", "with": { "mode": "replace", "pattern": "^0+" },
               "from": { "stage": "work", "queue": { "items": 100000, "when_full": "drop_old" } } },
    "keyed": { "use": "window", "workers": 2, "with": { "count": 1000 },
               "from": { "stage": "short", "share": "key" } },
    "sums": { "use": "null", "from": "keyed" },
    "slow": { "use": "sleep", "with": { "delay": "1ms" },
              "from": { "stage": "work", "queue": { "items": 100, "when_full": "drop_old" } } },
    "last": { "use": "null", "from": "slow" } } }
END

# tree PID: it and all that stem from it
tree() {
    echo "$1"
    for child in $(ps -o pid= --ppid "$1"); do tree "$child"; done
}

# sample PID: KiB and descriptors of all of its processes, and how many these are
sample() {
    kib=0 fds=0 processes=0
    for pid in $(tree "$1"); do
        rss=$(awk '/^Rss(Anon|Shmem|File):/ { sum += $2 } END { print sum + 0 }' "/proc/$pid/status" 2>/dev/null) || continue
        held=$(ls "/proc/$pid/fd" 2>/dev/null | wc -l)
        [ "$held" -gt 0 ] || continue
        kib=$((kib + rss)) fds=$((fds + held)) processes=$((processes + 1))
    done
    echo "$kib $fds $processes"
}

# strike PID REPLICA: kill one of the two workers
strike() {
    victim=$(ps -o pid=,args= --ppid "$1" | awk -v n="work[$2]" 'index($0, n) { print $1; exit }')
    [ -z "$victim" ] || kill -9 "$victim"
}

# middle FIELD FROM TO: the median of a field in lines FROM to TO
middle() {
    sed -n "$2,$3p" "$WORK/samples" | cut -d ' ' -f "$1" | sort -n |
        awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

for mode; do
    rm -rf "$WORK/state" "$WORK/samples"
    "$FLOWRUN" "$GRAPH" --mode "$mode" --state "$WORK/state" --report json >"$WORK/out" 2>"$WORK/err" &
    run=$!
    end=$(($(date +%s) + SECONDS_LONG))
    next=$(($(date +%s) + EVERY)) fall=$(($(date +%s) + KILL)) kills=0
    while [ "$(date +%s)" -lt $end ]; do
        kill -0 $run 2>/dev/null || fail "$mode: it has ended"
        sleep 1
        if [ "$mode" = processes ] && [ "$(date +%s)" -ge $fall ]; then
            strike $run $((kills % 2))
            kills=$((kills + 1)) fall=$((fall + KILL))
        elif [ "$(date +%s)" -ge $next ]; then
            sample $run >>"$WORK/samples"
            next=$((next + EVERY))
        fi
    done
    kill -TERM $run
    code=0
    wait $run || code=$?
    [ $code = 143 ] || fail "$mode: exit code $code"
    count=$(wc -l <"$WORK/samples")
    early=$((count * 2 / 5 + 1)) later=$((count * 3 / 5 + 1)) late=$((count * 4 / 5 + 1))
    kib=$(middle 1 $early $later) last_kib=$(middle 1 $late "$count")
    fds=$(middle 2 $early $later) last_fds=$(middle 2 $late "$count")
    echo "$mode: $SECONDS_LONG s, $kills kills, $(field stages numbers out) records;" \
        "$kib KiB in the middle fifth, $last_kib in the last; $fds and $last_fds descriptors"
    [ -z "${SAMPLES:-}" ] || cp "$WORK/samples" "$SAMPLES.$mode"
    holds "$last_kib <= $kib * 1.02 + 2048" "$mode: memory grew"
    holds "$last_fds <= $fds" "$mode: descriptors were not given back"
    nothing_left=$(ls -A "$WORK/run" | grep -v '^file-' || true)
    [ -z "$nothing_left" ] || fail "$mode: left behind: $nothing_left"
    rm -rf "$WORK/run"/file-*
done
