# SPDX-License-Identifier: MIT
# 1,000 customers and 4,000 orders, some of nobody, against Python.

prepare() {
    python3 - <<'END_OF_PYTHON'
import csv
names = {str(n): f'n "{n}", x' for n in range(1000)}
orders = [(str(n * 7919 % 1300), f"item {n}", str(n / 4)) for n in range(4000)]
def write(name, rows):
    with open(name, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
write("customers.csv", [("id", "name")] + list(names.items()))
write("orders.csv", [("id", "item", "price")] + orders)
write("joined", [("id", "name", "item", "price")] + sorted((i, names[i], *rest) for i, *rest in orders if i in names))
with open("alone", "w") as file:
    file.write(str(sum(i not in names for i, *rest in orders) + len(set(names) - {o[0] for o in orders})) + "\n")
END_OF_PYTHON
    head -n 1 joined >expected
    tail -n +2 joined | sort >>expected
}

work() {
    flow --param left="$place/customers.csv" --param right="$place/orders.csv" --param output=out
}

compare() {
    head -n 1 out >table
    tail -n +2 out | sort >>table
    same "$place/expected" table
    wc -l <unmatched.jsonl | tr -d ' ' >alone
    same "$place/alone" alone
}
