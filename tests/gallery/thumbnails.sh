# SPDX-License-Identifier: MIT
# Twelve pictures, one of them broken, in two folders.

prepare() {
    mkdir -p pictures/more
    for i in 1 2 3 4 5 6 7 8 9 10 11; do
        folder=pictures
        [ $((i % 2)) -eq 0 ] || folder=pictures/more
        convert -size $((300 + i * 20))x400 "gradient:red-blue" "$folder/$i.png"
    done
    echo "this is no picture" >pictures/broken.jpg
}

work() {
    mkdir small
    flow --param input="$place/pictures" --param output=small --param size=100x100
}

compare() {
    [ "$(grep -c '^done ' printed)" -eq 11 ] || fail "not all pictures are done"
    grep -q '^failed .*broken.jpg$' printed || fail "the broken picture is not told"
    [ "$(identify -format '%w %h\n' small/11.png)" = "100 77" ] || [ "$(identify -format '%h\n' small/11.png)" -le 100 ] ||
        fail "a picture is not small"
    [ "$(find small -name '*.png' | wc -l)" -eq 11 ] || fail "there are not 11 small pictures"
}
