/* SPDX-License-Identifier: MIT */

/*
 * A batch is given to the server as one COPY, which takes all of its rows or none.  When it refuses
 * one it mostly says which: the rows before it are copied, it is refused, and so on with those
 * behind.  Where it does not say, the half is tried, until a single row is left.
 *
 *     rows   . . . . . x . . . . y . .
 *     COPY   ─────────>x                    refused: row 6
 *            ────────>                      the five before it; x is refused
 *                        ───────>y          ...
 *
 * Without checkpoints each COPY is a transaction.  With them a transaction lasts from one
 * checkpoint to the next, and the table _flowrun in the same database holds the number of the last
 * one that is in it.  What a checkpoint covers is committed only when the checkpoint can no longer
 * be lost; so that it is not lost itself if the run dies right then, its rows are kept, and saved,
 * until it is:
 *
 *     rows ──> the open transaction, and the log
 *     save        a savepoint; the log is saved with the next number
 *     rows ──> behind the savepoint, and the log
 *     commit      back to the savepoint, note the number, commit; the rest of the log once more
 *     restore     if the database has not the number that was saved: the log that was saved
 */

#include <flowrun/stage.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "database.h"
#include "row.h"
#include "shared/bytes.h"
#include "shared/saved.h"

#define STEP_LEAST 64    /* rows of the first COPY behind one that was refused */
#define WRITER_SIZE 128  /* of the name under which _flowrun knows a writer */
#define NOWHERE SIZE_MAX /* no row */

struct writer {
    char *connection, *table, *create;
    struct flow_list columns;
    int format; /* enum pg_format */
    int64_t timeout;

    struct pg pg;
    struct pg_rows rows; /* of the batch */
    char *copy;          /* the statement */
    size_t *ends;        /* of each row, in rows.text */
    uint32_t *records;   /* each row's record, by its place in the batch */
    size_t count, capacity;
    char name[WRITER_SIZE]; /* of this writer in _flowrun */
    bool begun;             /* a transaction is open */
    bool seal;              /* there is a savepoint of a checkpoint */
    uint64_t number;        /* of the last save */
    uint64_t base;          /* of the one that the database holds */
    struct flow_text log;   /* rows of the open transaction */
    size_t sealed;          /* bytes of it that the last save covers */
};

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct writer, connection, "",
                   "as 'host=db dbname=shop' or postgresql://...; rest from PGHOST, ..."),
    FLOW_PARAM_STR(struct writer, table, FLOW_REQUIRED, "the table that rows are added to"),
    FLOW_PARAM_LIST(struct writer, columns, NULL,
                    "its columns, and the JSON fields they come from; lines: none is all"),
    FLOW_PARAM_ENUM(struct writer, format, "json", "json|text|csv",
                    "records are JSON objects, or lines in one of COPY's formats"),
    FLOW_PARAM_STR(struct writer, create, NULL,
                   "statements to run first, as CREATE TABLE IF NOT EXISTS"),
    FLOW_PARAM_DURATION(struct writer, timeout, "1m", 1e6, 86400e9, "for one answer [time]"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "one row a record"},
    {NULL, NULL, NULL},
};

static enum flow_status no_memory(struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for rows");
}

static enum flow_status run(struct writer *w, struct flow_stage *stage, const char *sql)
{
    return pg_run(&w->pg, sql) ? FLOW_OK : pg_fail(&w->pg, stage, sql);
}

/* ---- opening ---- */

static void put_name(struct writer *w, struct flow_text *sql, const char *name, size_t size)
{
    char *quoted = PQescapeIdentifier(w->pg.link, name, size);
    if (quoted != NULL)
        flow_text_put(sql, quoted);
    sql->failed = sql->failed || quoted == NULL;
    PQfreemem(quoted);
}

/* "schema"."table" */
static void put_table(struct writer *w, struct flow_text *sql)
{
    const char *name = w->table;
    for (const char *dot; (dot = strchr(name, '.')) != NULL; name = dot + 1) {
        put_name(w, sql, name, (size_t)(dot - name));
        flow_text_put(sql, ".");
    }
    put_name(w, sql, name, strlen(name));
}

static void put_columns(struct writer *w, struct flow_text *sql)
{
    for (size_t i = 0; i < w->columns.count; i++) {
        flow_text_put(sql, i > 0 ? ", " : "");
        put_name(w, sql, w->columns.items[i], strlen(w->columns.items[i]));
    }
}

/* The statement, terminated; NULL: no memory. */
static char *end_sql(struct flow_text *sql)
{
    flow_text_add(sql, "", 1);
    if (sql->failed)
        flow_text_clear(sql);
    return sql->at;
}

static char *make_copy(struct writer *w)
{
    struct flow_text sql = {0};
    flow_text_put(&sql, "COPY ");
    put_table(w, &sql);
    if (w->columns.count > 0) {
        flow_text_put(&sql, " (");
        put_columns(w, &sql);
        flow_text_put(&sql, ")");
    }
    flow_text_put(&sql, " FROM STDIN");
    flow_text_put(&sql, w->format == PG_CSV ? " WITH (FORMAT csv)" : "");
    return end_sql(&sql);
}

/*
 * Be the only writer of that name.  One that was killed may have sent a commit that the server has
 * not got to: its session, and so its lock, ends behind it.
 */
static enum flow_status lock(struct writer *w, struct flow_stage *stage)
{
    char sql[WRITER_SIZE + 64];
    int64_t none;
    (void)snprintf(sql, sizeof(sql), "SELECT pg_advisory_lock(hashtextextended('%s', 0))", w->name);
    return pg_number(&w->pg, sql, &none)
               ? FLOW_OK
               : pg_fail(&w->pg, stage, "wait for the end of the run before");
}

/* The table of checkpoints; a run that begins anew is a new writer in it. */
static enum flow_status prepare_checkpoints(struct writer *w, struct flow_stage *stage)
{
    const struct flow_info *info = flow_stage_info(stage);
    uint64_t chance = 0;
    if (!info->checkpoints)
        return FLOW_OK;
    if (info->replicas > 1)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "%u workers: their open transactions could wait for each other; "
                               "where a run takes checkpoints set 'workers' to 1",
                               info->replicas);
    if (getrandom(&chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
        return flow_stage_fail(stage, FLOW_EIO, "the system gives no random number");
    (void)snprintf(w->name, sizeof(w->name), "%.80s-%016" PRIx64, info->name, chance);
    for (char *c = w->name; *c != '\0'; c++)
        *c = *c == '\'' || *c == '\\' ? '_' : *c; /* it is put between quotes */
    const enum flow_status rc =
        run(w, stage,
            "CREATE TABLE IF NOT EXISTS _flowrun (writer text PRIMARY KEY, "
            "checkpoint bigint NOT NULL, at timestamptz NOT NULL DEFAULT now())");
    return rc == FLOW_OK ? lock(w, stage) : rc;
}

static enum flow_status writer_open(void *self, struct flow_stage *stage)
{
    struct writer *w = self;
    w->pg.timeout = w->timeout;
    if (w->format == PG_JSON && w->columns.count == 0)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'columns' is needed: which fields of JSON go to which columns");
    const char *why = pg_rows_init(&w->rows, (enum pg_format)w->format, &w->columns);
    if (why != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL, "'columns': %s", why);
    if (!pg_open(&w->pg, w->connection))
        return pg_fail(&w->pg, stage, "connect");
    enum flow_status rc = w->create != NULL ? run(w, stage, w->create) : FLOW_OK;
    w->copy = make_copy(w);
    if (rc == FLOW_OK && w->copy == NULL)
        rc = no_memory(stage);
    /* No rows: that tells whether table, columns and rights are there. */
    if (rc == FLOW_OK && !pg_copy(&w->pg, w->copy, "", 0))
        rc = pg_fail(&w->pg, stage, w->copy);
    return rc == FLOW_OK ? prepare_checkpoints(w, stage) : rc;
}

/* ---- rows of a batch ---- */

static bool reserve(struct writer *w, size_t count)
{
    if (count <= w->capacity)
        return true;
    size_t *ends = realloc(w->ends, count * sizeof(*ends));
    if (ends != NULL)
        w->ends = ends;
    uint32_t *records = realloc(w->records, count * sizeof(*records));
    if (records != NULL)
        w->records = records;
    if (ends == NULL || records == NULL)
        return false;
    w->capacity = count;
    return true;
}

static enum flow_status refuse(struct flow_stage *stage, const struct flow_batch *batch, uint32_t i,
                               const char *why)
{
    const struct flow_record record = flow_batch_record(batch, i);
    return flow_batch_reject(stage, i, "%s: %s", why,
                             flow_bytes_quote(record.data, record.size).text);
}

static enum flow_status make_rows(struct writer *w, struct flow_stage *stage,
                                  const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    w->count = w->rows.text.size = 0;
    if (!reserve(w, batch->count))
        return no_memory(stage);
    struct flow_cursor c = flow_batch_begin(batch);
    for (uint32_t i = 0; rc == FLOW_OK && flow_batch_next(&c); i++) {
        const char *why = pg_rows_add(&w->rows, &c.record);
        if (why != NULL) {
            rc = refuse(stage, batch, i, why);
            continue;
        }
        w->records[w->count] = i;
        w->ends[w->count++] = w->rows.text.size;
    }
    return rc == FLOW_OK && (w->rows.text.failed || w->rows.scratch.failed) ? no_memory(stage) : rc;
}

static const char *start_of(const struct writer *w, size_t row)
{
    return w->rows.text.at + (row > 0 ? w->ends[row - 1] : 0);
}

/* The row, from `first` on, that holds the line which the server named. */
static size_t find_row(const struct writer *w, size_t first, size_t count)
{
    long line = 0;
    for (size_t row = first; w->pg.line > 0 && row < first + count; row++) {
        const char *end = w->rows.text.at + w->ends[row];
        for (const char *at = start_of(w, row); at < end; line++)
            at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
        if (line >= w->pg.line)
            return row;
    }
    return NOWHERE;
}

/* ---- transactions ---- */

static enum flow_status begin(struct writer *w, struct flow_stage *stage)
{
    if (w->begun)
        return FLOW_OK;
    const enum flow_status rc = run(w, stage, "BEGIN");
    w->begun = rc == FLOW_OK;
    return rc;
}

/* Copy some rows.  FLOW_EBAD: the server refuses one of them, and none is there. */
static enum flow_status copy(struct writer *w, struct flow_stage *stage, const char *data,
                             size_t size)
{
    enum flow_status rc = w->begun ? run(w, stage, "SAVEPOINT flowrun_rows") : FLOW_OK;
    if (rc != FLOW_OK)
        return rc;
    if (pg_copy(&w->pg, w->copy, data, size))
        return w->begun ? run(w, stage, "RELEASE flowrun_rows") : FLOW_OK;
    if (!pg_blames_rows(&w->pg))
        return pg_fail(&w->pg, stage, w->copy);
    const struct pg refused = w->pg; /* what it said of the rows */
    if (w->begun)
        rc = run(w, stage, "ROLLBACK TO flowrun_rows; RELEASE flowrun_rows");
    w->pg = refused;
    return rc == FLOW_OK ? FLOW_EBAD : rc;
}

/* Keep the rows for the next checkpoint. */
static enum flow_status keep(struct writer *w, struct flow_stage *stage, const char *data,
                             size_t size)
{
    if (w->begun)
        flow_text_add(&w->log, data, size);
    return w->log.failed
               ? flow_stage_fail(stage, FLOW_ENOMEM, "no memory for the rows since the checkpoint")
               : FLOW_OK;
}

static enum flow_status copy_rows(struct writer *w, struct flow_stage *stage,
                                  const struct flow_batch *batch)
{
    size_t at = 0;
    size_t step = w->count;
    size_t bad = NOWHERE; /* the row that the server has named */
    char why[sizeof(w->pg.why)] = "";
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && at < w->count) {
        const size_t count = step < w->count - at ? step : w->count - at;
        const size_t size = w->ends[at + count - 1] - (at > 0 ? w->ends[at - 1] : 0);
        rc = at != bad ? copy(w, stage, start_of(w, at), size) : FLOW_EBAD;
        if (rc == FLOW_OK) {
            rc = keep(w, stage, start_of(w, at), size);
            at += count;
            step *= 2;
        } else if (rc == FLOW_EBAD && (at == bad || count == 1)) {
            rc = refuse(stage, batch, w->records[at], at == bad ? why : w->pg.why);
            at++;
            step = STEP_LEAST;
        } else if (rc == FLOW_EBAD) {
            bad = find_row(w, at, count);
            memcpy(why, w->pg.why, sizeof(why));
            step = bad == NOWHERE ? count / 2 : bad > at ? bad - at : 1;
            rc = FLOW_OK;
        }
    }
    return rc;
}

static enum flow_status writer_process_batch(void *self, struct flow_stage *stage,
                                             const struct flow_batch *batch)
{
    struct writer *w = self;
    enum flow_status rc = make_rows(w, stage, batch);
    if (rc == FLOW_OK && flow_stage_info(stage)->checkpoints)
        rc = begin(w, stage);
    return rc == FLOW_OK ? copy_rows(w, stage, batch) : rc;
}

/* ---- checkpoints ---- */

/* Copy the rows in a log once more. */
static enum flow_status repeat(struct writer *w, struct flow_stage *stage, const char *log,
                               size_t size)
{
    enum flow_status rc = begin(w, stage);
    if (rc == FLOW_OK && size > 0)
        rc = copy(w, stage, log, size);
    return rc != FLOW_EBAD
               ? rc
               : flow_stage_fail(stage, FLOW_EIO,
                                 "table '%s': a row that could be added before cannot be now: %s",
                                 w->table, w->pg.why);
}

static enum flow_status writer_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    struct writer *w = self;
    enum flow_status rc = begin(w, stage);
    if (rc == FLOW_OK)
        rc = run(w, stage, w->seal ? "RELEASE flowrun; SAVEPOINT flowrun" : "SAVEPOINT flowrun");
    if (rc != FLOW_OK)
        return rc;
    w->seal = true;
    w->sealed = w->log.size;
    w->number++;
    const uint64_t numbers[] = {w->number, w->base};
    rc = flow_save(to, numbers, sizeof(numbers));
    if (rc == FLOW_OK)
        rc = flow_save(to, w->name, sizeof(w->name));
    return rc == FLOW_OK ? flow_save_text(to, w->log.at != NULL ? w->log.at : "", w->sealed) : rc;
}

/* The checkpoint that the database holds; 0: none. */
static enum flow_status find_number(struct writer *w, struct flow_stage *stage, uint64_t *number)
{
    char sql[WRITER_SIZE + 64];
    int64_t found;
    (void)snprintf(sql, sizeof(sql), "SELECT checkpoint FROM _flowrun WHERE writer = '%s'",
                   w->name);
    if (!pg_number(&w->pg, sql, &found))
        return pg_fail(&w->pg, stage, "read the table _flowrun");
    *number = found > 0 ? (uint64_t)found : 0;
    return FLOW_OK;
}

static enum flow_status writer_restore(void *self, struct flow_stage *stage,
                                       struct flow_loader *from)
{
    struct writer *w = self;
    uint64_t numbers[2];
    const char *log;
    size_t size;
    enum flow_status rc = flow_load(from, numbers, sizeof(numbers));
    if (rc == FLOW_OK)
        rc = flow_load(from, w->name, sizeof(w->name));
    if (rc == FLOW_OK)
        rc = flow_load_text(from, &log, &size);
    w->name[sizeof(w->name) - 1] = '\0';
    if (rc == FLOW_OK)
        rc = lock(w, stage);
    if (rc == FLOW_OK)
        rc = find_number(w, stage, &w->base);
    if (rc != FLOW_OK)
        return rc;
    w->number = numbers[0];
    if (w->base < numbers[1])
        return flow_stage_fail(stage, FLOW_EIO,
                               "the database holds checkpoint %" PRIu64 " of '%s', and %" PRIu64
                               " was in it: it is not the one that the run has written to",
                               w->base, w->name, numbers[1]);
    if (w->base >= w->number)
        return FLOW_OK;
    rc = repeat(w, stage, log, size);
    if (rc == FLOW_OK)
        rc = keep(w, stage, log, size);
    if (rc == FLOW_OK)
        rc = run(w, stage, "SAVEPOINT flowrun");
    w->seal = rc == FLOW_OK;
    w->sealed = size;
    return rc;
}

static enum flow_status writer_commit(void *self, struct flow_stage *stage, uint64_t epoch)
{
    struct writer *w = self;
    char sql[WRITER_SIZE + 256];
    (void)epoch;
    if (!w->seal)
        return FLOW_OK;
    (void)snprintf(sql, sizeof(sql),
                   "ROLLBACK TO flowrun; RELEASE flowrun; "
                   "INSERT INTO _flowrun VALUES ('%s', %" PRIu64 ") ON CONFLICT (writer) "
                   "DO UPDATE SET checkpoint = excluded.checkpoint, at = now(); COMMIT",
                   w->name, w->number);
    enum flow_status rc = run(w, stage, sql);
    if (rc != FLOW_OK)
        return rc;
    w->seal = w->begun = false;
    w->base = w->number;
    w->log.size -= w->sealed;
    if (w->log.size == 0)
        return FLOW_OK;
    memmove(w->log.at, w->log.at + w->sealed, w->log.size);
    return repeat(w, stage, w->log.at, w->log.size);
}

static void writer_close(void *self, struct flow_stage *stage)
{
    struct writer *w = self;
    (void)stage;
    pg_close(&w->pg); /* what is not committed is rolled back */
    pg_rows_clear(&w->rows);
    flow_text_clear(&w->log);
    free(w->copy);
    free(w->ends);
    free(w->records);
}

static const struct flow_stage_type writer = {
    .name = "postgres.copy",
    .help = "adds a row to a table of PostgreSQL for each record, by COPY",
    .role = FLOW_CONSUMER,
    .traits = FLOW_OUTSIDE,
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
