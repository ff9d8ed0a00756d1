# SPDX-License-Identifier: MIT
# Sourced by the scripts here, whose first argument is the build folder.
set -eu

[ $# -ge 1 ] || { echo "usage: $0 BUILD_FOLDER [ARGUMENT...]" >&2; exit 2; }
BUILD=$(cd "$1" && pwd)
shift
FLOWRUN=$BUILD/bin/flowrun
TOOL=$BUILD/tests/soak/soak_tool
PLUGIN=$BUILD/tests/random/random_stages.so

WORK=$(mktemp -d "${TMPDIR:-/tmp}/soak.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM
# Runs keep what they need for a while here, so that what they leave behind is seen.
mkdir "$WORK/run"
TMPDIR=$WORK/run
XDG_RUNTIME_DIR=$WORK/run
export TMPDIR XDG_RUNTIME_DIR
GRAPH=$WORK/graph.json

fail() {
    echo "FAILED: $*" >&2
    [ ! -s "$WORK/err" ] || tail -n 30 "$WORK/err" >&2
    exit 1
}

# field KEY...: a value of the report that the last run left in $WORK/err
field() {
    "$TOOL" field "$WORK/err" "$@"
}

# run MODE [OPTION...]: run $GRAPH, which must end well
run() {
    mode=$1
    shift
    "$FLOWRUN" "$GRAPH" --mode "$mode" --report json "$@" >"$WORK/out" 2>"$WORK/err" ||
        fail "$mode: exit code $?"
}

# holds CONDITION WHAT...: an arithmetic condition, also on fractions
holds() {
    condition=$1
    shift
    awk "BEGIN { exit !($condition) }" || fail "$* (it must hold that $condition)"
}

nothing_left() {
    left=$(ls -A "$WORK/run")
    [ -z "$left" ] || fail "$*: left behind: $left"
}
