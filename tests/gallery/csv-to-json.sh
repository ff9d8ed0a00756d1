# SPDX-License-Identifier: MIT
# needs: csv.parse
# 3,000 rows with quotes and commas, and two that are no rows of this table, against Python.

prepare() {
    python3 - <<'END'
import csv, json
with open("table.csv", "w", newline="") as table, open("expected", "w") as expected:
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["id", "name", "note", "price"])
    for n in range(3000):
        name, note = f'n "{n}", x', "" if n % 7 == 0 else "a,b"
        rows.writerow([n, name, note, n / 4])
        row = {"id": n, "name": name, "note": note or None, "price": n / 4}
        expected.write(json.dumps(row) + "\n")
        if n in (10, 20):
            rows.writerow(["too", "few"])
END
}

work() {
    flow --param input="$place/table.csv" --param output=out --param bad=bad
}

compare() {
    python3 -c 'import json, sys
for line in sys.stdin: print(json.dumps(json.loads(line)))' <out >read
    same "$place/expected" read
    [ "$(wc -l <bad)" -eq 2 ] || fail "there are not two bad rows"
}
