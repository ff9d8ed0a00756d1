#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The pages of the stage types are current, and tools/stage_pages notices when they are not.

# shellcheck disable=SC2154  # root, work and code come from sentences.sh
. "$(dirname "$0")/sentences.sh"
export FLOWRUN

pages() {
    code=0
    "$root/tools/stage_pages" "$@" >out 2>err </dev/null || code=$?
}

# said CODE TEXT: it ended with CODE and said TEXT
said() {
    [ "$code" -eq "$1" ] && grep -qF -- "$2" out err
}

pages --check
holds "all pages are current" said 0 "0 failed"

# Several faults at once: each run asks for every type.
cp -R "$root/docs/stages" copy
PAGES=$work/copy
export PAGES
sed -i 's/^| .ascending. .*$/| nonsense |/' copy/sort.top.md
rm copy/null.md
sed -i '/^<!-- end -->$/d' copy/sleep.md
sed 's/sleep/no.such/' copy/sleep.md >copy/no.such.md
sed -i 's/prints each record/prints no record/' copy/README.md
pages --check
holds "a page that is not current is named" said 1 "sort.top.md is not current: run tools/stage_pages"
holds "a type without a page is named" said 1 "stage type 'null' has no page docs/stages/null.md"
holds "a page without its lines is named" said 1 "sleep.md has no line '<!-- parameters: sleep -->'"
holds "a page of nothing is named" said 1 "no source in stages/ has a type 'no.such'"
holds "a list that is not current is named" said 1 "README.md is not current"

rm copy/no.such.md
cp "$root/docs/stages/null.md" "$root/docs/stages/sleep.md" copy
pages
holds "what is not current is made so" said 0 "sort.top.md"
holds "... as it was" diff -r copy "$root/docs/stages"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
