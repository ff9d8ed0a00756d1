/* SPDX-License-Identifier: MIT */
#include "control/test_ends.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "control/system.h"

#define BURST 256 /* records that a call of produce emits */

/* ---- files ---- */

static bool put_record(FILE *file, const void *data, size_t size)
{
    const uint32_t head = (uint32_t)size;
    return fwrite(&head, sizeof(head), 1, file) == 1 &&
           (size == 0 || fwrite(data, size, 1, file) == 1);
}

static bool put_json(FILE *file, const json_t *record)
{
    if (json_is_string(record))
        return put_record(file, json_string_value(record), json_string_length(record));
    char *text = json_dumps(record, JSON_COMPACT | JSON_ENCODE_ANY);
    const bool done = text != NULL && put_record(file, text, strlen(text));
    free(text);
    return done;
}

enum flow_status flow_test_write(const char *path, const json_t *records, struct flow_error *err)
{
    size_t i;
    json_t *record;
    FILE *file = fopen(path, "wbe");
    if (file == NULL)
        return flow_system_fail(err, errno, "cannot write '%s'", path);
    bool good = true;
    json_array_foreach(records, i, record) {
        good = good && put_json(file, record);
    }
    if (fclose(file) == 0 && good)
        return FLOW_OK;
    return flow_system_fail(err, errno, "cannot write '%s'", path);
}

/* The whole file; `bytes` is the caller's. */
static enum flow_status read_all(FILE *file, const char *path, char **bytes, size_t *size,
                                 struct flow_error *err)
{
    size_t capacity = 0;
    *size = 0;
    for (;;) {
        if (!flow_grow(bytes, &capacity, *size + 65536, 1))
            return flow_fail(err, FLOW_ENOMEM, "no memory for what is in '%s'", path);
        const size_t got = fread(*bytes + *size, 1, capacity - *size, file);
        *size += got;
        if (got == 0)
            return ferror(file) == 0 ? FLOW_OK
                                     : flow_system_fail(err, errno, "cannot read '%s'", path);
    }
}

static enum flow_status split(const char *path, size_t size, struct flow_test_records *records,
                              struct flow_error *err)
{
    size_t capacity = 0;
    for (size_t at = 0; at < size;) {
        uint32_t length = 0;
        const size_t left = size - at;
        if (left >= sizeof(length))
            memcpy(&length, records->bytes + at, sizeof(length));
        if (left < sizeof(length) || left - sizeof(length) < length)
            return flow_fail(err, FLOW_EPROTO, "'%s' ends in the middle of a record", path);
        if (!flow_grow(&records->items, &capacity, records->count + 1, sizeof(*records->items)))
            return flow_fail(err, FLOW_ENOMEM, "no memory for the records of '%s'", path);
        records->items[records->count++] =
            (struct flow_test_record){records->bytes + at + sizeof(length), length};
        at += sizeof(length) + length;
    }
    return FLOW_OK;
}

enum flow_status flow_test_read(const char *path, struct flow_test_records *records,
                                struct flow_error *err)
{
    *records = (struct flow_test_records){0};
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return errno == ENOENT ? FLOW_OK : flow_system_fail(err, errno, "cannot read '%s'", path);
    size_t size = 0;
    enum flow_status rc = read_all(file, path, &records->bytes, &size, err);
    (void)fclose(file);
    if (rc == FLOW_OK)
        rc = split(path, size, records, err);
    if (rc != FLOW_OK)
        flow_test_records_clear(records);
    return rc;
}

void flow_test_records_clear(struct flow_test_records *records)
{
    free(records->bytes);
    free(records->items);
    *records = (struct flow_test_records){0};
}

/* ---- the producer ---- */

struct feed {
    char *path;
    struct flow_test_records records;
    size_t next;
};

static const struct flow_param feed_params[] = {
    FLOW_PARAM_STR(struct feed, path, FLOW_REQUIRED, "the file with the records"),
    FLOW_PARAM_END,
};

static enum flow_status feed_open(void *self, struct flow_stage *stage)
{
    struct feed *f = self;
    struct flow_error err = {0};
    const enum flow_status rc = flow_test_read(f->path, &f->records, &err);
    return rc == FLOW_OK ? rc : flow_stage_fail(stage, rc, "%s", err.text);
}

static enum flow_status feed_produce(void *self, struct flow_stage *stage)
{
    struct feed *f = self;
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; rc == FLOW_OK && i < BURST && f->next < f->records.count; i++) {
        const struct flow_test_record *record = &f->records.items[f->next++];
        rc = flow_emit(stage, record->data, record->size);
    }
    return rc == FLOW_OK && f->next == f->records.count ? FLOW_ECLOSED : rc;
}

static void feed_close(void *self, struct flow_stage *stage)
{
    struct feed *f = self;
    (void)stage;
    flow_test_records_clear(&f->records);
}

const struct flow_stage_type flow_test_feed = {
    .name = "flowrun.feed",
    .help = "emits the records of a test",
    .role = FLOW_PRODUCER,
    .traits = FLOW_SINGLE,
    .params = feed_params,
    .state_size = sizeof(struct feed),
    .open = feed_open,
    .produce = feed_produce,
    .close = feed_close,
};

/* ---- the consumer ---- */

struct take {
    char *path;
    FILE *file; /* NULL: what comes is dropped */
};

static const struct flow_param take_params[] = {
    FLOW_PARAM_STR(struct take, path, FLOW_REQUIRED, "the file for the records; empty: none"),
    FLOW_PARAM_END,
};

static enum flow_status take_fail(const struct take *t, struct flow_stage *stage)
{
    char text[128];
    return flow_stage_fail(stage, FLOW_EIO, "cannot write '%s': %s", t->path,
                           strerror_r(errno, text, sizeof(text)));
}

static enum flow_status take_open(void *self, struct flow_stage *stage)
{
    struct take *t = self;
    if (t->path[0] == '\0')
        return FLOW_OK;
    t->file = fopen(t->path, "wbe");
    return t->file != NULL ? FLOW_OK : take_fail(t, stage);
}

static enum flow_status take_process_batch(void *self, struct flow_stage *stage,
                                           const struct flow_batch *batch)
{
    const struct take *t = self;
    bool good = true;
    for (struct flow_cursor c = flow_batch_begin(batch);
         good && t->file != NULL && flow_batch_next(&c);)
        good = put_record(t->file, c.record.data, c.record.size);
    return good ? FLOW_OK : take_fail(t, stage);
}

static enum flow_status take_finish(void *self, struct flow_stage *stage)
{
    struct take *t = self;
    FILE *file = t->file;
    t->file = NULL;
    return file == NULL || fclose(file) == 0 ? FLOW_OK : take_fail(t, stage);
}

/* Of a run that failed, what had come until then is worth a look. */
static void take_close(void *self, struct flow_stage *stage)
{
    struct take *t = self;
    (void)stage;
    if (t->file != NULL)
        (void)fclose(t->file);
}

const struct flow_stage_type flow_test_take = {
    .name = "flowrun.take",
    .help = "keeps the records that a test looks at",
    .role = FLOW_CONSUMER,
    .traits = FLOW_SINGLE,
    .params = take_params,
    .state_size = sizeof(struct take),
    .open = take_open,
    .process_batch = take_process_batch,
    .finish = take_finish,
    .close = take_close,
};
