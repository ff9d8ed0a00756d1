#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A real server for a test, in a folder of its own:
#
#     server.sh redis|postgres
#
# prints one line once it takes connections, which is its address (the path of a socket, or what
# libpq calls a connection string), and stops it when its own input ends or it is told to.

set -eu
export LC_ALL=C
folder=$(mktemp -d /tmp/flowrun-server-XXXXXX)
chmod 755 "$folder"
pid=
stop() {
    [ -z "$pid" ] || kill -INT "$pid" 2>/dev/null || true
    [ -z "$pid" ] || wait "$pid" || true
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 1' HUP INT TERM
mkfifo "$folder/said"

# PostgreSQL does not run as root.
unprivileged() {
    if [ "$(id -u)" -ne 0 ]; then
        exec "$@"
    fi
    exec setpriv --reuid=postgres --regid=postgres --clear-groups --pdeathsig=KILL "$@"
}

case $1 in
redis)
    address=$folder/redis.sock
    setpriv --pdeathsig=KILL redis-server --port 0 --unixsocket "$address" --save '' \
        --dir "$folder" --logfile '' </dev/null >"$folder/said" 2>&1 &
    ;;
postgres)
    address="host=$folder user=postgres dbname=postgres"
    bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
    mkdir "$folder/data"
    [ "$(id -u)" -ne 0 ] || chown postgres: "$folder" "$folder/data"
    (cd "$folder" && unprivileged "$bin/initdb" -D "$folder/data" -A trust -U postgres -N -E UTF8 \
        --no-locale) >"$folder/initdb" 2>&1 || { cat "$folder/initdb" >&2; exit 1; }
    (cd "$folder" && unprivileged "$bin/postgres" -D "$folder/data" -F -c listen_addresses= \
        -c "unix_socket_directories=$folder" -c log_min_messages=log) \
        </dev/null >"$folder/said" 2>&1 &
    ;;
*)
    echo "usage: server.sh redis|postgres" >&2
    exit 2
    ;;
esac
pid=$!
exec 3<"$folder/said"
ready=false
while IFS= read -r line <&3; do
    case $line in
    *eady\ to\ accept\ connections*)
        ready=true
        break
        ;;
    esac
    echo "$line" >>"$folder/log"
done
$ready || { cat "$folder/log" >&2; exit 1; }
cat <&3 >/dev/null & # what it says from then on must not stop it
exec 3<&-
echo "$address"
exec >/dev/null # who reads the address sees its end
cat >/dev/null
