# SPDX-License-Identifier: MIT
# needs: http.get json.pick
# Links to a server of our own: good ones, missing ones, and to a port where nobody listens.

prepare() {
    mkfifo port
    "$DEMO_SERVER" --port 0 --delay 5 >port &
    server=$!
    trap 'kill $server; rm -rf "$place"' EXIT
    read -r line <port
    at=http://127.0.0.1:$(echo "$line" | sed 's/.*:\([0-9][0-9]*\).*/\1/')
    for i in $(seq 1 60); do
        echo "$at/page/$i"
        [ $((i % 20)) -ne 0 ] || echo "$at/status/404?$i"
    done >urls
    echo "http://127.0.0.1:1/nobody" >>urls
    echo "not a url" >>urls
}

work() {
    flow --param input="$place/urls" --param alive=alive --param dead=dead
}

compare() {
    [ "$(grep -c "^200" alive)" -eq 60 ] || fail "not 60 links are alive"
    [ "$(wc -l <dead)" -eq 5 ] || fail "not 5 links are dead"
    [ "$(grep -c '404' dead)" -eq 3 ] || fail "404 is not told three times"
    grep -q 'nobody' dead || fail "a refused connection is not told"
    grep -q 'not a url' dead || fail "a bad URL is not told"
}
