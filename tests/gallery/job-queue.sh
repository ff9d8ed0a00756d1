# SPDX-License-Identifier: MIT
# needs: text.regex
# 60 jobs: most make a file, three fail, one of them only the first time.

prepare() {
    {
        for i in $(seq 1 57); do echo "echo $i \"twice\" >made-$i"; done
        echo 'exit 7'
        echo 'echo "to nobody"; false'
        echo 'mkdir once || echo again >made-58; test -e made-58'
    } >jobs.txt
    grep -v -e '^exit 7' -e false jobs.txt | sort >expected
    printf '%s\n' '{"status":1,"job":"echo \"to nobody\"; false"}' '{"status":7,"job":"exit 7"}' >failed
}

work() {
    flow --param input="$place/jobs.txt"
}

compare() {
    sorted printed
    same "$place/expected" printed.sorted
    sorted failed.jsonl
    same "$place/failed" failed.jsonl.sorted
    [ "$(ls made-* | wc -l)" -eq 58 ] || fail "there are not 58 files"
    [ "$(cat made-31)" = "31 twice" ] || fail "a job did something else"
}
