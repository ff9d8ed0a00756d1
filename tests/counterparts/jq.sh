# SPDX-License-Identifier: MIT
# needs: jq
#
# The stage jq against the program.

lines 5000 'printf("{\"id\":%d,\"v\":[%d,%d.5,\"x\\ty é\"],\"o\":{\"b\":null,\"a\":true}}\n", n, pick(-9, 9), pick(0, 99))'

jq_stage() {
    same '"last": { "use": "jq", "from": "read", "with": { "program": "'"$1"'" } }' jq -c "$1" input
}
jq_stage '.'
jq_stage '{id, sum: (.v[0] + .v[1]), k: (.o | keys)}'
jq_stage '.v[]'
jq_stage 'select(.id % 7 == 0) | .v |= map(type)'
same '"last": { "use": "jq", "from": "read", "with": { "program": ".v[2], .id", "raw": true } }' \
    jq -r '.v[2], .id' input
