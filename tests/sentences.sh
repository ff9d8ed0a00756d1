# SPDX-License-Identifier: MIT
#
# Sourced by the scripts that try the flowrun program: a folder to work in, a way to run it, and
# sentences about what came of it.

root=$(cd "$(dirname "$0")/.." && pwd -P)
: "${FLOWRUN:=$root/build/release/bin/flowrun}"
: "${JSON_GET:=$root/build/release/tests/json_get}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

passed=0
failed=0

# try ARGUMENT...: run flowrun; `code`, ./out and ./err are what came of it.
try() {
    code=0
    "$FLOWRUN" "$@" >out 2>err </dev/null || code=$?
}

# A sentence, and the command that shows whether it holds.
holds() {
    sentence=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $sentence"
        echo "    exit code $code; standard output and error were:"
        sed 's/^/    | /' out | head -n 20
        sed 's/^/    ! /' err | head -n 20
    fi
}
