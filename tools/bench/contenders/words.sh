#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The twenty most frequent words of a text, with what a Unix system has:
#
#     words.sh mawk|parallel|pipepart|python FILE
#
# The text is small letters, spaces and line ends, so that awk's own fields are its words.
set -eu
export LC_ALL=C

count='{ for (i = 1; i <= NF; i++) n[$i]++ } END { for (w in n) print n[w], w }'
add='{ n[$2] += $1 } END { for (w in n) print n[w], w }'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%s\n' "$count" >"$work/count.awk"

top() {
    sort -k1,1nr -k2,2 | head -n 20
}

case $1 in
mawk) mawk -f "$work/count.awk" "$2" | top ;;
parallel)
    parallel --will-cite --pipe --jobs 2 --block 10M mawk -f "$work/count.awk" <"$2" | mawk "$add" | top
    ;;
pipepart)
    parallel --will-cite --pipepart --arg-file "$2" --jobs 2 --block 10M mawk -f "$work/count.awk" |
        mawk "$add" | top
    ;;
python)
    python3 - "$2" <<'END'
import collections
import sys

count = collections.Counter()
with open(sys.argv[1], encoding="ascii") as text:
    for line in text:
        count.update(line.split())
for word, n in sorted(count.items(), key=lambda item: (-item[1], item[0]))[:20]:
    print(n, word)
END
    ;;
*) exit 2 ;;
esac
