# SPDX-License-Identifier: MIT
# 30,000 lines of two files, a third of them new, against awk.

prepare() {
    awk 'BEGIN { for (n = 0; n < 15000; n++) print "line " (n * 7919) % 5000 }' >a.txt
    awk 'BEGIN { for (n = 0; n < 15000; n++) print "line " (n * 104729) % 9000 }' >b.txt
    awk '!seen[$0]++' a.txt b.txt >expected
}

work() {
    flow --param input="$place/[ab].txt" --param output=out
}

compare() {
    same "$place/expected" out
}
