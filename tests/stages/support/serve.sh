# SPDX-License-Identifier: MIT
#
# Sourced by scripts that need a real server, which stops when the script ends, however it does.

# serve PROGRAM [ARGUMENT]...: $address is what the program prints once it is ready.  It stops when
# its input ends, which is this script's descriptor 9 (8 for the second one).
serve() {
    mkfifo "$work/serve.in" "$work/serve.out"
    "$@" <"$work/serve.in" >"$work/serve.out" 8>&- 9>&- &
    if [ -z "${serving:-}" ]; then
        exec 9>"$work/serve.in"
        serving=1
    else
        exec 8>"$work/serve.in"
    fi
    read -r address <"$work/serve.out"
    rm "$work/serve.in" "$work/serve.out"
}
