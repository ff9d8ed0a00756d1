/* SPDX-License-Identifier: MIT */

/*
 * The program is compiled once for each replica.  What it makes of a record is gathered first and
 * emitted when the program has come to its end without an error, so that a record that is refused
 * has left nothing behind.
 *
 * libjq's own parser puts U+FFFD in the place of bytes that are not UTF-8; so that nothing changes
 * unseen, records are checked before they are handed to it, which takes a fraction of its time.
 */

#include <flowrun/stage.h>

#include <stdlib.h>

#include <jv.h>

#include <jq.h>

#include "shared/bytes.h"
#include "shared/json_scan.h"

struct engine {
    char *program;
    char *args;
    bool raw;
    bool text;
    uint64_t max_size;

    jq_state *jq;
    char *fault;                    /* what libjq says while it compiles */
    struct flow_json_paths nothing; /* for the scanner: it is to find nothing */
    char *bytes;                    /* results of the record in hand, one behind the other */
    size_t used, room;
    size_t *ends; /* of each of them */
    size_t count, capacity;
};

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct engine, program, FLOW_REQUIRED, "the program, as for jq"),
    FLOW_PARAM_JSON(struct engine, args, NULL,
                    "an object: each member is a variable of the program, $name"),
    FLOW_PARAM_BOOL(struct engine, raw, "false", "write strings without quotes, as jq -r"),
    FLOW_PARAM_BOOL(struct engine, text, "false", "a record is a string, not JSON, as jq -R"),
    FLOW_PARAM_SIZE(struct engine, max_size, "64MiB", 1, FLOW_RECORD_MAX,
                    "refuse a record of which more becomes [bytes]"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "one JSON document a record; with text, UTF-8"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "what the program makes of it: a record for each result"},
    {NULL, NULL, NULL},
};

/* Keep the first line that libjq says. */
static void on_error(void *data, jv message)
{
    struct engine *e = data;
    if (jv_get_kind(message) != JV_KIND_STRING)
        message = jv_dump_string(message, 0);
    if (e->fault == NULL)
        e->fault = strdup(jv_string_value(message));
    jv_free(message);
}

/* The text without "jq: error: " before it and the place after it, which names no file of the user.
 */
static const char *fault_text(char *fault)
{
    static const char start[] = "jq: error: ";
    if (fault == NULL)
        return "libjq does not say why";
    char *place = strstr(fault, " at <top-level>");
    char *line = strchr(fault, '\n');
    if (line != NULL)
        *line = '\0';
    if (place != NULL)
        *place = '\0';
    return strncmp(fault, start, sizeof(start) - 1) == 0 ? fault + sizeof(start) - 1 : fault;
}

static enum flow_status engine_open(void *self, struct flow_stage *stage)
{
    struct engine *e = self;
    flow_json_paths_init(&e->nothing);
    jv args = e->args != NULL ? jv_parse(e->args) : jv_object();
    if (jv_get_kind(args) != JV_KIND_OBJECT) {
        jv_free(args);
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'args' is %s; it is an object of variables, as in {\"limit\": 5}",
                               flow_bytes_quote(e->args, strlen(e->args)).text);
    }
    e->jq = jq_init();
    if (e->jq == NULL) {
        jv_free(args);
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for libjq");
    }
    jq_set_error_cb(e->jq, on_error, e);
    jq_set_attr(e->jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
    const int compiled = jq_compile_args(e->jq, e->program, args);
    jq_set_error_cb(e->jq, on_error, e);
    if (!compiled)
        return flow_stage_fail(stage, FLOW_EINVAL, "program '%.200s': %s", e->program,
                               fault_text(e->fault));
    return FLOW_OK;
}

/* Keep a result.  NULL, or why it cannot be kept. */
static const char *keep(struct engine *e, const char *text, size_t size)
{
    if (e->used + size > e->max_size)
        return "more than max_size becomes of it";
    if (e->used + size > e->room) {
        const size_t room = (e->used + size) * 2;
        char *bytes = realloc(e->bytes, room);
        if (bytes == NULL)
            return "no memory for its results";
        e->bytes = bytes;
        e->room = room;
    }
    if (e->count == e->capacity) {
        const size_t capacity = e->capacity > 0 ? e->capacity * 2 : 16;
        if (capacity > e->max_size + 16)
            return "more results than max_size become of it";
        size_t *ends = realloc(e->ends, capacity * sizeof(*ends));
        if (ends == NULL)
            return "no memory for its results";
        e->ends = ends;
        e->capacity = capacity;
    }
    memcpy(e->bytes + e->used, text, size);
    e->used += size;
    e->ends[e->count++] = e->used;
    return NULL;
}

/* Takes the value. */
static const char *keep_value(struct engine *e, jv value)
{
    if (!e->raw || jv_get_kind(value) != JV_KIND_STRING)
        value = jv_dump_string(value, 0);
    const int size = jv_string_length_bytes(jv_copy(value));
    const char *reason = keep(e, jv_string_value(value), (size_t)size);
    jv_free(value);
    return reason;
}

/* Refuse the record with what the program said; takes the value. */
static enum flow_status refuse(struct engine *e, struct flow_stage *stage, uint32_t index,
                               jv invalid)
{
    if (jq_halted(e->jq)) {
        jv_free(invalid);
        return flow_batch_reject(stage, index,
                                 "the program halts; 'empty' or 'error' end a record");
    }
    if (!jv_invalid_has_msg(jv_copy(invalid))) {
        jv_free(invalid);
        return FLOW_OK;
    }
    jv message = jv_invalid_get_msg(invalid);
    if (jv_get_kind(message) != JV_KIND_STRING)
        message = jv_dump_string(message, 0);
    const enum flow_status rc =
        flow_batch_reject(stage, index, "the program says: %.400s", jv_string_value(message));
    jv_free(message);
    return rc;
}

static enum flow_status emit_results(const struct engine *e, struct flow_stage *stage)
{
    struct flow_writer writer = flow_writer_begin(stage, 0);
    enum flow_status rc = FLOW_OK;
    size_t from = 0;
    for (size_t i = 0; rc == FLOW_OK && i < e->count; i++) {
        rc = flow_writer_emit(&writer, e->bytes + from, e->ends[i] - from);
        from = e->ends[i];
    }
    flow_writer_end(&writer);
    return rc;
}

/* Run the program; takes the value. */
static enum flow_status run(struct engine *e, struct flow_stage *stage, uint32_t index, jv input)
{
    const char *reason = NULL;
    e->used = 0;
    e->count = 0;
    jq_start(e->jq, input, 0);
    jv result = jq_next(e->jq);
    for (; reason == NULL && jv_is_valid(result); result = jq_next(e->jq))
        reason = keep_value(e, result);
    if (reason != NULL) {
        jv_free(result);
        return flow_batch_reject(stage, index, "%s", reason);
    }
    const bool failed = jq_halted(e->jq) || jv_invalid_has_msg(jv_copy(result));
    if (failed)
        return refuse(e, stage, index, result);
    jv_free(result);
    return emit_results(e, stage);
}

/* All of a text is UTF-8. */
static bool is_utf8(const unsigned char *at, size_t size)
{
    const unsigned char *end = at + size;
    while (at < end) {
        const size_t step = *at < 0x80 ? 1 : flow_json_utf8(at, end);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

static enum flow_status take_record(struct engine *e, struct flow_stage *stage,
                                    const struct flow_record *record, uint32_t index)
{
    const int size = (int)record->size;
    if (e->text) {
        if (!is_utf8(record->data, record->size))
            return flow_batch_reject(stage, index, "it is not UTF-8: %s",
                                     flow_bytes_quote(record->data, record->size).text);
        return run(e, stage, index, jv_string_sized(record->data, size));
    }
    struct flow_json_scan scan;
    if (!flow_json_scan(&scan, &e->nothing, record->data, record->size, NULL)) {
        const size_t at = (size_t)(scan.fault_at - (const unsigned char *)record->data);
        return flow_batch_reject(stage, index, "not JSON: byte %zu: %s: %s", at + 1, scan.fault,
                                 flow_bytes_quote(scan.fault_at, record->size - at).text);
    }
    jv input = jv_parse_sized(record->data, size);
    return jv_is_valid(input) ? run(e, stage, index, input) : refuse(e, stage, index, input);
}

static enum flow_status engine_process_batch(void *self, struct flow_stage *stage,
                                             const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);)
        rc = take_record(self, stage, &c.record, (uint32_t)(c.record.number - batch->number));
    return rc;
}

static void engine_close(void *self, struct flow_stage *stage)
{
    struct engine *e = self;
    (void)stage;
    if (e->jq != NULL)
        jq_teardown(&e->jq);
    free(e->fault);
    free(e->bytes);
    free(e->ends);
}

static const struct flow_stage_type jq = {
    .name = "jq",
    .help = "runs a program of jq on JSON documents",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct engine),
    .open = engine_open,
    .process_batch = engine_process_batch,
    .close = engine_close,
};

FLOW_PLUGIN(&jq);
