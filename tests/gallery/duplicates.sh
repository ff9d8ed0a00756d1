# SPDX-License-Identifier: MIT
# A tree with three groups of the same content and names that are hard to handle.

prepare() {
    mkdir -p "tree/a b" tree/c/d
    for i in 1 2 3 4 5 6 7 8; do echo "only once $i" >"tree/single-$i"; done
    echo twice >tree/x && cp tree/x "tree/a b/a copy of x"
    echo thrice >tree/c/y && cp tree/c/y tree/c/d/y && cp tree/c/y "tree/a b/'y'"
    : >tree/empty && : >tree/c/empty
    printf '%s\n' tree/c/y tree/c/d/y "tree/a b/'y'" tree/x "tree/a b/a copy of x" | sort >expected
}

work() {
    flow --param input="$place/tree" --param output=groups
}

compare() {
    sed '/^$/d' groups | sed "s|^$place/||" | sort >found
    same "$place/expected" found
    [ "$(grep -c '^$' groups)" -eq 1 ] || fail "there are not two groups"
}
