#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks the rules of core/LAYERS and of the public headers.  Prints every breach and exits 1 if there
# is one.
#
#   sh tests/layers.sh [SOURCE_FOLDER]
#
# 1. core/LAYER includes "x/y.h" only from itself and the layers above it in core/LAYERS.
# 2. <zmq.h> only in core/link, <hwloc.h> only in core/machine.
# 3. stages/ includes <flowrun/...> and system headers; tools/ (but for tools/bench) <flowrun/...> or
#    "flowrun/...", the list of built-in stages and system headers.
# 4. No "../" in an include.
# 5. No cycle among headers.
# 6. Public headers include no library, and each compiles alone as C11 and, where there is a compiler
#    for it, as C++.
set -u
LC_ALL=C
export LC_ALL

cd "${1:-$(dirname "$0")/..}" || exit 2
temp=$(mktemp -d) || exit 2
trap 'rm -rf "$temp"' EXIT
trap 'exit 2' HUP INT TERM
breaches=$temp/breaches
: >"$breaches"

breach() {
    echo "$*" >>"$breaches"
}

# The folders of core/, lowest first.
layers=$(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' core/LAYERS)
for folder in core/*/; do
    folder=${folder#core/}
    folder=${folder%/}
    [ "$folder" = include ] && folder=include/flowrun
    echo "$layers" | grep -qx "$folder" || breach "core/$folder: not named in core/LAYERS"
done

# Every include of our own files: "FILE:LINE KIND TARGET", KIND being local ("x.h") or system (<x.h>).
find core stages tools tests -name '*.[ch]' -type f | sort | while read -r file; do
    awk -v file="$file" '/^[[:space:]]*#[[:space:]]*include/ {
        text = $0
        if (match(text, /"[^"]*"/)) kind = "local"
        else if (match(text, /<[^>]*>/)) kind = "system"
        else next
        print file ":" FNR, kind, substr(text, RSTART + 1, RLENGTH - 2)
    }' "$file"
done >"$temp/includes"

# Is layer $1 the layer $2 or one above it in the list?
is_below() {
    for layer in $layers; do
        [ "$layer" = "$1" ] && return 0
        [ "$layer" = "$2" ] && return 1
    done
    return 1
}

check_core() { # place kind target
    layer=${1#core/}
    case $layer in
    include/flowrun/*) layer=include/flowrun ;;
    *) layer=${layer%%/*} ;;
    esac
    case $3 in
    flowrun/*) from=include/flowrun ;;
    */*) from=${3%%/*} ;;
    *) from= ;;
    esac

    if [ "$2" = local ] && [ -z "$from" ]; then
        breach "$1: \"$3\" does not name its layer"
    elif [ "$2" = local ] && ! is_below "$from" "$layer"; then
        breach "$1: $layer may not include \"$3\""
    elif [ "$2" = system ] && [ -e "core/$3" ]; then
        breach "$1: our own <$3> is written with quotes"
    fi
    case $layer:$3 in
    link:zmq*) ;;
    *:zmq*.h) breach "$1: only core/link includes <$3>" ;;
    machine:hwloc*) ;;
    *:hwloc*) breach "$1: only core/machine includes <$3>" ;;
    include/flowrun:jansson*.h) breach "$1: a public header may not include <$3>" ;;
    esac
}

check_outside() { # place kind target
    case $1:$3 in
    *:flowrun/*) [ -e "core/include/$3" ] || breach "$1: there is no public header $3" ;;
    stages/*:shared/* | stages/"${3%%/*}"/*:*/*)
        [ -e "stages/$3" ] || breach "$1: there is no stages/$3" ;;
    stages/zmq/*:zmq.h) ;;
    *:zmq*.h) breach "$1: only core/link includes <$3>" ;;
    *) [ "$2" = system ] && [ ! -e "core/$3" ] && return
       [ "$2" = local ] && [ -e "$(dirname "${1%:*}")/$3" ] && [ ! -e "core/$3" ] && return
       breach "$1: \"$3\" is no public header" ;;
    esac
}

while read -r place kind target; do
    case $target in
    *../*) breach "$place: \"../\" in an include of \"$target\"" ;;
    esac
    case $place in
    core/*) check_core "$place" "$kind" "$target" ;;
    tools/bench/* | tests/*) ;;
    stages/*)
        check_outside "$place" "$kind" "$target"
        case $kind:$target in
        local:flowrun/*) breach "$place: a stage writes <$target>, as a plugin outside would" ;;
        esac
        ;;
    tools/*) [ "$target" = stages/builtin.h ] || check_outside "$place" "$kind" "$target" ;;
    esac
done <"$temp/includes"

# The headers as a graph; tsort names the files of each cycle on standard error.
while read -r place kind target; do
    file=${place%:*}
    case $file in
    core/*.h) ;;
    *) continue ;;
    esac
    case $target in
    flowrun/*) echo "$file core/include/$target" ;;
    *) [ "$kind" = local ] && echo "$file core/$target" ;;
    esac
done <"$temp/includes" >"$temp/graph"
while read -r from to; do
    [ "$from" = "$to" ] && breach "$from: includes itself"
done <"$temp/graph"
if ! tsort "$temp/graph" >"$temp/order" 2>"$temp/cycles" || [ -s "$temp/cycles" ]; then
    breach "headers include each other in a circle: $(
        sed -n 's/^tsort: \(core[^:]*\)$/\1/p' "$temp/cycles" | tr '\n' ' ')"
fi

# Each public header alone.
cxx=
for candidate in ${CXX:-} g++ clang++ c++; do
    if [ -z "$cxx" ] && command -v "$candidate" >"$temp/which"; then
        cxx=$candidate
    fi
done
for header in core/include/flowrun/*.h; do
    name=flowrun/${header##*/}
    echo "#include <$name>" >"$temp/alone.c"
    cp "$temp/alone.c" "$temp/alone.cc"
    ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -Icore/include -fsyntax-only "$temp/alone.c" \
        >"$temp/log" 2>&1 || breach "$header: does not compile alone as C11: $(cat "$temp/log")"
    [ -z "$cxx" ] && continue
    $cxx -std=c++17 -Wall -Wextra -Wno-missing-field-initializers -Werror -Icore/include -fsyntax-only "$temp/alone.cc" \
        >"$temp/log" 2>&1 || breach "$header: does not compile alone as C++: $(cat "$temp/log")"
done

if [ -s "$breaches" ]; then
    cat "$breaches"
    exit 1
fi
echo "$(wc -l <"$temp/includes") includes checked"
