#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The command line: what it prints where, how it refuses, how it exits.

set -eu

. "$(dirname "$0")/sentences.sh"
: "${EXITS:=$root/build/release/tests/test_exits.so}"
unset NO_COLOR

# came CODE OUT ERR: how the last try ended; a text "*" is anything, "~..." a pattern of grep.
came() {
    [ "$code" -eq "$1" ] && text_is out "$2" && text_is err "$3"
}

text_is() {
    case $2 in
    '*') return 0 ;;
    '~'*) grep -q -e "${2#\~}" "$1" ;;
    '') [ ! -s "$1" ] ;;
    *) [ "$(cat "$1")" = "$2" ] ;;
    esac
}

fits_screen() {
    [ "$(wc -l <out)" -le 24 ] && ! grep -q '.\{81\}' out
}

# value EXPECTED FILE PATH...: what lies there in a JSON file.
value() {
    expected=$1
    file=$2
    shift 2
    [ "$("$JSON_GET" "$@" <"$file")" = "$expected" ]
}

# is_json FILE PATH...: it is JSON, and something lies there.
is_json() {
    file=$1
    shift
    "$JSON_GET" "$@" <"$file" >/dev/null 2>&1
}

lacks() {
    ! grep -q -e "$1" "$2"
}

cat >ok.json <<'END'
{
  "flowrun": 1,
  "params": { "count": { "type": "int", "default": 5, "help": "how many" } },
  "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": "${param:count}" } },
    "print": { "use": "lines.write", "from": "numbers" }
  }
}
END
cat >wrong.json <<'END'
{
  "flowrun": 1,
  "stages": {
    "numbers": { "use": "gen.sequense", "with": { "count": 5 } },
    "print": { "use": "lines.write", "from": "nmbers" }
  }
}
END
cat >missing.json <<'END'
{
  "flowrun": 1,
  "stages": {
    "read": { "use": "lines.read", "with": { "path": "no-such-file" } },
    "drop": { "use": "null", "from": "read" }
  }
}
END
cat >stdin.json <<'END'
{
  "flowrun": 1,
  "stages": {
    "read": { "use": "lines.read", "with": { "path": "-" } },
    "print": { "use": "lines.write", "from": "read" }
  }
}
END
cat >lasting.json <<'END'
{
  "flowrun": 1,
  "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": 3 } },
    "wait": { "use": "sleep", "from": "numbers", "with": { "delay": "150ms" } },
    "drop": { "use": "null", "from": "wait" }
  }
}
END
cat >slow.json <<'END'
{
  "flowrun": 1,
  "stages": {
    "read": { "use": "lines.read", "with": { "path": "-" } },
    "print": { "use": "lines.write", "from": "read" },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "1h" } }
  }
}
END
sed 's/"stages"/"run": { "drain": "50ms" }, &/' slow.json >impatient.json

# ---- help and version ----

try --version
holds "the version is printed" came 0 '~^flowrun [0-9]*\.[0-9]*\.[0-9]*$' ''
try --help
holds "help goes to standard output" came 0 '~^usage: flowrun' ''
holds "help fits a screen" fits_screen
for verb in run check explain draw stages describe schema; do
    try "$verb" --help
    holds "help of $verb names it" came 0 "~^usage: flowrun $verb" ''
    holds "help of $verb fits a screen" fits_screen
done
try
holds "without a word there is help, as an error" came 2 '' '~^usage: flowrun'

# ---- usage ----

try chekc ok.json
holds "a misspelt verb is guessed" \
    came 2 '' "flowrun: 'chekc' is neither a verb nor a file; did you mean 'check'?"
try no-verb-at-all
holds "a word that is no verb is refused" came 2 '' "~^flowrun: 'no-verb-at-all' is neither"
try ok.json --quite
holds "a misspelt option is guessed" \
    came 2 '' "flowrun: unknown option '--quite'; did you mean '--quiet'?"
try ok.json -z
holds "an unknown letter is refused" came 2 '' "~^flowrun: unknown option '-z'"
try ok.json --param
holds "a missing value is asked for" came 2 '' "flowrun: --param wants a value: NAME=VALUE"
try ok.json --param count
holds "a value of the wrong form is refused" \
    came 2 '' "flowrun: --param takes NAME=VALUE, not 'count'"
try ok.json --mode thread
holds "a value that is no choice is refused" \
    came 2 '' "flowrun: --mode takes one of threads|processes, not 'thread'"
try ok.json --fuse yes
holds "a way to fuse that is none is refused" \
    came 2 '' "flowrun: --fuse takes one of auto|on|off, not 'yes'"
try ok.json --quiet=yes
holds "a value that is not wanted is refused" came 2 '' "flowrun: --quiet takes no value"
try check ok.json --report json
holds "an option of another verb is refused" \
    came 2 '' "flowrun: 'check' takes no --report; see flowrun check --help"
try check
holds "a missing operand is asked for" \
    came 2 '' "flowrun: 'check' wants a GRAPH; see flowrun check --help"
try ok.json wrong.json
holds "a second graph is refused" came 2 '' "flowrun: 'wrong.json' is one word too many"
try describe lines.raed
holds "an unknown type is refused and a close one offered" \
    came 2 '' "flowrun: unknown stage type 'lines.raed'; did you mean 'lines.read'?"
echo 'int flowrun;' >plugin.so
try describe ./plugin.so
holds "a plugin that is none is refused" came 5 '' "~^flowrun: cannot load plugin './plugin.so'"

# ---- running ----

numbers=$(printf '1\n2\n3\n4\n5')
try ok.json
holds "results go to standard output, the report to standard error" \
    came 0 "$numbers" '~^bottleneck: '
holds "there is no progress line where there is no terminal" lacks "$(printf '\r')" err
try run ok.json --quiet
holds "quiet is quiet" came 0 "$numbers" ''
try --quiet --param count=2 ok.json
holds "options may stand before the graph" came 0 "$(printf '1\n2')" ''
try ok.json -qp count=1
holds "letters may stand together" came 0 1 ''
try ok.json -q --set numbers.from=7 --param=count=1
holds "a stage's parameter can be set" came 0 7 ''
try ok.json -q --mode processes
holds "processes do the same" came 0 "$numbers" ''
try ok.json -q --fuse on
holds "fused stages do the same" came 0 "$numbers" ''
try ok.json -q --fuse on --mode processes
holds "... also in a process" came 0 "$numbers" ''
try ok.json --fuse on
holds "the report says what was fused" came 0 "$numbers" '~^fused: numbers + print$'
try ok.json --fuse on --report json
holds "the JSON report says it too" value numbers err stages 1 fused_into
try ok.json --workers print=2
holds "workers that cannot be are refused" came 3 '' '~print'
try ok.json --report none
holds "a report can be declined" came 0 "$numbers" ''
try ok.json --report json
holds "a report can be JSON" came 0 "$numbers" '~"bottleneck"'
holds "the JSON report says how it went" value 'done' err status
holds "the JSON report counts records" value 5 err stages 1 in
code=0
"$FLOWRUN" - -q <ok.json >out 2>err || code=$?
holds "a graph can come from standard input" came 0 "$numbers" ''

# ---- exit codes ----

try missing.json -q
holds "a run that fails exits with 1 and says why" came 1 '' '~^flowrun: .*no-such-file'
try missing.json --report json
holds "the report of a failed run has no place on standard output" came 1 '' '*'
try check wrong.json
holds "a wrong graph exits with 3" came 3 '' "~^wrong.json:4:25: error: "
holds "all faults are reported" grep -q '^wrong.json:5:' err
holds "a close name is offered" grep -q "did you mean 'gen.sequence'" err
try wrong.json
holds "a wrong graph does not run" came 3 '' '~^wrong.json:4:'
try check no-such-graph.json
holds "a graph that is not there exits with 3" came 3 '' '~no-such-graph.json'
code=0
# shellcheck disable=SC3045
(ulimit -n 12 && exec "$FLOWRUN" ok.json) >out 2>err </dev/null || code=$?
holds "too few descriptors exit with 5" came 5 '' '~^flowrun: '
if [ -w /dev/full ]; then
    for words in stages "check ok.json" "draw ok.json" schema --help --version; do
        code=0
        # shellcheck disable=SC2086
        "$FLOWRUN" $words >/dev/full 2>err || code=$?
        : >out
        holds "a full disk is noticed by $words" came 1 '' '~standard output'
    done
fi

code=0
"$FLOWRUN" stdin.json -q >out 2>err <&- || code=$?
holds "a closed standard input is refused" came 1 '' "~standard input': Bad file descriptor"
code=0
"$FLOWRUN" ok.json -q >&- 2>err </dev/null || code=$?
: >out
holds "a closed standard output is refused" came 1 '' "~standard output': Bad file descriptor"

# Start a run that reads standard input and wait for what it prints of the first record.
start_reading() {
    rm -f in.fifo out.fifo
    mkfifo in.fifo out.fifo
    "$FLOWRUN" "$1" -q <in.fifo >out.fifo 2>err &
    pid=$!
    exec 3>in.fifo 4<out.fifo
    echo first >&3
    read -r _ <&4 || true
}

stop_reading() {
    code=0
    wait "$pid" || code=$?
    exec 3>&- 4<&-
}

start_reading stdin.json
kill -INT "$pid"
stop_reading
holds "an interrupt drains and exits with 130" came 130 '*' ''
start_reading stdin.json
kill -TERM "$pid"
stop_reading
holds "SIGTERM drains and exits with 143" came 143 '*' ''
start_reading slow.json
kill -INT "$pid"
kill -TERM "$pid"
stop_reading
holds "a second signal aborts, and that is said" came 143 '*' '~asked to stop a second time'
start_reading impatient.json
kill -INT "$pid"
stop_reading
holds "draining for too long aborts, and that is said" came 130 '*' '~longer than run.drain allows'

cat >exits.json <<END
{ "flowrun": 1, "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": 5 } },
    "leave": { "use": "$EXITS", "from": "numbers" } } }
END
try exits.json --quiet
holds "a stage that calls exit(0) fails the run in threads" \
    came 1 '' '~^flowrun: a stage called exit() in the middle of the run'
try exits.json --quiet --mode processes
holds "... and in processes" came 1 '' "~^flowrun: stage 'leave'.*exited with code 0"
try exits.json --quiet --mode processes --fuse on
holds "... also when it is fused" \
    came 1 '' "~^flowrun: stage 'numbers'.*exited with code 0, when 'leave' was at work"

# ---- looking ----

try check ok.json
holds "a good graph is called so" came 0 'ok.json: ok (2 stages, 1 edge)' ''
sed 's/"stages"/"run": { "memory": "1KiB" }, &/' ok.json >tight.json
for verb in check explain run; do
    try "$verb" tight.json
    holds "$verb finds that the memory is too small" came 3 '' '~^flowrun: run.memory is 1024 bytes'
done
try explain ok.json
holds "the plan names the stages" came 0 '~numbers' ''
try explain ok.json --json
holds "the plan can be JSON" is_json out
try explain ok.json --fuse on
holds "the plan says what is fused" came 0 '~threads* of this process: numbers + print$' ''
try explain ok.json --json --fuse on
holds "the JSON plan says it too" value numbers out stages 1 fused_into
try explain ok.json --fuse off
holds "what is not fused is not said to be" lacks fused out
try draw ok.json --fuse on
holds "a drawing says what is fused" came 0 '~fused' ''
try draw ok.json
holds "a drawing names the stages" came 0 '~numbers' ''
try draw ok.json --format dot
holds "a drawing can be DOT" came 0 '~^digraph' ''
try draw ok.json --format mermaid
holds "a drawing can be Mermaid" came 0 '~^flowchart' ''
try draw ok.json --format dot -o drawing.dot
holds "a drawing can go to a file" grep -q '^digraph' drawing.dot
try draw ok.json --format dot -o no/such/folder
holds "a file that cannot be written is named" came 1 '' "~cannot write 'no/such/folder'"
if command -v dot >/dev/null; then
    try draw ok.json --format svg
    holds "a drawing can be SVG" came 0 '~<svg' ''
fi
mkdir empty
code=0
PATH=$work/empty "$FLOWRUN" draw ok.json --format svg >out 2>err || code=$?
holds "SVG without graphviz is refused with what is missing" came 5 '' '~graphviz'
try stages
holds "the stage types are listed" came 0 '~^lines.read  *producer' ''
try stages --json
holds "the list can be JSON" is_json out 0 name
try describe gen.sequence
holds "a type is described with its parameters" came 0 '~count' ''
try describe gen.sequence --json
holds "a description can be JSON" value gen.sequence out name
holds "... with a list of its parameters" value count out parameters 0 name
try describe gen.sequence --markdown
holds "a description can be Markdown" came 0 '~^| `count` | integer | records | required |' ''
try describe gen.sequence --markdown --json
holds "... but not JSON as well" came 2 '' "~takes --json or --markdown, not both"
try describe null
holds "a light type is called so" came 0 '~^light: ' ''
try describe null --json
holds "... also in JSON" grep -q '"light": true' out
try schema
holds "the schema is a JSON Schema" is_json out "\$schema"

# ---- terminals ----

# script(1) gives the program a terminal; what that shows ends up in ./out.
on_terminal() {
    code=0
    script -qec "$*" /dev/null >out 2>err </dev/null || code=$?
}

escape=$(printf '\033')
if command -v script >/dev/null; then
    TERM=xterm on_terminal "'$FLOWRUN' check no-such-graph.json"
    holds "errors are coloured on a terminal" came 3 "~^$escape\\[1;31mflowrun:" ''
    TERM=xterm NO_COLOR=1 on_terminal "'$FLOWRUN' check no-such-graph.json"
    holds "NO_COLOR is honoured" came 3 '~^flowrun:' ''
    clear=$(printf '\r\033')\\[K
    TERM=xterm on_terminal "'$FLOWRUN' lasting.json"
    holds "a terminal gets a progress line" came 0 "~${clear}[0-9.]* s  3 in  .*busiest: wait" ''
    holds "the progress line is cleared before the report" came 0 "~${clear}lasting: done" ''
    TERM=xterm on_terminal "'$FLOWRUN' lasting.json --quiet"
    holds "quiet means no progress line" came 0 '' ''
    TERM=dumb on_terminal "'$FLOWRUN' lasting.json"
    holds "a dumb terminal gets no progress line" lacks "$clear" out
    TERM=dumb on_terminal "'$FLOWRUN' check no-such-graph.json"
    holds "a dumb terminal gets no colours" came 3 '~^flowrun:' ''
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
