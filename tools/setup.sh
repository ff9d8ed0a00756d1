# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What tools/demo and tools/test share: install what is missing, configure, build.  Sourced, with
# `root` set to the checkout.  All of it speaks on standard error, so that results stay alone on
# standard output.

: "${root:?}"

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "$0: $*"
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        die "needs root to run: $*"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Install those of the named Debian packages that are not there yet.
need_packages() {
    missing=
    for package in "$@"; do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null 2>&1 ||
        die "install what Debian has in these packages:$missing"
    say "installing$missing"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
        $missing >&2
}

# stage_packages KIND: what the folders of stages/ and tests/ name in their files of that name.
stage_packages() {
    cat "$root"/stages/*/"$1" "$root"/tests/*/"$1" 2>/dev/null | sort -u | tr '\n' ' '
}

# cache_has PRESET TEXT
cache_has() {
    grep -qsF "$2" "$root/build/$1/CMakeCache.txt"
}

# A folder that was configured somewhere else, such as in a copy of the checkout, does not count.
is_configured() {
    cache_has "$1" "CMAKE_HOME_DIRECTORY:INTERNAL=$root"
}

# configure PRESET -DNAME=VALUE: unless the build folder of the preset is configured like that.
configure() {
    if is_configured "$1"; then
        name=${2%%=*}
        ! cache_has "$1" "${name#-D}:BOOL=${2#*=}" || return 0
    else
        rm -rf "$root/build/$1"
    fi
    (cd "$root" && cmake --preset "$1" -DCMAKE_TARGET_MESSAGES=OFF "$2") >&2
}

# build PRESET [TARGET]
build() {
    cmake --build "$root/build/$1" --parallel "$(nproc)" --target "${2:-all}" >&2
}
