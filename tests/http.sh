#!/bin/sh
# SPDX-License-Identifier: MIT
#
# http.get and http.post in graphs, in both modes, against a server of the test's own.

set -eu
export LC_ALL=C

root=$(cd "$(dirname "$0")/.." && pwd -P)
: "${FLOWRUN:=$root/build/release/bin/flowrun}"
: "${SERVER:=$(dirname "$FLOWRUN")/demo_server}"
work=$(mktemp -d)
passed=0
failed=0

# It says where it listens; the pipe ends when it does.
mkfifo "$work/said-by-server"
"$SERVER" --delay 50 --bytes 1000 >"$work/said-by-server" &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
read -r address <"$work/said-by-server"

verdict() { # STATUS LABEL [FILE]...
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "FAILED: $2"
    shift 2
    for shown; do [ ! -s "$shown" ] || head -n 5 "$shown" | sed 's/^/    /'; done
}

seq 1 160 | sed "s|^|$address/|" >"$work/urls"
for mode in threads processes; do
    status=0
    "$FLOWRUN" "$root/graphs/download.json" --quiet --mode "$mode" --param urls="$work/urls" \
        --param failed="$work/failed" >"$work/out" 2>"$work/err" || status=1
    [ "$(cat "$work/out")" = "160 pages, 160000 bytes" ] && [ ! -s "$work/failed" ] || status=1
    verdict "$status" "160 downloads, $mode" "$work/out" "$work/err" "$work/failed"
done

# What fails is in the dead letters with its reason, and nothing else suffers.
{
    cat "$work/urls"
    echo "$address/status/404"
    echo "$address/short"
    echo "http://127.0.0.1:1/"
    echo "no url"
} >"$work/mixed"
for mode in threads processes; do
    status=0
    "$FLOWRUN" "$root/graphs/download.json" --quiet --mode "$mode" --param urls="$work/mixed" \
        --set get.retries=0 --param failed="$work/failed" >"$work/out" 2>"$work/err" || status=1
    [ "$(cat "$work/out")" = "160 pages, 160000 bytes" ] || status=1
    [ "$(wc -l <"$work/failed")" -eq 4 ] || status=1
    for reason in 'the server answers 404' 'transfer closed with 990 bytes' 'Failed to connect' '"text":"no url"'; do
        grep -q "$reason" "$work/failed" || status=1
    done
    verdict "$status" "failures, $mode" "$work/out" "$work/err" "$work/failed"
done

# In the order of the input, from one worker and from three.
seq 0 60 | sed "s|.*|$address/bytes/&?delay=&|" | sort -R >"$work/shuffled"
sed 's|.*/bytes/||; s|?.*||' "$work/shuffled" >"$work/truth"
for mode in threads processes; do
    for workers in 1 3; do
        cat >"$work/order.json" <<END
{ "flowrun": 1, "stages": {
  "urls": { "use": "lines.read", "with": { "path": "$work/shuffled" } },
  "get": { "use": "http.get", "from": "urls", "workers": $workers, "with": { "concurrency": 10, "output": "size" } },
  "write": { "use": "lines.write", "from": "get", "with": { "path": "$work/sizes" } } } }
END
        status=0
        "$FLOWRUN" "$work/order.json" --quiet --mode "$mode" >"$work/out" 2>&1 || status=1
        cmp -s "$work/truth" "$work/sizes" || status=1
        verdict "$status" "in order, $workers workers, $mode" "$work/out"
    done
done

# Records that are posted come back.
seq 1 500 >"$work/numbers"
cat >"$work/post.json" <<END
{ "flowrun": 1, "stages": {
  "read": { "use": "lines.read", "with": { "path": "$work/numbers" } },
  "post": { "use": "http.post", "from": "read", "with": { "url": "$address/echo?delay=1", "content_type": "text/plain" } },
  "write": { "use": "lines.write", "from": "post", "with": { "path": "$work/echoed" } } } }
END
for mode in threads processes; do
    status=0
    "$FLOWRUN" "$work/post.json" --quiet --mode "$mode" >"$work/out" 2>&1 || status=1
    cmp -s "$work/numbers" "$work/echoed" || status=1
    verdict "$status" "posts, $mode" "$work/out"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
