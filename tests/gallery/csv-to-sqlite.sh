# SPDX-License-Identifier: MIT
# needs: csv.parse sqlite.write
# 3,000 rows with quotes and commas, against Python's module for the same.

prepare() {
    python3 - <<'END'
import csv
with open("table.csv", "w", newline="") as table, open("expected", "w") as expected:
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["id", "name", "price"])
    for n in range(3000):
        rows.writerow([n, f'n "{n}", x', n / 4])
        expected.write(f'{n}|n "{n}", x|{n / 4}\n')
        if n in (10, 20):
            rows.writerow(["too few"])
END
}

work() {
    flow --param input="$place/table.csv" --param database=table.db --param bad=bad \
        --param create='CREATE TABLE IF NOT EXISTS lines(id INTEGER PRIMARY KEY, name TEXT, price REAL)' \
        --param insert='INSERT INTO lines VALUES(:id, :name, :price)'
}

compare() {
    python3 - <<'END' >rows
import sqlite3
for row in sqlite3.connect("table.db").execute("SELECT * FROM lines ORDER BY id"):
    print("|".join(str(value) for value in row))
END
    same "$place/expected" rows
    [ "$(wc -l <bad)" -eq 2 ] || fail "there are not two bad rows"
}
