#!/bin/sh
# SPDX-License-Identifier: MIT
# applies.sh: every planted bug still fits the source, and says what it breaks and what finds it.  One
# that does not is to be made anew: break the same thing in the code as it is now, and put the
# difference below the lines at the top of the patch.
set -eu

here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
count=0
failed=0

complain() {
    echo "FAILED: $*"
    failed=$((failed + 1))
}

for patch in "$here"/*.patch; do
    name=$(basename "$patch")
    count=$((count + 1))
    patch -s -f -p1 --dry-run -d "$root" <"$patch" || complain "$name does not apply"
    for key in Breaks Targets "Found by"; do
        grep -q "^$key: ." "$patch" || complain "$name has no line '$key: ...'"
    done
done
[ "$count" -ge 12 ] || complain "only $count bugs are planted"
echo "$((count - failed)) passed, $failed failed"
[ "$failed" = 0 ]
