# SPDX-License-Identifier: MIT
# needs: text.regex
#
# text.regex against perl and grep.

lines 20000 'printf("10.0.%d.%d - [%02d:%02d] \"%s /p/%s?q=%d&é=%d\" %s %d%s\n", pick(0, 9), pick(0, 255),
        pick(0, 23), pick(0, 59), pick(0, 1) ? "GET" : "POST", pick(0, 4) ? "x\\ty" : "€", n, pick(0, 9),
        pick(0, 9) ? "200" : "x", pick(0, 99999), pick(0, 3) ? "" : " slow")'

regex() {
    with=$1
    shift
    same '"last": { "use": "text.regex", "from": "read", "with": '"$with"' }' "$@"
}
regex '{ "pattern": "\"POST .*\" [0-9]+ 9" }' grep -E '"POST .*" [0-9]+ 9' input
regex '{ "pattern": "post /p/.\\?", "ignore_case": true }' perl -Mutf8 -CSD -ne 'print if /post \/p\/.\?/i' input
regex '{ "pattern": "(?<verb>[A-Z]+) (?<path>/[^?]*).*\" (?<status>\\d+) (?<size>\\d+)( (?<flag>\\w+))?$",
        "mode": "extract", "as": "tsv" }' \
    perl -ne 'if (/([A-Z]+) (\/[^?]*).*" (\d+) (\d+)( (\w+))?$/) {
        my @cells = ($1, $2, $3, $4, $6 // ""); s/\\/\\\\/g for @cells; print join("\t", @cells), "\n" }' input
regex '{ "pattern": "[?&](?<name>[^=&\"]+)=(?<value>\\d+)", "mode": "extract", "all": true, "numbers": true }' \
    perl -ne 'print "{\"name\":\"$1\",\"value\":$2}\n" while /[?&]([^=&"]+)=(\d+)/g' input
regex '{ "pattern": "(\\d+)\\.(\\d+)", "mode": "replace", "replacement": "<$2/$1>" }' \
    perl -pe 's/(\d+)\.(\d+)/<$2\/$1>/' input
regex '{ "pattern": "(?<hour>\\d\\d):|x*", "mode": "replace", "all": true, "replacement": "{$<hour>}" }' \
    perl -Mutf8 -CSD -ne 'chomp; s/(\d\d):|x*/{$1}/g; print "$_\n"' input
