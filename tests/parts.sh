#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Graphs as stages: what comes out is what the same stages give in one file, in threads and in
# processes, from any folder, and findings name the file.

# shellcheck disable=SC2154,SC1091  # root, work, code, passed and failed come from sentences.sh
. "$(dirname "$0")/sentences.sh"

mkdir -p in/parts in/parts/deep
cat >in/parts/deep/words.json <<'END'
{
  "flowrun": 1,
  "params": { "workers": { "type": "int", "default": 1 } },
  "ports": { "in": { "in": "split" }, "out": { "out": "split" } },
  "stages": { "split": { "use": "text.words", "workers": "${param:workers}", "order": "none" } }
}
END
cat >in/parts/count.json <<'END'
{
  "flowrun": 1,
  "params": { "n": { "type": "int" } },
  "ports": {
    "in": { "text": ["words", "lines"] },
    "out": { "top": "top", "lines": "lines", "bad": "numbers.errors" }
  },
  "stages": {
    "words": { "use": "./deep/words.json", "with": { "workers": 2 } },
    "count": { "use": "count.keys", "from": { "stage": "words", "share": "key" }, "workers": 2 },
    "top": { "use": "sort.top", "from": "count", "with": { "n": "${param:n}" } },
    "numbers": { "use": "cpu.squares", "from": "words", "errors": "route" },
    "drop": { "use": "null", "from": "numbers" },
    "lines": { "use": "count.records" }
  }
}
END
cat >in/outer.json <<'END'
{
  "flowrun": 1,
  "stages": {
    "read": { "use": "lines.read", "with": { "path": "text" } },
    "wc": { "use": "./parts/count.json", "from": "read", "with": { "n": 3 } },
    "print": { "use": "lines.write", "from": "wc", "with": { "path": "top.txt" } },
    "lines": { "use": "lines.write", "from": "wc.lines", "with": { "path": "lines.txt" } },
    "bad": { "use": "count.records", "from": "wc.bad" },
    "count": { "use": "lines.write", "from": "bad", "with": { "path": "bad.txt" } }
  },
  "tests": [
    {
      "name": "a part is tested with the graph",
      "feed": { "read": ["a b a", "7"] },
      "expect": { "print": ["2 a", "1 7", "1 b"], "wc/words/split": { "count": 4 }, "lines": ["2"], "count": ["3"] }
    }
  ]
}
END
seq 1 500 | sed 's/.*/word & the the of/' >text
tr -cs 'A-Za-z0-9' '\n' <text | sort | uniq -c | sort -k1,1nr -k2 | head -n 3 | awk '{ print $1, $2 }' >expected

for mode in threads processes; do
    rm -f top.txt lines.txt bad.txt
    try in/outer.json --quiet --mode $mode
    holds "a graph with parts runs in $mode" [ "$code" -eq 0 ]
    holds "... and counts what coreutils count" cmp -s top.txt expected
    holds "... a second reader of an input gets every record" grep -qx 500 lines.txt
    holds "... an errors port leads out" grep -qx 2000 bad.txt
    try test in/outer.json --mode $mode
    holds "... and its tests pass" grep -q '^1 passed, 0 failed' out
done
try in/outer.json --quiet --set wc/top.n=1 --workers wc/words/split=3
head -n 1 expected >first
holds "the command line reaches into a part" cmp -s top.txt first
try explain in/outer.json
holds "explain shows stages of parts" grep -q '^  wc/words/split  *text.words' out
try draw in/outer.json --format dot
holds "a drawing shows them" grep -q 'wc/words/split' out
try in/outer.json --report json
holds "the report names them" grep -q '"name": "wc/words/split"' err

# The files that a stage of a part keeps for the run lie beside the graph that was started.
cat >in/parts/sort.json <<'END'
{
  "flowrun": 1,
  "ports": { "in": { "in": "sort" }, "out": { "out": "sort" } },
  "stages": { "sort": { "use": "sort" } }
}
END
cat >in/sorted.json <<'END'
{
  "flowrun": 1,
  "stages": {
    "read": { "use": "lines.read", "with": { "path": "text" } },
    "part": { "use": "./parts/sort.json", "from": "read" },
    "write": { "use": "lines.write", "from": "part", "with": { "path": "sorted.txt" } }
  }
}
END
try in/sorted.json --quiet --state kept
holds "a stage of a part keeps files during a run with checkpoints" [ "$code" -eq 0 ]
holds "... and sorts" [ "$(wc -l <sorted.txt)" -eq 500 ]
holds "... and leaves no folder behind" [ -z "$(find in -name '.flowrun-*')" ]

sed -i 's/"use": "text.words"/"use": "text.wrods"/' in/parts/deep/words.json
try check in/outer.json
holds "a fault is shown in its own file" grep -q '^in/parts/deep/words.json:5:33: error: unknown stage type' err
holds "... and where that is used" grep -q "^in/parts/count.json:9:23: error: the graph 'in/parts/deep/words.json' has faults" err
holds "... up to the graph" grep -q "^in/outer.json:5:20: error: the graph 'in/parts/count.json' has faults" err
holds "... which is refused" [ "$code" -eq 3 ]
try check in/parts/deep/words.json
holds "a part can be checked by itself" grep -q "does not run by itself" err
rm in/parts/deep/words.json
try check in/outer.json
holds "a part that is missing is named" grep -q "in/parts/count.json:9:23: error: cannot open 'in/parts/deep/words.json'" err

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
