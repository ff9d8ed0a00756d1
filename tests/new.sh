#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The path of a newcomer: `flowrun new` writes a stage that builds, passes its tests and runs in a graph
# at once, with a flowrun that is installed or only built.

# shellcheck disable=SC2154,SC1091  # root, work, code, passed and failed come from sentences.sh
. "$(dirname "$0")/sentences.sh"
PATH=$(dirname "$FLOWRUN"):$PATH
export PATH

# came CODE OUT ERR: the exit code, and what standard output and error have in them
came() {
    [ "$code" -eq "$1" ] && { [ -z "$2" ] || grep -qF -- "$2" out; } &&
        { [ -z "$3" ] || grep -qF -- "$3" err; }
}

# run COMMAND...: as try does, for any program
run() {
    code=0
    "$@" >out 2>err </dev/null || code=$?
}

compiler=${CC:-cc}
flags=${SANITIZE:+-fsanitize=$SANITIZE}

# whole NAME IDENT: a stage of that name goes the whole way.
whole() {
    rm -rf "$1"
    try new stage "$1"
    holds "'$1' is written" came 0 "$1/$1.c" ''
    holds "... with the next commands" came 0 "cmake -B build && cmake --build build" ''
    run cmake -S "$1" -B "$1/build" -DCMAKE_C_COMPILER="$compiler" "-DCMAKE_C_FLAGS=$flags -Werror"
    holds "... CMake finds flowrun" came 0 "Generating done" ''
    run cmake --build "$1/build"
    holds "... builds without a warning" came 0 "Built target test_$2" ''
    run ctest --test-dir "$1/build"
    holds "... passes its tests" came 0 "100% tests passed, 0 tests failed out of 2" ''
    run flowrun --quiet "$1/$1.json"
    printf 'number 1\nnumber 2\nnumber 3\n' >expected
    holds "... and runs in its graph" cmp -s out expected
    run flowrun --quiet "$1/$1.json" --mode processes --set "$2.prefix=* "
    printf '* 1\n* 2\n* 3\n' >expected
    holds "... in processes too, with another parameter" cmp -s out expected
}

whole upcase upcase
whole text.up_case text_up_case

try describe ./upcase/build/upcase.so
holds "the plugin describes itself" came 0 "what is put before each record" ''
FLOWRUN_PLUGIN_PATH=$work/upcase/build
export FLOWRUN_PLUGIN_PATH
try describe upcase
holds "... and is known by its name in a folder of plugins" came 0 "upcase: puts a prefix" ''
unset FLOWRUN_PLUGIN_PATH

# ---- what is refused ----

echo mine >upcase/upcase.c
try new stage upcase
holds "a folder that exists is left alone" came 1 '' "'upcase' exists already"
holds "... with all that is in it" grep -qx mine upcase/upcase.c
for name in Upcase 7up .x x. a-b 'a b' text..x text.7 ''; do
    try new stage "$name"
    holds "'$name' is no name of a type" came 2 '' "is no name for a stage type"
done
try new stage "$(printf 'a%.0s' $(seq 65))"
holds "a name of 65 letters is too long" came 2 '' "at most 64"
try new stage no/such/place
holds "a folder that cannot be made is named" came 1 '' "cannot make the folder 'no/such/place'"
try new
holds "new wants to know what" came 2 '' "'new' wants a stage|graph"
try new stage
holds "... and its name" came 2 '' "'new stage' wants a NAME"
try new plugin x
holds "there are stages and graphs" came 2 '' "not a 'plugin'"
try new stage a b
holds "one name is enough" came 2 '' "'b' is one word too many"

# ---- graphs ----

try new graph words
holds "a graph is written" came 0 "words.json" ''
try check words.json
holds "... which is sound" came 0 "words.json: ok" ''
try test words.json
holds "... passes its own test" came 0 "1 passed, 0 failed" ''
code=0
printf 'to be or not\nTo Be\n' | flowrun --quiet words.json --param n=1 >out 2>err || code=$?
holds "... and runs" came 0 "2 be" ''
mkdir sub
try new graph sub/other.json
holds "its name may have a folder and an ending" came 0 "sub/other.json" ''
holds "... it is named after the file" grep -q '"name": "other"' sub/other.json
echo mine >words.json
try new graph words
holds "a file that exists is left alone" came 1 '' "'words.json' exists already"
holds "... with what is in it" grep -qx mine words.json
try new graph 'a b'
holds "a name with a blank is refused" came 2 '' "is no name for a graph"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
