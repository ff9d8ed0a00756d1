#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The code blocks of a document are files that other tests build and run: a block in one of
# the languages given has a line before it, <!-- from FOLDER/FILE -->, and is that file to the letter.
#
#     doc_quotes.sh DOCUMENT [LANGUAGE]...    (c and jsonc, unless said otherwise)

set -eu

document=$(realpath "$1")
shift
root=$(cd "$(dirname "$0")/.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
[ $# -gt 0 ] || set -- c jsonc

# Each block that is to be compared goes to a file of its own, and its line and source to the list.
awk -v work="$work" -v languages=" $* " '
    /^<!-- from / { source = $3; next }
    /^```/ && open { open = 0; source = ""; close(file); next }
    /^```/ {
        open = 1
        language = substr($0, 4)
        file = work "/other"
        if (language != "" && index(languages, " " language " ")) {
            file = work "/block" ++count
            printf "" >file
            print NR, (source == "" ? "-" : source), file >(work "/list")
        }
        next
    }
    open { print >file }
    !open && NF { source = "" }
' "$document"

[ -e "$work/list" ] || {
    echo "$document: no block of: $*" >&2
    exit 1
}
passed=0
failed=0
while read -r line source block; do
    if [ "$source" = "-" ]; then
        echo "$document:$line: no line <!-- from FILE --> before this block" >&2
        failed=$((failed + 1))
    elif ! diff "$root/$source" "$block" >"$work/diff" 2>&1; then
        echo "$document:$line: this block is not $source:" >&2
        cat "$work/diff" >&2
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
done <"$work/list"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
