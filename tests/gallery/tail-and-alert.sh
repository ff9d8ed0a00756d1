# SPDX-License-Identifier: MIT
# needs: text.grep
# A log that grows while it is followed, and is rotated away.

prepare() {
    cat >tell <<'END'
#!/bin/sh
echo "$1" >>"$TOLD"
END
    chmod +x tell
}

# until_told COUNT: half a minute at most
until_told() {
    tries=0
    while [ "$(cat told 2>/dev/null | wc -l)" -lt "$1" ] && [ "$tries" -lt 300 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
}

work() {
    export TOLD="$PWD/told"
    echo "before: error" >log
    "$bin" "$graph" --mode "$mode" --report none --param input=log --param from=begin \
        --param command="$place/tell" >printed 2>said &
    run=$!
    until_told 1
    printf 'all is well\nan Error\n' >>log
    until_told 2
    mv log log.1
    printf 'a new log\nOut of memory\n' >log
    until_told 3
    kill -INT $run
    code=0
    wait $run || code=$?
}

compare() {
    printf 'before: error\nan Error\nOut of memory\n' >expected
    same expected told
    [ "$code" -eq 130 ] || fail "after SIGINT it ended with $code, not 130"
}
