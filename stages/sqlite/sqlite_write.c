/* SPDX-License-Identifier: MIT */

/*
 * Without checkpoints each batch that arrives is a transaction.
 *
 * With them a transaction lasts from one checkpoint to the next, and the table _flowrun in the same
 * database holds the number of the last one that is in it.  What a checkpoint covers is committed
 * only when the checkpoint can no longer be lost; so that it is not lost itself if the run dies
 * right then, its records are kept, and saved, until it is:
 *
 *     records ──> rows of the open transaction, and the log
 *     save        a savepoint; the log is saved with the next number
 *     records ──> rows behind the savepoint, and the log
 *     commit      back to the savepoint, note the number, commit; the rest of the log once more
 *     restore     if the database has not the number that was saved: the log that was saved
 */

#include <flowrun/stage.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/saved.h"
#include "shared/text.h"
#include "sqlite/database.h"
#include "sqlite/row.h"

enum format { FORMAT_JSON, FORMAT_TSV };
enum conflict { CONFLICT_REFUSE, CONFLICT_REPLACE, CONFLICT_IGNORE };
struct writer {
    char *path;
    char *table;
    struct flow_list columns;
    char *sql;
    char *create;
    int format;   /* enum format */
    int conflict; /* enum conflict */
    bool wal;
    int64_t patience;

    sqlite3 *db;
    struct sqlite_row row;
    bool begun; /* a transaction is open */
    uint64_t rows;
    uint64_t number;      /* of the last save */
    uint64_t base;        /* of the one that the database holds */
    struct flow_text log; /* records of the open transaction */
    size_t sealed;        /* bytes of it that the last save covers */
    bool seal;            /* there is a savepoint */
};

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct writer, path, FLOW_REQUIRED, "database file; made if it is not there"),
    FLOW_PARAM_STR(struct writer, table, NULL, "the table that rows are added to"),
    FLOW_PARAM_LIST(struct writer, columns, NULL,
                    "its columns, and the JSON fields they come from"),
    FLOW_PARAM_STR(struct writer, sql, NULL,
                   "instead of 'table': a statement with :field, ?1, @key or @record"),
    FLOW_PARAM_STR(struct writer, create, NULL,
                   "statements to run first, as CREATE TABLE IF NOT EXISTS"),
    FLOW_PARAM_ENUM(struct writer, format, "json", "json|tsv",
                    "records are JSON objects, or values between tabs with \\N for NULL"),
    FLOW_PARAM_ENUM(struct writer, conflict, "refuse", "refuse|replace|ignore",
                    "a row breaks a constraint: refuse the record, replace, leave the old one"),
    FLOW_PARAM_BOOL(struct writer, wal, "true", "use a write-ahead log, so that others can read"),
    FLOW_PARAM_DURATION(struct writer, patience, "30s", 0, 86400e9,
                        "how long to wait for a lock that another program holds [time]"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "one row a record"},
    {NULL, NULL, NULL},
};

static enum flow_status fail(const struct writer *w, struct flow_stage *stage, const char *what)
{
    return flow_sqlite_fail(stage, w->path, w->db, what);
}

static enum flow_status run(const struct writer *w, struct flow_stage *stage, const char *sql)
{
    return flow_sqlite_run(stage, w->path, w->db, sql, w->patience);
}

/* ---- opening ---- */

/* INSERT INTO table (columns) VALUES (?1, ...); NULL: no memory. */
static char *make_statement(const struct writer *w)
{
    static const char *const verbs[] = {"INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"};
    sqlite3_str *text = sqlite3_str_new(w->db);
    sqlite3_str_appendf(text, "%s INTO \"%w\" (", verbs[w->conflict], w->table);
    for (size_t i = 0; i < w->columns.count; i++)
        sqlite3_str_appendf(text, "%s\"%w\"", i > 0 ? "," : "", w->columns.items[i]);
    sqlite3_str_appendall(text, ") VALUES (");
    for (size_t i = 0; i < w->columns.count; i++)
        sqlite3_str_appendf(text, "%s?%d", i > 0 ? "," : "", (int)i + 1);
    sqlite3_str_appendall(text, ")");
    return sqlite3_str_finish(text);
}

/* Where the value of a placeholder comes from; `field`: the name of its field, NULL if it has none.
 */
static bool find_source(const struct writer *w, int i, struct sqlite_place *place,
                        const char **field)
{
    const char *name = sqlite3_bind_parameter_name(w->row.statement, i + 1);
    *field = NULL;
    if (w->table != NULL && w->format == FORMAT_JSON)
        *field = w->columns.items[i];
    else if (name == NULL || name[0] == '?')
        *place = (struct sqlite_place){.source = SOURCE_PLACE, .column = (size_t)i};
    else if (strcmp(name, "@key") == 0)
        *place = (struct sqlite_place){.source = SOURCE_KEY};
    else if (strcmp(name, "@record") == 0)
        *place = (struct sqlite_place){.source = SOURCE_RECORD};
    else
        *field = name + 1;
    if (*field != NULL)
        *place = (struct sqlite_place){.source = SOURCE_FIELD};
    return (place->source != SOURCE_PLACE || w->format == FORMAT_TSV) &&
           (place->source != SOURCE_FIELD || w->format == FORMAT_JSON);
}

static enum flow_status no_columns(const struct writer *w, struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for %d columns", w->row.place_count);
}

static enum flow_status find_sources(struct writer *w, struct flow_stage *stage)
{
    w->row.place_count = sqlite3_bind_parameter_count(w->row.statement);
    w->row.places = calloc((size_t)w->row.place_count + 1, sizeof(*w->row.places));
    w->row.values = calloc((size_t)w->row.place_count + 1, sizeof(*w->row.values));
    flow_json_paths_init(&w->row.fields);
    if (w->row.places == NULL || w->row.values == NULL)
        return no_columns(w, stage);
    for (int i = 0; i < w->row.place_count; i++) {
        struct sqlite_place *place = &w->row.places[i];
        const char *field;
        if (!find_source(w, i, place, &field))
            return flow_stage_fail(stage, FLOW_EINVAL,
                                   "'sql': placeholder %d: :field goes with JSON, ? with tsv",
                                   i + 1);
        if (field != NULL &&
            !flow_json_paths_add_member(&w->row.fields, field, strlen(field), &place->slot))
            return no_columns(w, stage);
        w->row.needs_fields =
            w->row.needs_fields || place->source == SOURCE_FIELD || place->source == SOURCE_PLACE;
    }
    return FLOW_OK;
}

static enum flow_status prepare(struct writer *w, struct flow_stage *stage)
{
    const char *tail = NULL;
    char *sql = w->table != NULL ? make_statement(w) : sqlite3_mprintf("%s", w->sql);
    const int rc = sql != NULL ? sqlite3_prepare_v3(w->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                                    &w->row.statement, &tail)
                               : SQLITE_NOMEM;
    const bool one =
        rc == SQLITE_OK && w->row.statement != NULL && tail[strspn(tail, " \t\r\n;")] == '\0';
    sqlite3_free(sql);
    if (rc != SQLITE_OK)
        return fail(w, stage, "prepare the statement");
    if (!one || sqlite3_stmt_readonly(w->row.statement))
        return flow_stage_fail(stage, FLOW_EINVAL, "'sql' is not one statement that writes");
    w->row.db = w->db;
    w->row.tsv = w->format == FORMAT_TSV;
    w->row.expected = w->columns.count;
    return find_sources(w, stage);
}

static enum flow_status check_params(const struct writer *w, struct flow_stage *stage)
{
    if ((w->table == NULL) == (w->sql == NULL))
        return flow_stage_fail(stage, FLOW_EINVAL, "one of 'table' and 'sql' is needed");
    if ((w->table == NULL) != (w->columns.count == 0))
        return flow_stage_fail(stage, FLOW_EINVAL, "'table' and 'columns' go together");
    if (w->sql != NULL && w->conflict != CONFLICT_REFUSE)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'conflict' goes with 'table': in 'sql' write INSERT OR ...");
    return FLOW_OK;
}

/* The table of checkpoints; a run that begins anew forgets those of earlier ones. */
static enum flow_status prepare_checkpoints(struct writer *w, struct flow_stage *stage)
{
    const struct flow_info *info = flow_stage_info(stage);
    if (!info->checkpoints)
        return FLOW_OK;
    enum flow_status rc = run(w, stage,
                              "CREATE TABLE IF NOT EXISTS _flowrun "
                              "(stage TEXT PRIMARY KEY, checkpoint INTEGER NOT NULL)");
    if (rc != FLOW_OK || info->resumes)
        return rc;
    char *forget = sqlite3_mprintf("DELETE FROM _flowrun WHERE stage = %Q", info->name);
    rc = forget != NULL ? run(w, stage, forget) : fail(w, stage, "forget old checkpoints");
    sqlite3_free(forget);
    return rc;
}

static enum flow_status writer_open(void *self, struct flow_stage *stage)
{
    struct writer *w = self;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    enum flow_status rc = check_params(w, stage);
    if (rc != FLOW_OK)
        return rc;
    if (sqlite3_open_v2(w->path, &w->db, flags, NULL) != SQLITE_OK)
        return fail(w, stage, "open it");
    if (w->wal)
        rc = run(w, stage, "PRAGMA journal_mode = wal");
    /* Only checkpoints promise more than that a crash leaves the database whole. */
    if (rc == FLOW_OK)
        rc = run(w, stage,
                 flow_stage_info(stage)->checkpoints ? "PRAGMA synchronous = full"
                                                     : "PRAGMA synchronous = normal");
    if (rc == FLOW_OK && w->create != NULL)
        rc = run(w, stage, w->create);
    if (rc == FLOW_OK)
        rc = prepare_checkpoints(w, stage);
    return rc == FLOW_OK ? prepare(w, stage) : rc;
}

/* ---- one record ---- */

/* Add the row of a record.  FLOW_EBAD: w->row.reason says why it is bad. */
static enum flow_status insert(struct writer *w, struct flow_stage *stage,
                               const struct flow_record *record)
{
    const char *why = sqlite_bind_record(&w->row, record);
    int step = SQLITE_DONE;
    if (why == NULL) {
        step = sqlite3_step(w->row.statement);
        while (step == SQLITE_ROW) /* RETURNING */
            step = sqlite3_step(w->row.statement);
    }
    const int code = step == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(w->db) & 0xff;
    const bool bad = why != NULL || code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH ||
                     code == SQLITE_TOOBIG;
    if (bad && why != w->row.reason)
        (void)snprintf(w->row.reason, sizeof(w->row.reason), "%s",
                       why != NULL ? why : sqlite3_errmsg(w->db));
    const enum flow_status rc = bad                 ? FLOW_EBAD
                                : code != SQLITE_OK ? fail(w, stage, "add a row")
                                                    : FLOW_OK;
    (void)sqlite3_reset(w->row.statement);
    (void)sqlite3_clear_bindings(w->row.statement);
    w->rows += rc == FLOW_OK;
    return rc;
}

/* ---- transactions ---- */

static enum flow_status begin(struct writer *w, struct flow_stage *stage)
{
    if (w->begun)
        return FLOW_OK;
    const enum flow_status rc = run(w, stage, "BEGIN IMMEDIATE");
    w->begun = rc == FLOW_OK;
    return rc;
}

static enum flow_status end(struct writer *w, struct flow_stage *stage)
{
    if (!w->begun)
        return FLOW_OK;
    const enum flow_status rc = run(w, stage, "COMMIT");
    w->begun = rc != FLOW_OK;
    return rc;
}

struct head {
    uint64_t size, key_size;
};

static void note(struct writer *w, const struct flow_record *record)
{
    const struct head head = {record->size, record->key_size};
    flow_text_add(&w->log, &head, sizeof(head));
    flow_text_add(&w->log, record->data, record->size);
    if (record->key_size > 0)
        flow_text_add(&w->log, record->key, record->key_size);
}

/* Add the rows of the records in a log once more. */
static enum flow_status repeat(struct writer *w, struct flow_stage *stage, const char *at,
                               size_t size)
{
    enum flow_status rc = begin(w, stage);
    while (rc == FLOW_OK && size > 0) {
        struct head head;
        if (size < sizeof(head))
            return FLOW_EPROTO;
        memcpy(&head, at, sizeof(head));
        at += sizeof(head);
        size -= sizeof(head);
        if (head.size > size || head.key_size > size - head.size)
            return FLOW_EPROTO;
        const struct flow_record record = {.data = at,
                                           .size = (size_t)head.size,
                                           .key = head.key_size > 0 ? at + head.size : NULL,
                                           .key_size = (size_t)head.key_size};
        rc = insert(w, stage, &record);
        if (rc == FLOW_EBAD)
            return flow_stage_fail(stage, FLOW_EIO,
                                   "'%s': a row that could be added before cannot be now: %s",
                                   w->path, w->row.reason);
        at += record.size + record.key_size;
        size -= record.size + record.key_size;
    }
    return rc;
}

static enum flow_status writer_process_batch(void *self, struct flow_stage *stage,
                                             const struct flow_batch *batch)
{
    struct writer *w = self;
    const bool checkpoints = flow_stage_info(stage)->checkpoints;
    enum flow_status rc = begin(w, stage);
    struct flow_cursor c = flow_batch_begin(batch);
    for (uint32_t i = 0; rc == FLOW_OK && flow_batch_next(&c); i++) {
        rc = insert(w, stage, &c.record);
        if (rc == FLOW_EBAD)
            rc = flow_batch_reject(stage, i, "%s: %s", w->row.reason,
                                   flow_bytes_quote(c.record.data, c.record.size).text);
        else if (rc == FLOW_OK && checkpoints)
            note(w, &c.record);
    }
    if (w->log.failed)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for the rows since the checkpoint");
    return rc == FLOW_OK && !checkpoints ? end(w, stage) : rc;
}

/* ---- checkpoints ---- */

static enum flow_status writer_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    struct writer *w = self;
    enum flow_status rc = begin(w, stage);
    if (rc == FLOW_OK && w->seal)
        rc = run(w, stage, "RELEASE flowrun");
    if (rc == FLOW_OK)
        rc = run(w, stage, "SAVEPOINT flowrun");
    if (rc != FLOW_OK)
        return rc;
    w->seal = true;
    w->sealed = w->log.size;
    w->number++;
    const uint64_t numbers[] = {w->number, w->base, w->rows};
    rc = flow_save(to, numbers, sizeof(numbers));
    return rc == FLOW_OK ? flow_save_text(to, w->log.at != NULL ? w->log.at : "", w->sealed) : rc;
}

/* The checkpoint that the database holds; 0: none. */
static enum flow_status find_number(const struct writer *w, struct flow_stage *stage,
                                    uint64_t *number)
{
    sqlite3_stmt *select = NULL;
    const char sql[] = "SELECT checkpoint FROM _flowrun WHERE stage = ?1";
    bool done =
        sqlite3_prepare_v2(w->db, sql, -1, &select, NULL) == SQLITE_OK &&
        sqlite3_bind_text(select, 1, flow_stage_info(stage)->name, -1, SQLITE_STATIC) == SQLITE_OK;
    const int step = done ? sqlite3_step(select) : SQLITE_ERROR;
    *number = step == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(select, 0) : 0;
    done = step == SQLITE_ROW || step == SQLITE_DONE;
    (void)sqlite3_finalize(select);
    return done ? FLOW_OK : fail(w, stage, "read the table _flowrun");
}

static enum flow_status writer_restore(void *self, struct flow_stage *stage,
                                       struct flow_loader *from)
{
    struct writer *w = self;
    uint64_t there;
    uint64_t numbers[3];
    const char *log;
    size_t size;
    enum flow_status rc = flow_load(from, numbers, sizeof(numbers));
    if (rc == FLOW_OK)
        rc = flow_load_text(from, &log, &size);
    if (rc == FLOW_OK)
        rc = find_number(w, stage, &there);
    if (rc != FLOW_OK)
        return rc;
    w->number = numbers[0];
    w->base = there;
    if (there < numbers[1])
        return flow_stage_fail(stage, FLOW_EIO,
                               "'%s' holds checkpoint %" PRIu64 ", and %" PRIu64
                               " was in it: it is not the database that the run has written to",
                               w->path, there, numbers[1]);
    if (there < w->number) {
        flow_text_add(&w->log, log, size);
        rc = repeat(w, stage, log, size);
        if (rc == FLOW_OK)
            rc = run(w, stage, "SAVEPOINT flowrun");
        w->seal = rc == FLOW_OK;
        w->sealed = size;
    }
    w->rows = numbers[2];
    return rc;
}

static enum flow_status writer_commit(void *self, struct flow_stage *stage, uint64_t epoch)
{
    struct writer *w = self;
    (void)epoch;
    if (!w->seal)
        return FLOW_OK;
    char *put = sqlite3_mprintf("ROLLBACK TO flowrun; RELEASE flowrun; "
                                "INSERT OR REPLACE INTO _flowrun VALUES (%Q, %lld)",
                                flow_stage_info(stage)->name, (long long)w->number);
    enum flow_status rc = put != NULL ? run(w, stage, put) : fail(w, stage, "commit");
    sqlite3_free(put);
    if (rc == FLOW_OK)
        rc = end(w, stage);
    if (rc != FLOW_OK)
        return rc;
    w->seal = false;
    w->base = w->number;
    w->log.size -= w->sealed;
    if (w->log.size == 0)
        return FLOW_OK;
    memmove(w->log.at, w->log.at + w->sealed, w->log.size);
    const uint64_t rows = w->rows;
    rc = repeat(w, stage, w->log.at, w->log.size);
    w->rows = rows;
    return rc;
}

static void writer_close(void *self, struct flow_stage *stage)
{
    struct writer *w = self;
    (void)stage;
    (void)sqlite3_finalize(w->row.statement);
    (void)sqlite3_close(w->db); /* what is not committed is rolled back */
    free(w->row.places);
    free(w->row.values);
    flow_json_paths_clear(&w->row.fields);
    flow_text_clear(&w->row.scratch);
    flow_text_clear(&w->log);
}

static const struct flow_stage_type writer = {
    .name = "sqlite.write",
    .help = "adds a row to an SQLite database for each record",
    .role = FLOW_CONSUMER,
    .traits = FLOW_SINGLE,
    .inputs = inputs,
    .params = params,
    .state_size = sizeof(struct writer),
    .open = writer_open,
    .process_batch = writer_process_batch,
    .close = writer_close,
    .save = writer_save,
    .restore = writer_restore,
    .commit = writer_commit,
};

FLOW_PLUGIN(&writer);
