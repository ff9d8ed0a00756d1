#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A plugin author's day: install flowrun, build the examples of docs/examples with nothing but
# pkg-config's flags, run them.  The installed tree is moved first, since packages are.
#
#     plugin_example.sh BUILD_FOLDER

set -eu

build=$(realpath "$1")
root=$(cd "$(dirname "$0")/.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

passed=0
sanitize=${SANITIZE:+-fsanitize=$SANITIZE} # the harness library was built so

die() {
    echo "FAILED: $*" >&2
    exit 1
}

# expect TEXT COMMAND...: the command prints just this, and ends well
expect() {
    text=$1
    shift
    "$@" >"$work/stdout" 2>"$work/stderr" || {
        cat "$work/stderr" >&2
        die "$* ended with an error"
    }
    [ "$(cat "$work/stdout")" = "$text" ] || {
        cat "$work/stdout" >&2
        die "$* printed something else"
    }
    passed=$((passed + 1))
}

cmake --install "$build" --prefix "$work/first" >"$work/install" || {
    cat "$work/install" >&2
    die "cmake --install"
}
mv "$work/first" "$work/prefix"
PATH=$work/prefix/bin:$PATH
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name flowrun.pc)")
export PATH PKG_CONFIG_PATH
cp -R "$root/docs/examples" "$work/examples"

[ "$(pkg-config --variable=includedir flowrun | xargs realpath)" = "$work/prefix/include" ] ||
    die "flowrun.pc does not follow its folder"
[ "$(wc -l <"$root/docs/examples/plugin/cut.c")" -le 25 ] ||
    die "the smallest plugin has more than 25 lines"

for source in "$work"/examples/plugin/*.c "$work"/examples/stages/*.c; do
    # shellcheck disable=SC2046  # several flags
    ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -shared -fPIC -o "${source%.c}.so" "$source" \
        $(pkg-config --cflags flowrun) || die "$source does not build"
    passed=$((passed + 1))
done

# The test of an example, with the harness.
cd "$work/examples/tests"
for source in *.c; do
    # shellcheck disable=SC2046  # several flags
    ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -o "${source%.c}" "$source" \
        $(pkg-config --cflags --libs flowrun-testing) ${sanitize:+"$sanitize"} || die "$source does not build"
    expect '' "./${source%.c}"
done

# The same in C++.
for cxx in ${CXX:-} g++ clang++; do
    command -v "$cxx" >"$work/which" || continue
    cd "$work/examples/cpp"
    # shellcheck disable=SC2046  # several flags
    $cxx -std=c++11 -Wall -Wextra -Wpedantic -Werror -shared -fPIC -o longest_word.so longest_word.cc \
        $(pkg-config --cflags flowrun) || die "longest_word.cc does not build with $cxx"
    echo "the longest of all words" >"$work/text"
    expect longest flowrun --quiet longest_word.json --set read.path="$work/text"
done

# A new stage, with the package for CMake and nothing of the build folder.
cd "$work"
flowrun new stage upcase >"$work/stdout" || die "flowrun new stage"
{
    cmake -S upcase -B upcase/build -DCMAKE_C_COMPILER="${CC:-cc}" -DCMAKE_C_FLAGS="${sanitize:-}" &&
        cmake --build upcase/build && ctest --test-dir upcase/build
} >"$work/stdout" 2>&1 || {
    cat "$work/stdout" >&2
    die "a new stage does not build or pass"
}
if grep -rIqF "$build" upcase/build; then # of binaries, debuggers are told where sources were
    die "the package for CMake leads to the build folder"
fi
expect 'number 1
number 2
number 3' flowrun --quiet upcase/upcase.json

cd "$work/examples/plugin"
expect '1234
1234
1234' flowrun --quiet cut.json
expect '12345
12345
12345' flowrun --quiet cut.json --set cut.size=5 --mode processes
if flowrun check cut.json --set cut.size=0 >"$work/stdout" 2>&1; then
    die "a size of 0 was accepted"
fi
grep -q "size" "$work/stdout" || die "the message about a size of 0 does not name it"
flowrun describe ./cut.so | grep -q 'what is kept of each record \[bytes\]' ||
    die "flowrun describe does not print the plugin's parameter"

cd "$work/examples/stages"
flowrun --quiet weather.json >"$work/weather" || die "weather.json"
sort "$work/weather" >"$work/sorted"
expect '1 oslo
1 quito
CAIRO 38
KABUL 31.5
KABUL 31.5' cat "$work/sorted"
expect 'oslo
4
rain
quito
18
cairo' flowrun --quiet fields.json
expect 'tick 1
tick 2
tick 3' flowrun --quiet clock.json

# Killed once it has made a checkpoint, and gone on with.
flowrun --quiet journal.json &
pid=$!
until ls journal.state 2>/dev/null | grep -q '^checkpoint-.*json$'; do :; done
kill -KILL "$pid"
wait "$pid" || true
flowrun --report none journal.json --resume 2>"$work/stderr" || die "journal.json does not go on"
grep -q '^journal: checkpoint [0-9]* is for good' "$work/stderr" || die "no commit was told"
seq 1 20000 | sed 's/.*/& &/' >"$work/journal"
cmp "$work/journal" journal.txt || die "the journal is not what it should be"
passed=$((passed + 1))
echo "$passed passed, 0 failed"
