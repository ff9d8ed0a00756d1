# SPDX-License-Identifier: MIT
#
# csv.parse, and json.pick and csv.format that write CSV, against the csv and json modules of Python.

lines 20000 'if (n == 1) print "id,name,\"the text\",size"
    printf("%d,%s,%s,%s\n", n, pick(0, 1) ? "Ann" : "\"Lee, \"\"Bo\"\"\"",
        pick(0, 1) ? "plain text of some length" : "\"a,b,\"\"é\"\"\\\t\"", pick(0, 3) ? pick(-9, 9) / 4 : "")'

python() {
    python3 -c "
import csv, json, sys
rows = csv.reader(open('input', encoding='utf-8', newline=''))
names = next(rows)
for row in rows:
    r = dict(zip(names, row))
    print($1)
sys.stdout.flush()"
}
dump='json.dumps(%s, ensure_ascii=False, separators=(",", ":"))'
export PYTHONIOENCODING=utf-8

parse() {
    same '"last": { "use": "csv.parse", "from": "read", "with": { "columns_from": "input"'"$1"' } }' python "$2"
}
parse '' "$(printf "$dump" r)"
parse ', "as": "array", "select": ["the text", "1"], "empty": "null"' \
    "$(printf "$dump" '[r["the text"], r["id"]]')"
parse ', "as": "tsv", "select": ["size", "name"]' '"\t".join((r["size"], r["name"]))'

same '"parse": { "use": "csv.parse", "from": "read", "with": { "columns_from": "input" } },
    "last": { "use": "json.pick", "from": "parse",
              "with": { "as": "csv", "fields": ["/name", "/size", "/the text"] } }' \
    python3 -c "
import csv, sys
rows = csv.DictReader(open('input', encoding='utf-8', newline=''))
out = csv.writer(sys.stdout, lineterminator='\n')
out.writerows([r['name'], r['size'], r['the text']] for r in rows)"

alone=yes
same '"parse": { "use": "csv.parse", "from": "read", "with": { "columns_from": "input" } },
    "last": { "use": "csv.format", "from": "parse", "with": { "columns": ["size", "the text", "name", "none"] } }' \
    python3 -c "
import csv, sys
rows = csv.DictReader(open('input', encoding='utf-8', newline=''))
out = csv.DictWriter(sys.stdout, ['size', 'the text', 'name', 'none'], extrasaction='ignore', lineterminator='\n')
out.writeheader()
out.writerows(rows)"
