# SPDX-License-Identifier: MIT
# needs: jq
# 5,000 documents and some that are none, against jq.

prepare() {
    awk 'BEGIN { for (n = 0; n < 5000; n++) printf "{\"id\":%d,\"name\":\"n%d\",\"v\":[%d,%d]}\n", n, n % 17, n, n * 2 }' >good
    jq -c '. + { keys: (keys | length) }' good >expected
    awk '{ print } NR % 1000 == 0 { print "{ broken" }' good >input
}

work() {
    flow --param input="$place/input" --param output=out --param bad=bad
}

compare() {
    same "$place/expected" out
    [ "$(wc -l <bad)" -eq 5 ] || fail "there are not five bad lines"
    grep -q '"text":"{ broken"' bad || fail "bad lines do not hold what was bad"
}
