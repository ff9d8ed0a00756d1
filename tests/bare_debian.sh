#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Do the two commands of the README work on a fresh Debian 12?  A minimal system is put into a folder,
# the checkout copied into it, and tools/demo and tools/test run there.  By hand, as root:
#
#     tests/bare_debian.sh [FOLDER]
#
# Needs the package debootstrap and about 2 GB.  A FOLDER is kept, for a second look and a second
# run; without one a temporary folder is used and removed.  The package sources, proxies and name
# servers are those of this machine.

set -eu

root=$(cd "$(dirname "$0")/.." && pwd -P)
[ "$(id -u)" -eq 0 ] || {
    echo "$0: needs root" >&2
    exit 1
}
command -v debootstrap >/dev/null || {
    echo "$0: needs the package debootstrap" >&2
    exit 1
}

bare=${1:-}
keep=true
if [ -z "$bare" ]; then
    bare=$(mktemp -d)
    keep=false
fi

leave() {
    status=$?
    for mounted in dev/shm dev/pts dev proc; do
        umount "$bare/$mounted" 2>/dev/null || true
    done
    # Never remove a folder that still holds the machine's own /dev.
    if ! $keep && ! grep -qs " $bare/" /proc/mounts; then
        rm -rf --one-file-system "$bare"
    fi
    exit "$status"
}
trap leave EXIT
trap 'exit 130' INT TERM

[ -e "$bare/etc/debian_version" ] || debootstrap --variant=minbase bookworm "$bare"
mount -t proc proc "$bare/proc"
mount --bind /dev "$bare/dev"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$bare/dev/pts"
mount -t tmpfs tmpfs "$bare/dev/shm"
cp /etc/resolv.conf "$bare/etc/resolv.conf"
for proxies in /etc/apt/apt.conf.d/*prox* /etc/apt/apt.conf; do
    [ ! -e "$proxies" ] || cp "$proxies" "$bare/etc/apt/apt.conf.d/"
done

rm -rf "$bare/root/flowrun"
mkdir -p "$bare/root/flowrun"
(cd "$root" && git ls-files --cached --others --exclude-standard -z |
    tar --null --ignore-failed-read -cf - -T -) | tar -xf - -C "$bare/root/flowrun"

# A clean environment: nothing of this machine's may help.
inside() {
    chroot "$bare" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /bin/sh -c "cd /root/flowrun && $1"
}

inside tools/demo
inside tools/test
