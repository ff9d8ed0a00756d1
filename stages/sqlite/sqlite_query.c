/* SPDX-License-Identifier: MIT */

/*
 * With `order` the query is asked for in parts of its own order: SELECT * FROM (query) WHERE order
 * > the last value ORDER BY order, so that it can be gone on with behind any row, and looked for
 * new rows.  Without it the rows are counted, and as many are skipped.
 */

#include <flowrun/stage.h>

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "shared/saved.h"
#include "shared/text.h"
#include "sqlite/database.h"
#include "sqlite/query_row.h"

#define BURST 512 /* rows that a call of produce emits at most */

enum format { FORMAT_JSON, FORMAT_TSV };

struct query {
    char *path;
    char *sql;
    char *bind;
    char *order;
    char *key;
    int format; /* enum format */
    int64_t poll;

    sqlite3 *db;
    sqlite3_stmt *rows;
    char *ordered; /* the statement that is run */
    bool running;
    int order_column, key_column;
    sqlite3_value *last; /* of the column `order`; NULL: none yet */
    uint64_t emitted, skip;
    struct flow_text text;
};

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct query, path, FLOW_REQUIRED, "database file"),
    FLOW_PARAM_STR(struct query, sql, FLOW_REQUIRED,
                   "a SELECT, without ORDER BY if 'order' is set"),
    FLOW_PARAM_JSON(struct query, bind, NULL, "values for its placeholders, [1] or {\"name\": 1}"),
    FLOW_PARAM_STR(struct query, order, NULL,
                   "a unique column by which rows are sorted and gone on with"),
    FLOW_PARAM_STR(struct query, key, NULL, "the column that becomes the record's key"),
    FLOW_PARAM_ENUM(struct query, format, "json", "json|tsv",
                    "json: an object a row; tsv: values between tabs, \\N for NULL"),
    FLOW_PARAM_DURATION(struct query, poll, "0s", 0, 86400e9,
                        "look for rows behind the last one again after this [time]; 0: end"),
    FLOW_PARAM_END,
};

static const struct flow_port outputs[] = {
    {"out", "text", "one row a record"},
    {NULL, NULL, NULL},
};

static enum flow_status fail(const struct query *q, struct flow_stage *stage, const char *what)
{
    return flow_sqlite_fail(stage, q->path, q->db, what);
}

/* ---- placeholders ---- */

static int bind_value(struct query *q, int place, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return sqlite3_bind_text64(q->rows, place, json_string_value(value),
                                   json_string_length(value), SQLITE_TRANSIENT, SQLITE_UTF8);
    case JSON_INTEGER:
        return sqlite3_bind_int64(q->rows, place, json_integer_value(value));
    case JSON_REAL:
        return sqlite3_bind_double(q->rows, place, json_real_value(value));
    case JSON_TRUE:
    case JSON_FALSE:
        return sqlite3_bind_int(q->rows, place, json_is_true(value));
    case JSON_NULL:
        return sqlite3_bind_null(q->rows, place);
    default:
        return SQLITE_MISMATCH;
    }
}

static int find_place(const struct query *q, const char *name)
{
    int place = 0;
    for (const char *mark = ":@$"; place == 0 && *mark != '\0'; mark++) {
        char *marked = sqlite3_mprintf("%c%s", *mark, name);
        place = marked != NULL ? sqlite3_bind_parameter_index(q->rows, marked) : 0;
        sqlite3_free(marked);
    }
    return place;
}

/* Bind the i-th value, from 1. */
static enum flow_status bind_one(struct query *q, struct flow_stage *stage, int i, int place,
                                 const json_t *value)
{
    const int rc = bind_value(q, place, value);
    if (rc == SQLITE_OK)
        return FLOW_OK;
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    const enum flow_status failed =
        flow_stage_fail(stage, FLOW_EINVAL, "'bind': value %d, %s: %s", i,
                        text != NULL ? text : "which is too long", sqlite3_errstr(rc));
    free(text);
    return failed;
}

static enum flow_status bind_list(struct query *q, struct flow_stage *stage, const json_t *list)
{
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; rc == FLOW_OK && i < json_array_size(list); i++)
        rc = bind_one(q, stage, (int)i + 1, (int)i + 1, json_array_get(list, i));
    return rc;
}

static enum flow_status bind_members(struct query *q, struct flow_stage *stage, json_t *object)
{
    const char *name;
    json_t *value;
    enum flow_status rc = FLOW_OK;
    int i = 0;
    json_object_foreach(object, name, value) {
        const int place = find_place(q, name);
        if (place == 0)
            return flow_stage_fail(stage, FLOW_EINVAL, "'bind': no placeholder :%s in 'sql'", name);
        rc = bind_one(q, stage, ++i, place, value);
        if (rc != FLOW_OK)
            return rc;
    }
    return rc;
}

static enum flow_status bind_all(struct query *q, struct flow_stage *stage)
{
    if (q->bind == NULL)
        return FLOW_OK;
    json_t *bind = json_loads(q->bind, JSON_ALLOW_NUL, NULL);
    if (bind == NULL)
        return flow_stage_fail(stage, FLOW_EINVAL, "'bind' is %s: a list or an object is expected",
                               q->bind);
    const enum flow_status rc =
        json_is_array(bind) ? bind_list(q, stage, bind) : bind_members(q, stage, bind);
    json_decref(bind);
    return rc;
}

/* ---- the statement ---- */

static int find_column(const struct query *q, const char *name)
{
    for (int i = 0; name != NULL && i < sqlite3_column_count(q->rows); i++) {
        if (sqlite3_stricmp(sqlite3_column_name(q->rows, i), name) == 0)
            return i;
    }
    return -1;
}

static enum flow_status check_columns(struct query *q, struct flow_stage *stage)
{
    q->order_column = find_column(q, q->order);
    q->key_column = find_column(q, q->key);
    const char *missing = q->order != NULL && q->order_column < 0 ? q->order
                          : q->key != NULL && q->key_column < 0   ? q->key
                                                                  : NULL;
    if (missing != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL, "the query has no column '%s'", missing);
    if (!sqlite3_stmt_readonly(q->rows) || sqlite3_column_count(q->rows) == 0)
        return flow_stage_fail(stage, FLOW_EINVAL, "'sql' is no query: it gives no rows");
    return FLOW_OK;
}

static enum flow_status prepare(struct query *q, struct flow_stage *stage)
{
    const char *tail = NULL;
    q->ordered = q->order == NULL
                     ? sqlite3_mprintf("%s", q->sql)
                     : sqlite3_mprintf("SELECT * FROM (%s) WHERE ?9999 IS NULL OR \"%w\" > ?9999 "
                                       "ORDER BY \"%w\"",
                                       q->sql, q->order, q->order);
    if (q->ordered == NULL)
        return fail(q, stage, "prepare the query");
    if (sqlite3_prepare_v2(q->db, q->ordered, -1, &q->rows, &tail) != SQLITE_OK)
        return fail(q, stage, "prepare the query");
    if (q->rows == NULL || tail[strspn(tail, " \t\r\n;")] != '\0')
        return flow_stage_fail(stage, FLOW_EINVAL, "'sql' is not one statement");
    const enum flow_status rc = check_columns(q, stage);
    return rc == FLOW_OK ? bind_all(q, stage) : rc;
}

static enum flow_status query_open(void *self, struct flow_stage *stage)
{
    struct query *q = self;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (q->poll > 0 && q->order == NULL)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'poll' needs 'order', to tell rows that are new");
    if (sqlite3_open_v2(q->path, &q->db, flags, NULL) != SQLITE_OK)
        return fail(q, stage, "open it");
    return prepare(q, stage);
}

/* ---- rows ---- */

static bool is_equal(sqlite3_value *a, sqlite3_value *b)
{
    if (sqlite3_value_type(a) != sqlite3_value_type(b))
        return false;
    if (sqlite3_value_type(a) == SQLITE_INTEGER)
        return sqlite3_value_int64(a) == sqlite3_value_int64(b);
    const int size = sqlite3_value_bytes(a);
    return size == sqlite3_value_bytes(b) &&
           memcmp(sqlite3_value_blob(a), sqlite3_value_blob(b), (size_t)size) == 0;
}

/* Note where the row stands. */
static enum flow_status note_place(struct query *q, struct flow_stage *stage)
{
    if (q->order == NULL)
        return FLOW_OK;
    sqlite3_value *now = sqlite3_column_value(q->rows, q->order_column);
    const bool null = sqlite3_value_type(now) == SQLITE_NULL;
    if (null || (q->last != NULL && is_equal(now, q->last)))
        return flow_stage_fail(
            stage, FLOW_EINVAL,
            "column '%s' is %s in row %" PRIu64 ": 'order' needs one that tells all rows apart",
            q->order, null ? "NULL" : "what it was in the row before", q->emitted + 1);
    sqlite3_value_free(q->last);
    q->last = sqlite3_value_dup(now);
    return q->last != NULL ? FLOW_OK : flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a value");
}

static enum flow_status emit_row(struct query *q, struct flow_stage *stage)
{
    struct flow_target to = {0};
    struct flow_sqlite_row row = {q->rows, q->emitted + 1, q->format == FORMAT_TSV, &q->text};
    enum flow_status rc = flow_sqlite_row_put(&row, stage);
    if (rc == FLOW_OK)
        rc = note_place(q, stage);
    if (rc != FLOW_OK)
        return rc;
    if (q->key_column >= 0) {
        to.key = sqlite3_column_text(q->rows, q->key_column);
        to.key_size = (size_t)sqlite3_column_bytes(q->rows, q->key_column);
    }
    to.key = to.key_size > 0 ? to.key : NULL;
    rc = flow_emit_to(stage, &to, q->text.at, q->text.size);
    q->emitted += rc == FLOW_OK;
    return rc;
}

static enum flow_status start(struct query *q, struct flow_stage *stage)
{
    const int place = q->order != NULL ? sqlite3_bind_parameter_index(q->rows, "?9999") : 0;
    (void)sqlite3_reset(q->rows);
    q->running = true;
    if (place > 0 && q->last != NULL && sqlite3_bind_value(q->rows, place, q->last) != SQLITE_OK)
        return fail(q, stage, "go on with the query");
    return FLOW_OK;
}

/* All rows have been emitted: that is the end, or a while later there are more. */
static enum flow_status at_end(struct query *q, struct flow_stage *stage)
{
    (void)sqlite3_reset(q->rows);
    q->running = false;
    if (q->poll == 0)
        return FLOW_ECLOSED;
    const enum flow_status rc = flow_wait(stage, -1, 0, q->poll);
    return rc == FLOW_EAGAIN ? FLOW_OK : rc;
}

static enum flow_status query_produce(void *self, struct flow_stage *stage)
{
    struct query *q = self;
    enum flow_status rc = q->running ? FLOW_OK : start(q, stage);
    for (int i = 0; rc == FLOW_OK && i < BURST; i++) {
        const int step = sqlite3_step(q->rows);
        if (step == SQLITE_DONE)
            return at_end(q, stage);
        if (step == SQLITE_BUSY) {
            rc = flow_wait(stage, -1, 0, FLOW_SQLITE_RETRY_NS);
            return rc == FLOW_EAGAIN ? FLOW_OK : rc;
        }
        if (step != SQLITE_ROW)
            return fail(q, stage, "read a row");
        if (i == 0 && flow_stopping(stage)) {
            (void)sqlite3_reset(q->rows); /* this row is not emitted: it comes again */
            return FLOW_ECLOSED;
        }
        if (q->skip > 0)
            q->skip--;
        else
            rc = emit_row(q, stage);
    }
    return rc;
}

/* ---- checkpoints ---- */

static enum flow_status query_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct query *q = self;
    (void)stage;
    const int type = q->last != NULL ? sqlite3_value_type(q->last) : SQLITE_NULL;
    enum flow_status rc = flow_save_number(to, q->emitted);
    if (rc == FLOW_OK)
        rc = flow_save_number(to, (uint64_t)type);
    if (rc != FLOW_OK || type == SQLITE_NULL)
        return rc;
    if (type == SQLITE_INTEGER) {
        const int64_t number = sqlite3_value_int64(q->last);
        return flow_save_text(to, &number, sizeof(number));
    }
    if (type == SQLITE_FLOAT) {
        const double number = sqlite3_value_double(q->last);
        return flow_save_text(to, &number, sizeof(number));
    }
    const void *bytes = sqlite3_value_blob(q->last);
    return flow_save_text(to, bytes != NULL ? bytes : "", (size_t)sqlite3_value_bytes(q->last));
}

/* A value comes to be by being selected. */
static sqlite3_value *make_value(struct query *q, int type, const char *bytes, size_t size)
{
    sqlite3_stmt *select = NULL;
    sqlite3_value *value = NULL;
    int64_t integer = 0;
    double real = 0;
    int rc = sqlite3_prepare_v2(q->db, "SELECT ?1", -1, &select, NULL);
    if (rc == SQLITE_OK && type == SQLITE_INTEGER && size == sizeof(integer)) {
        memcpy(&integer, bytes, size);
        rc = sqlite3_bind_int64(select, 1, integer);
    } else if (rc == SQLITE_OK && type == SQLITE_FLOAT && size == sizeof(real)) {
        memcpy(&real, bytes, size);
        rc = sqlite3_bind_double(select, 1, real);
    } else if (rc == SQLITE_OK && type == SQLITE_TEXT) {
        rc = sqlite3_bind_text64(select, 1, bytes, size, SQLITE_STATIC, SQLITE_UTF8);
    } else if (rc == SQLITE_OK && type == SQLITE_BLOB) {
        rc = sqlite3_bind_blob64(select, 1, bytes, size, SQLITE_STATIC);
    } else {
        rc = SQLITE_MISMATCH;
    }
    if (rc == SQLITE_OK && sqlite3_step(select) == SQLITE_ROW)
        value = sqlite3_value_dup(sqlite3_column_value(select, 0));
    (void)sqlite3_finalize(select);
    return value;
}

static enum flow_status query_restore(void *self, struct flow_stage *stage,
                                      struct flow_loader *from)
{
    struct query *q = self;
    uint64_t type;
    const char *bytes;
    size_t size;
    (void)stage;
    enum flow_status rc = flow_load_number(from, &q->emitted);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &type);
    if (rc != FLOW_OK)
        return rc;
    if (type == SQLITE_NULL) {
        q->skip = q->order == NULL ? q->emitted : 0;
        return FLOW_OK;
    }
    rc = flow_load_text(from, &bytes, &size);
    if (rc != FLOW_OK)
        return rc;
    q->last = make_value(q, (int)type, bytes, size);
    return q->last != NULL ? FLOW_OK : FLOW_EPROTO;
}

static const char *query_weakness(const void *self)
{
    const struct query *q = self;
    return q->order == NULL ? "without 'order' rows are only counted, and may change their order"
                            : NULL;
}

static void query_close(void *self, struct flow_stage *stage)
{
    struct query *q = self;
    (void)stage;
    sqlite3_value_free(q->last);
    (void)sqlite3_finalize(q->rows);
    (void)sqlite3_close(q->db);
    sqlite3_free(q->ordered);
    flow_text_clear(&q->text);
}

static const struct flow_stage_type query = {
    .name = "sqlite.query",
    .help = "emits the rows of a query of an SQLite database",
    .role = FLOW_PRODUCER,
    .traits = FLOW_SINGLE,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct query),
    .open = query_open,
    .produce = query_produce,
    .close = query_close,
    .save = query_save,
    .restore = query_restore,
    .weakness = query_weakness,
};

FLOW_PLUGIN(&query);
