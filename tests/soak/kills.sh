# SPDX-License-Identifier: MIT
# Sourced, behind common.sh, by the scripts that kill all of a run at random moments.

# A moment of a kill [s], from the beginning of a run to a little after the end of an undisturbed one.
tried=0
next_moment() {
    awk -v seed="$$" -v n="$tried" 'BEGIN { srand(seed * 1000 + n); rand(); printf "%.3f", rand() * 0.9 }'
}

# kill_and_resume TIMES EVERY [LOOK]: run graph.json in $mode with a checkpoint EVERY so long, kill -9
# everything and go on with --resume, until it was killed so many times; the last run is left alone.
# After each kill LOOK is run, after each run that came to its end `compare`, which sees to it that the
# next begins anew.  Leaves behind how often it was killed, $kills, and how many ends there were, $runs.
kill_and_resume() {
    kills=0
    runs=0
    while [ "$kills" -lt "$1" ]; do
        setsid "$FLOWRUN" graph.json --mode "$mode" --checkpoint "$2" --resume --report none 2>err &
        pid=$!
        tried=$((tried + 1))
        (sleep "$(next_moment)"; kill -9 -"$pid" 2>/dev/null) &
        killer=$!
        code=0
        wait "$pid" 2>/dev/null || code=$?
        if [ "$code" = 137 ]; then
            wait "$killer" || true
            kills=$((kills + 1))
            ${3:-:}
        else
            kill "$killer" 2>/dev/null || true
            wait "$killer" 2>/dev/null || true
            [ "$code" = 0 ] || fail "$mode, after $kills kills: exit code $code"
            runs=$((runs + 1))
            compare
        fi
    done
    "$FLOWRUN" graph.json --mode "$mode" --resume --report none 2>err || fail "$mode: exit code $?"
    runs=$((runs + 1))
    compare
}
