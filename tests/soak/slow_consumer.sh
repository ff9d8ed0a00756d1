#!/bin/sh
# SPDX-License-Identifier: MIT
# slow_consumer.sh BUILD [SECONDS]: a consumer of 1 ms a record holds its producer back, and memory
# does not grow meanwhile; its sibling on an edge that drops is not held back by it.
. "$(dirname "$0")/common.sh"
SECONDS_LONG=${1:-60}
COUNT=$((SECONDS_LONG * 900))

for mode in threads processes; do
    cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": $COUNT, "size": 1000 } },
    "slow": { "use": "sleep", "from": "numbers", "with": { "delay": "1ms" } },
    "sink": { "use": "null", "from": "slow" } } }
END
    "$TOOL" watch "$WORK/watch" "$FLOWRUN" "$GRAPH" --mode "$mode" --report json 2>"$WORK/err"
    . "$WORK/watch"
    [ "$EXIT" = 0 ] || fail "$mode: exit code $EXIT"
    [ "$(field stages sink in)" = "$COUNT" ] || fail "$mode: records are missing"
    holds "$TOOK_MS >= $COUNT" "$mode: $COUNT ms of work took $TOOK_MS ms"
    holds "$LATE_KIB <= $EARLY_KIB + 4096" "$mode: memory grew from $EARLY_KIB to $LATE_KIB KiB"
    echo "$mode: $TOOK_MS ms, $EARLY_KIB KiB at first, $LATE_KIB KiB at last"
done

# The fast path alone, then beside a slow one that loses what it cannot take.
FAST=${2:-3000000}
for mode in threads processes; do
    cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": $FAST } },
    "fast": { "use": "null", "from": "numbers" } } }
END
    run "$mode"
    alone=$(field stages fast seconds)
    cat >"$GRAPH" <<END
{ "flowrun": 1, "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": $FAST } },
    "fast": { "use": "null", "from": "numbers" },
    "slow": { "use": "sleep", "with": { "delay": "1ms" },
              "from": { "stage": "numbers", "queue": { "items": 10, "when_full": "drop_old" } } },
    "sink": { "use": "null", "from": "slow" } } }
END
    run "$mode"
    beside=$(field stages fast seconds)
    [ "$(field stages fast in)" = "$FAST" ] || fail "$mode: the fast sibling lost records"
    sent=$(field edges 'numbers -> slow' sent)
    dropped=$(field edges 'numbers -> slow' dropped)
    [ $((sent + dropped)) = "$FAST" ] || fail "$mode: $sent sent + $dropped dropped of $FAST"
    holds "$beside <= 10 * $alone + 1" "$mode: alone $alone s, beside a slow one $beside s"
    echo "$mode: fast alone $alone s, beside a slow one $beside s; of $FAST $dropped dropped"
done
nothing_left "runs"
