# SPDX-License-Identifier: MIT
# needs: hash
#
# hash against Python's hashlib, and xxhsum.

lines 20000 'printf("%d %s\n", n, pick(0, 1) ? "short" : "a longer line with é and " pick(1, 99999))'

hash() {
    same '"last": { "use": "hash", "from": "read", "with": { "algorithm": "'"$1"'", "to": "'"$2"'" } }' \
        python3 -c "
import hashlib, sys
for line in open('input', 'rb'):
    line = line.rstrip(b'\n')
    print($3)"
}
hash sha256 replace 'hashlib.sha256(line).hexdigest()'
hash md5 prefix 'hashlib.md5(line).hexdigest() + "  " + line.decode()'
hash blake2b suffix 'line.decode() + "  " + hashlib.blake2b(line).hexdigest()'
hash sha1 replace 'hashlib.sha1(line).hexdigest()'
hash sha512 replace 'hashlib.sha512(line).hexdigest()'

# Each line a file.
head -n 50 input >few && mv few input
xxh() {
    n=0
    while IFS= read -r line; do
        printf %s "$line" | xxhsum "$1" | tail -n 1 | sed 's/.*_//; s/ .*//'
    done <input
}
xxh_of() {
    same '"last": { "use": "hash", "from": "read", "with": { "algorithm": "'"$1"'", "to": "replace" } }' xxh "$2"
}
xxh_of xxh128 -H2
