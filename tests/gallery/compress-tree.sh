# SPDX-License-Identifier: MIT
# A tree of files, one of which is compressed already and one of which may not be read.

prepare() {
    mkdir -p tree/sub
    for i in 1 2 3 4 5 6 7 8 9 10; do seq "$i" $((i * 1000)) >"tree/sub/file $i.txt"; done
    seq 1 10 | gzip >tree/old.gz
}

work() {
    cp -r "$place/tree" tree
    flow --param input=tree
}

compare() {
    for i in 1 2 3 4 5 6 7 8 9 10; do
        gzip -dc "tree/sub/file $i.txt.gz" >plain
        same "$place/tree/sub/file $i.txt" plain
    done
    [ "$(wc -l <printed)" -eq 10 ] || fail "not ten files are told"
    [ ! -e tree/old.gz.gz ] || fail "what is compressed was compressed again"
}
