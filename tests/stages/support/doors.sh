# SPDX-License-Identifier: MIT
#
# For tests of stages that others connect to: runs that are talked to, ended and killed.  A script
# that sources this is in a folder of its own, and ends with `summary`.

set -eu
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd -P)
: "${FLOWRUN:=$here/../../build/release/bin/flowrun}"
work=$(mktemp -d)
run=
trap '[ -z "$run" ] || kill -9 "$run" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
passed=0
failed=0

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

# What a run says, to err.log; where it listens, to `address`: it may go back and listen elsewhere.
listen_to() {
    while read -r line; do
        echo "$line" >>err.log
        case $line in *'listens on '*)
            echo "${line##*listens on }" >address.new
            mv address.new address
            ;;
        esac
    done
}

# Start a run and wait until it says where it listens, in `address`.
begin() { # GRAPH [OPTION]...
    rm -f said address
    mkfifo said
    "$FLOWRUN" "$@" 2>said >out.log &
    run=$!
    listen_to <said &
    until [ -e address ] || ! kill -0 "$run" 2>/dev/null; do sleep 0.02; done
}

# Wait for the run's end; its status is in $status.
end() {
    status=0
    wait "$run" || status=$?
    run=
}

# Kill the run, all of it, once it has made another checkpoint, and go on: for a folder NAME.state.
kill_and_resume() { # GRAPH [OPTION]...
    folder=${1%.json}.state
    newest=$(ls "$folder" | grep '^checkpoint-.*json' | sort | tail -n 1)
    tries=0
    while [ "$(ls "$folder" | grep '^checkpoint-.*json' | sort | tail -n 1)" = "$newest" ] && [ "$tries" -lt 500 ]; do
        tries=$((tries + 1))
        python3 -c 'import select; select.select([], [], [], 0.01)'
    done
    kill -9 "$run" 2>/dev/null || true
    end 2>/dev/null
    begin "$@"
}

# Is all there that the sender was answered for, and was what came twice sent again?  If not, $status
# is 1, and `lost` and `doubles` say what: the sender has written down in `twice` what it has sent again.
each_came() { # FILE COUNT: the numbers from 1 to COUNT
    sort -n "$1" >sorted
    uniq sorted >seen
    seq 1 "$2" | cmp - seen >lost 2>&1 || status=1
    uniq -d sorted | while read -r number; do
        grep -qx "$number" twice || echo "$number came twice, but was sent once"
    done >doubles
    [ ! -s doubles ] || status=1
}

summary() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
