# SPDX-License-Identifier: MIT
# needs: text.regex json.pick json.filter
# 20,000 lines of a log, half of them rotated away and compressed, and some that are none.

prepare() {
    awk 'BEGIN {
        for (n = 0; n < 20000; n++) {
            status = n % 97 == 0 ? 503 : n % 13 == 0 ? 404 : 200
            printf "10.0.%d.%d - - [23/Nov/2026:10:%02d:%02d +0000] \"GET /page/%d?id=%d HTTP/1.1\" %d %d \"-\" \"agent\"\n",
                n % 7, n % 251, n / 60 % 60, n % 60, (n * n) % 37, n % 3, status, n * 31 % 5000
            if (n % 1000 == 500)
                print "what is this?"
        }
    }' >all
    head -n 10000 all | gzip >access.log.1.gz
    tail -n +10001 all >access.log
    grep GET all | cut -d ' ' -f 7 | sort | uniq -c | awk '{ print $1 " " $2 }' |
        sort -k1,1nr -k2 | head -n 10 >top
    grep GET all | awk '$9 >= 500 { print $7 }' | sort >failed
}

work() {
    flow --param input="$place/access.log*" --param paths=top --param errors=errors --param rest=rest
}

compare() {
    same "$place/top" top
    sed 's/.*"path":"\([^"]*\)".*/\1/' errors | sort >failed
    same "$place/failed" failed
    [ "$(grep -c 'what is this' rest)" -eq 20 ] || fail "lines that are none are not in 'rest'"
    [ "$(wc -l <rest)" -eq 20 ] || fail "there is more in 'rest' than lines that are none"
}
