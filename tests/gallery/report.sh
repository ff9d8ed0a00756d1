# SPDX-License-Identifier: MIT
# 5,000 rows of 30 groups, two without a number, against Python.

prepare() {
    python3 - <<'END_OF_PYTHON'
import csv
groups = {}
rows = [("id", "place", "price")]
for n in range(5000):
    place, price = f'"{n % 30}", x', n * 7919 % 1013 - 500
    rows.append((n, place, price if n not in (7, 70) else "none"))
    if n not in (7, 70):
        groups.setdefault(place, []).append(price)
with open("table.csv", "w", newline="") as file:
    csv.writer(file, lineterminator="\n").writerows(rows)
with open("expected", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(("place", "count", "sum", "mean", "min", "max"))
    for place, v in sorted(groups.items()):
        mean = f"{sum(v) / len(v):.15g}"
        if float(mean) != sum(v) / len(v):
            mean = f"{sum(v) / len(v):.17g}"
        out.writerow((place, len(v), sum(v), mean, min(v), max(v)))
END_OF_PYTHON
}

work() {
    flow --param input="$place/table.csv" --param group=place --param value=price --param output=out --param bad=bad
}

compare() {
    same "$place/expected" out
    [ "$(wc -l <bad)" -eq 2 ] || fail "there are not two bad rows"
}
