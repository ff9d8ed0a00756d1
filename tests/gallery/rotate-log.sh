# SPDX-License-Identifier: MIT
# 50,000 lines in files of at most 20,000 bytes, the last seven of which stay, against split and zstd.

prepare() {
    awk 'BEGIN { for (n = 0; n < 50000; n++) print "line", n, (n * 7919) % 1013 }' >input
    split -C 20000 -a 4 input part-
    ls part-* | tail -n 7 | xargs cat >expected
}

work() {
    flow --param output=app --param size=20000B --param keep=7 <"$place/input"
}

compare() {
    [ "$(ls | grep -c '^app\..*\.zst$')" -eq 7 ] || fail "there are not seven files"
    # The day may change while it runs: the number says which comes first.
    ls app.* | sort -t . -k 3,3 | xargs zstd -dc >out
    same "$place/expected" out
}
