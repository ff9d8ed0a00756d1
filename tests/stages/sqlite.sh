#!/bin/sh
# SPDX-License-Identifier: MIT
# needs: sqlite.write
#
# sqlite.write and sqlite.query against the program sqlite3.

set -eu
. "$(dirname "$0")/support/graphs.sh"

seq 1 10000 | awk '{ printf "{\"id\":%d,\"name\":\"number %d\",\"half\":%.1f}\n", $1, $1, $1 / 2 }' >rows.jsonl
put write <<'END'
{ "flowrun": 1, "stages": {
    "read": { "use": "lines.read", "with": { "path": "rows.jsonl" } },
    "wait": { "use": "sleep", "from": "read", "with": { "delay": "20us" } },
    "out": { "use": "sqlite.write", "from": "wait",
             "with": { "path": "rows.db", "table": "rows", "columns": ["id", "name", "half"],
                       "create": "CREATE TABLE IF NOT EXISTS rows(id INTEGER, name TEXT, half REAL)" } } } }
END
put query <<'END'
{ "flowrun": 1, "stages": {
    "rows": { "use": "sqlite.query", "with": { "path": "rows.db", "sql": "SELECT * FROM rows", "order": "id" } },
    "wait": { "use": "sleep", "from": "rows", "with": { "delay": "20us" } },
    "out": { "use": "lines.write", "from": "wait", "with": { "path": "query.jsonl" } } } }
END

ask() {
    sqlite3 rows.db "SELECT json_object('id', id, 'name', name, 'half', half) FROM rows ORDER BY rowid"
}

for mode in threads processes; do
    rm -f rows.db*
    runs "rows are written" write
    ask >sqlite3.jsonl
    holds "$mode: sqlite3 sees them all, in order" same sqlite3.jsonl rows.jsonl
    rm -f rows.db*
    killed write
    ask >sqlite3.jsonl
    holds "$mode: each row is there once" same sqlite3.jsonl rows.jsonl
    runs "rows are read" query
    holds "$mode: they are those that were written" same query.jsonl rows.jsonl
    killed query
    holds "$mode: each row is read once" same query.jsonl rows.jsonl
done

done_with_all
