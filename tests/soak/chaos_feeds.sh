# SPDX-License-Identifier: MIT
#
# Sourced by tools/chaos --feed pipe|http: a run whose producer cannot read again what it has read,
# and has a spool.  What comes of it is compared twice: what the producer has let through, all.txt,
# with what was sent, by the promise of docs/spool.md; and all other outputs, to the byte, with those
# of an undisturbed run that reads all.txt from a file.
#
# pipe: numbered lines on standard input, from a sender that is never answered.  No line comes twice,
#     none is out of order.  What is missing was in one read of a run that died: each such run may
#     lack one piece, of at most what a pipe holds, and the lines at its ends may be cut.  Pieces
#     meet only where a run has died before it had brought its log any further.
# http: numbers, from clients that send again what is not answered.  All are there, and none comes
#     twice but what was sent twice.

PIPE_LINES=300000
PIPE_HOLDS=65536 # Linux; pipe(7)
HTTP_REQUESTS=2000

# fed_graph PRODUCER: the whole graph; all of its results have a defined order
fed_graph() {
    cat <<END
{ "flowrun": 1, "run": { "stall": "10s", "on_stall": "stop" }, "stages": {
    "read":  { $1 },
    "all":   { "use": "lines.write", "from": "read", "with": { "path": "all.txt" } },
    "grep":  { "use": "text.grep", "from": "read", "workers": 2, "timeout": "1s", "with": { "pattern": "7" } },
    "copy":  { "use": "lines.write", "from": "grep", "with": { "path": "copy.txt" } },
    "rest":  { "use": "lines.write", "from": "grep.unmatched", "with": { "path": "rest.txt" } },
    "test":  { "use": "$PLUGIN:rt.fail", "from": "read", "errors": "route", "timeout": "1s", "with": { "bad": 5 } },
    "bad":   { "use": "lines.write", "from": "test.errors", "with": { "path": "errors/bad.jsonl" } },
    "words": { "use": "text.words", "from": "test", "workers": 2 },
    "count": { "use": "count.keys", "from": { "stage": "words", "share": "key" }, "workers": 2 },
    "top":   { "use": "sort.top", "from": "count", "with": { "n": 1000 } },
    "print": { "use": "lines.write", "from": "top", "with": { "path": "top.txt" } },
    "sum":   { "use": "count.records", "from": "read" },
    "total": { "use": "lines.write", "from": "sum", "with": { "path": "total.txt" } } } }
END
}

build_fed() {
    name=graph.json
    mkdir fresh/errors
    fed_graph "\"use\": \"lines.read\", \"with\": { \"path\": \"$WORK/heard.txt\" }" >fresh/from_file.json
    case $feed in
    pipe) fed_graph '"use": "lines.read", "spool": true, "with": { "path": "-" }' ;;
    http) fed_graph '"use": "http.listen", "spool": true, "with": { "idle": "3s" }' ;;
    esac >fresh/graph.json
}

# ---- senders ----

begin_feed() {
    deaths=0
    : >log_ends
    case $feed in
    pipe)
        rm -f pipe
        mkfifo pipe
        seq 1 $PIPE_LINES | awk '{ printf "line %07d word%04d\n", $1, ($1 * 7919) % 5003 }' >pipe &
        feeder=$!
        exec 8<pipe
        ;;
    http)
        : >err
        python3 "$root/tests/stages/support/sender.py" err $HTTP_REQUESTS 202 >twice &
        feeder=$!
        ;;
    esac
}

stop_feed() {
    exec 8</dev/null
    [ -z "$feeder" ] || kill "$feeder" 2>/dev/null || true
    [ -z "$feeder" ] || wait "$feeder" 2>/dev/null || true
    feeder=''
}

# A run that is killed, or ends by itself, may have had something in hand.
note_death() {
    case $EXIT in
    0 | 143) ;;
    *)
        deaths=$((deaths + 1))
        log_end >>log_ends
        ;;
    esac
}

# Where the log ends.
log_end() {
    for file in state/spool-*; do
        [ ! -e "$file" ] || echo "${file##*-} $(stat -c %s "$file")"
    done | awk '$1 + $2 > end { end = $1 + $2 } END { print end + 0 }'
}

# How many runs in a row, at most, have died at the same place of it.
most_in_a_row() {
    uniq -c log_ends | awk '$1 > most { most = $1 } END { print most + 0 }'
}

# ---- what was promised ----

check_pipe() {
    awk -v most=$PIPE_LINES -v holds=$PIPE_HOLDS -v deaths="$deaths" -v row="$(most_in_a_row)" '
        function line(n) { return sprintf("line %07d word%04d", n, (n * 7919) % 5003) }
        function bad(text) { print "all.txt, line " NR ": " text; failed = 1; exit }
        # Is it a beginning of the first missing line and an end of the last one?
        function is_cut(text, first, last,   i, rest) {
            for (i = 0; i <= length(text); i++) {
                rest = length(text) - i
                if (substr(line(first), 1, i) == substr(text, 1, i) && rest <= length(line(last)) &&
                    substr(line(last), length(line(last)) - rest + 1) == substr(text, i + 1))
                    return 1
            }
            return 0
        }
        function close_hole(next_one) {
            if (next_one == before + 1 && !cuts)
                return
            holes++
            bytes = (next_one - before - 1) * 22 # what one read brought, and a line begun before
            if (bytes > row * (holds + 2 * 22))
                bad(bytes " bytes are missing behind line " before ", and at most " row " runs in a row died there")
            if (next_one == before + 1) bad("a cut line, but none is missing: " cut)
            if (cuts && !is_cut(cut, before + 1, next_one - 1)) bad("this was never sent: " cut)
            cuts = 0
        }
        {
            n = substr($0, 6, 7) + 0
            if ($0 == line(n)) {
                if (n <= before) bad("line " n " comes behind line " before)
                close_hole(n)
                before = n
            } else if (cuts++)
                bad("two cut lines in a row: " cut ", " $0)
            else
                cut = $0
        }
        END {
            if (!failed) close_hole(most + 1)
            if (!failed && holes > deaths) {
                print holes " pieces are missing, but " deaths " runs died"
                failed = 1
            }
            exit failed
        }' now/all.txt >difference
}

check_http() {
    status=0
    sort -n now/all.txt >sorted
    uniq sorted >seen
    seq 1 $HTTP_REQUESTS | cmp - seen >difference 2>&1 || status=1
    uniq -d sorted | while read -r number; do
        grep -qx "$number" twice || echo "$number came twice, but was sent once"
    done >>difference
    [ ! -s difference ] && [ "$status" = 0 ]
}

# The run has ended well: is that what was promised?  And then it is the truth for all behind it.
settle_feed() {
    if [ "$feed" = http ]; then
        timeout 30 tail --pid="$feeder" -f /dev/null || fail "$fault: a client is not answered any more"
    fi
    wait "$feeder" 2>/dev/null || true
    feeder=''
    "check_$feed" || {
        head -n 5 difference >&2
        fail "$fault: after $strikes strikes, the last at $VICTIM in phase $PHASE: what came is not what was sent"
    }
    cp now/all.txt heard.txt
    rm -rf truth
    mkdir truth
    cp -r fresh/. truth
    (cd truth && "$FLOWRUN" from_file.json --mode "$plain" --report none 2>../err) ||
        fail "what came, from a file: exit code $?"
}
