# SPDX-License-Identifier: MIT
# needs: json.filter route
#
# json.pick, json.filter and route against jq.

lines 20000 'printf("{\"id\":%d,\"user\":{\"name\":\"%s\",\"age\":%d,\"tags\":[\"a\",\"t%d\"]},", n,
        pick(0, 3) ? "Ann \\\"x\\\" \\\\ é\\t€" : "Bob", pick(1, 99), pick(1, 9))
    if (pick(0, 4))
        printf("\"size\":%d.%d,", pick(-50, 5000), pick(1, 9))
    printf("\"status\":%d%s}\n", pick(1, 5) * 100, pick(0, 9) ? "" : ",\"debug\":null")'

pick() {
    same '"last": { "use": "json.pick", "from": "read", "with": '"$1"' }' "$2" "$3" "$4" input
}
pick '{ "fields": ["/id", "who=/user/name", "/user/tags", "/gone"] }' \
    jq -c '{id, who: .user.name, tags: .user.tags, gone}'
pick '{ "fields": ["/size", "/user/tags/1", "/user"], "as": "array" }' \
    jq -c '[.size, .user.tags[1], .user]'
pick '{ "fields": ["/user/name", "/id", "/gone", "/size"], "as": "tsv" }' \
    jq -r '[.user.name, .id, .gone, .size] | @tsv'
pick '{ "fields": ["/user/name"], "as": "raw" }' jq -r .user.name
pick '{ "fields": ["/size", "/id"], "missing": "drop" }' \
    jq -c 'select(has("size")) | {size, id}'

where() {
    same '"last": { "use": "json.filter", "from": "read", "with": { "where": "'"$1"'" } }' \
        jq -c "select($2)" input
}
where '/status >= 300 and not exists /debug' '.status >= 300 and (has("debug") | not)'
where '/user/name == \"Bob\" or /size < 12.5 and exists /size' \
    '.user.name == "Bob" or .size != null and .size < 12.5'
where '/user/tags/1 matches \"^t[1-3]$\"' '.user.tags[1] | test("^t[1-3]$")'
where '/user/age < /status' '.user.age < .status'

route() {
    same '"route": { "use": "route", "from": "read", "with": { "a": "/status == 500",
        "c": "/status >= 300", "send": "'"$1"'" } },
        "last": { "use": "json.filter", "from": "route.'"$2"'", "with": { "where": "exists /id" } }' \
        jq -c "select($3)" input
}
route first a '.status == 500'
route first c '.status >= 300 and .status != 500'
route first rest '.status < 300'
route all c '.status >= 300'
