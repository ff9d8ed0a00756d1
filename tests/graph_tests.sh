#!/bin/sh
# SPDX-License-Identifier: MIT
#
# `flowrun test`: a graph's own tests, run by the engine, in threads and in processes.

# shellcheck disable=SC2154,SC1091  # root, work, code, passed and failed come from sentences.sh
. "$(dirname "$0")/sentences.sh"

# said CODE LINE...: it ended with CODE, and these lines are in what it printed
said() {
    [ "$code" -eq "$1" ] || return 1
    shift
    for line; do
        grep -qF -- "$line" out || return 1
    done
}

cat >words.json <<'END'
{
  "flowrun": 1,
  "params": { "n": { "type": "int", "default": 10 } },
  "stages": {
    "read": { "use": "lines.read", "with": { "path": "no-such-file" } },
    "words": { "use": "text.words", "from": "read", "workers": 2, "order": "none" },
    "count": { "use": "count.keys", "from": { "stage": "words", "share": "key" }, "workers": 2 },
    "top": { "use": "sort.top", "from": "count", "with": { "n": "${param:n}" } },
    "save": { "use": "lines.write", "from": "top", "with": { "path": "${env:KIT_OUT:-saved.txt}" } },
    "bad": { "use": "cpu.squares", "from": "read", "errors": "route" },
    "drop": { "use": "null", "from": "bad" },
    "letters": { "use": "lines.write", "from": "bad.errors", "with": { "path": "letters.txt" } }
  },
  "run": { "state": "words.state", "checkpoint": "10ms", "delivery": "exactly-once" },
  "tests": [
    {
      "name": "words are counted",
      "feed": { "read": ["to be", "or not to be"] },
      "expect": {
        "save": ["2 be", "2 to", "1 not", "1 or"],
        "words": { "count": 6, "matches": "^[a-z]+$" },
        "words.out": { "unordered": ["to", "be", "or", "not", "to", "be"] },
        "read": ["to be", "or not to be"],
        "drop": [],
        "bad.errors": { "count": 2, "matches": ["not a whole number", "\"stage\":\"bad\""] }
      },
      "within": "30s"
    },
    {
      "name": "n is how many",
      "params": { "n": 1 },
      "feed": { "read": ["a a b", { "c": 1 }, "a"] },
      "expect": { "save": ["3 a"], "read": { "contains": { "c": 1 } } }
    },
    { "name": "nothing gives nothing", "feed": { "read": [] }, "expect": { "save": [], "words": [] } }
  ]
}
END

for mode in threads processes; do
    try test words.json --mode $mode
    holds "tests pass in $mode" said 0 "ok     words are counted" "ok     n is how many" "3 passed, 0 failed"
done
holds "consumers are not run, and no state is kept" sh -c '! ls saved.txt letters.txt words.state 2>/dev/null | grep .'
try test words.json --tap
holds "the Test Anything Protocol is spoken" said 0 "TAP version 13" "1..3" "ok 2 - n is how many"
try test words.json --param n=1
holds "the command line changes what a test leaves open" said 1 "FAILED words are counted" "ok     n is how many"
holds "... with the line that expects something else" said 1 \
    "words.json:20: 'save': 1 record came, where 4 were expected" "record 2 is missing: \"2 to\""
try test words.json --param n=1 --tap
holds "... in TAP as a comment" said 1 "not ok 1 - words are counted" "# words.json:20: 'save': 1 record"

cat >env.json <<'END'
{
  "flowrun": 1,
  "stages": {
    "numbers": { "use": "gen.sequence", "with": { "count": 2, "from": 5 } },
    "grep": { "use": "text.words", "from": "numbers" },
    "print": { "use": "lines.write", "from": "grep", "with": { "path": "${env:KIT_NO_SUCH_VARIABLE}" } }
  },
  "tests": [
    { "name": "producers that are not fed run", "env": { "KIT_NO_SUCH_VARIABLE": "x" }, "expect": { "print": ["5", "6"] } },
    { "name": "a variable that is missing", "expect": { "print": ["5", "6"] } }
  ]
}
END
KIT_NO_SUCH_VARIABLE=y "$FLOWRUN" test env.json >out 2>err
code=$?
holds "a test has an environment" said 0 "2 passed"

cat >late.json <<'END'
{
  "flowrun": 1,
  "stages": {
    "read": { "use": "lines.read", "with": { "path": "-" } },
    "wait": { "use": "sleep", "from": "read" },
    "print": { "use": "null", "from": "wait" }
  },
  "tests": [
    { "name": "too long", "feed": { "read": ["86400000"] }, "expect": { "print": [] }, "within": "200ms" },
    { "name": "still made", "feed": { "read": [] }, "expect": { "print": [] } },
    { "name": "a bad record", "feed": { "read": ["tomorrow"] }, "expect": { "print": [] } }
  ]
}
END
for mode in threads processes; do
    try test late.json --mode $mode
    holds "a test that takes too long is ended, the next ones are made, in $mode" said 1 \
        "FAILED too long" "late.json:9: not done within 0.2 s" "ok     still made" "FAILED a bad record" \
        "late.json:11: the run failed: stage 'wait'" "1 passed, 2 failed"
done

cat >faults.json <<'END'
{
  "flowrun": 1,
  "stages": {
    "read":  { "use": "lines.read", "with": { "path": "in.txt" } },
    "work": { "use": "sleep", "with": { "delay": "1us" }, "from": "read", "workers": 2, "errors": { "retry": 1, "then": "route" } },
    "print": { "use": "lines.write", "from": "work" },
    "bad":   { "use": "lines.write", "from": "work.errors", "with": { "path": "bad.txt" } }
  },
  "tests": [
    { "name": "a failure that passes costs nothing",
      "feed": { "read": ["a", "b", "c"] },
      "faults": [{ "stage": "work", "record": 1, "do": "fail" }],
      "expect": { "print": ["a", "b", "c"], "bad": [] } },
    { "name": "one that stays is set aside",
      "feed": { "read": ["a", "b", "c"] },
      "faults": [{ "stage": "work", "record": 1, "do": "fail", "times": 2, "reason": "no server" }],
      "expect": { "print": ["a", "c"], "bad": { "count": 1, "matches": ["no server", "\"text\":\"b\""] } } },
    { "name": "a worker that dies is replaced",
      "feed": { "read": ["a", "b", "c"] },
      "faults": [{ "stage": "work", "record": 1, "do": "kill" }],
      "expect": { "print": ["a", "b", "c"], "bad": [] } },
    { "name": "a record that kills three times is set aside",
      "feed": { "read": ["a", "b", "c"] },
      "faults": [{ "stage": "work", "record": 2, "do": "kill", "times": 3 },
                 { "stage": "work", "record": 0, "do": "delay", "for": "10ms" }],
      "expect": { "print": ["a", "b"], "bad": { "count": 1, "matches": "\"text\":\"c\"" } } }
  ]
}
END
for mode in threads processes; do
    try test faults.json --mode $mode
    holds "records fail, workers die and take their time as a test says, in $mode" said 0 "4 passed, 0 failed"
    sed 's/"times": 2, "reason"/"times": 1, "reason"/; s/"times": 3/"times": 2/' faults.json >fewer.json
    try test fewer.json --mode $mode
    holds "so often and no more, in $mode" said 1 "FAILED one that stays" \
        "FAILED a record that kills three times" "2 passed, 2 failed"
done

printf '{ "flowrun": 1, "stages": { "a": { "use": "gen.sequence", "with": { "count": 1 } }, "b": { "use": "null", "from": "a" } } }' >none.json
try test none.json
holds "a graph without tests is told so" sh -c '[ '"$code"' -eq 3 ] && grep -qF "has no tests" err'
try test -
holds "tests are not read from standard input" sh -c '[ '"$code"' -eq 2 ] && grep -qF "name its file" err'
try check words.json
holds "check looks at tests too" said 0 "words.json: ok"
try schema
holds "the schema knows tests" grep -q '"tests"' out

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
