/* SPDX-License-Identifier: MIT */
#include "state/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FORMAT 1
#define REPLICAS_MOST 1000000

void flow_manifest_clear(struct flow_manifest *manifest)
{
    for (size_t i = 0; i < manifest->stage_count; i++)
        free(manifest->stages[i].name);
    free(manifest->stages);
    free(manifest->replicas);
    free(manifest->graph);
    *manifest = (struct flow_manifest){0};
}

enum flow_status flow_manifest_copy_head(const struct flow_manifest *from, size_t replicas,
                                         struct flow_manifest *to, struct flow_error *err)
{
    struct flow_manifest made = {.epoch = from->epoch, .session = from->session};
    made.graph = flow_strdup(from->graph);
    made.stages = flow_calloc(from->stage_count, sizeof(*made.stages));
    made.replicas = flow_calloc(replicas, sizeof(*made.replicas));
    bool whole = made.graph != NULL && made.stages != NULL && made.replicas != NULL;
    made.replica_count = replicas;
    for (size_t i = 0; whole && i < from->stage_count; i++) {
        made.stages[i] = from->stages[i];
        made.stages[i].name = flow_strdup(from->stages[i].name);
        whole = made.stages[i].name != NULL;
        made.stage_count++;
    }
    if (whole) {
        *to = made;
        return FLOW_OK;
    }
    flow_manifest_clear(&made);
    return flow_fail(err, FLOW_ENOMEM, "no memory for a checkpoint");
}

/* ---- writing ---- */

static json_t *hex(uint64_t value)
{
    char text[20];
    (void)snprintf(text, sizeof(text), "%016" PRIx64, value);
    return json_string(text);
}

static json_t *bytes_to_json(const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char text[FLOW_BLOB_INLINE * 2 + 1];
    for (size_t i = 0; i < size; i++) {
        text[i * 2] = digits[bytes[i] >> 4];
        text[i * 2 + 1] = digits[bytes[i] & 15];
    }
    return json_stringn(text, size * 2);
}

json_t *flow_blob_to_json(const struct flow_manifest_replica *replica)
{
    const struct flow_blob *blob = &replica->blob;
    json_t *place = blob->file[0] != '\0' ? json_string(blob->file)
                                          : bytes_to_json(blob->bytes, (size_t)blob->size);
    return json_pack("{s:b, s:I, s:o, s:o}", "finished", (int)replica->finished, "size",
                     (json_int_t)blob->size, "checksum", hex(blob->checksum),
                     blob->file[0] != '\0' ? "file" : "data", place);
}

static json_t *stages_to_json(const struct flow_manifest *manifest)
{
    json_t *list = json_array();
    for (size_t i = 0; i < manifest->stage_count; i++) {
        const struct flow_manifest_stage *stage = &manifest->stages[i];
        json_t *item = json_pack("{s:s, s:I, s:o}", "name", stage->name, "workers",
                                 (json_int_t)stage->workers, "digest", hex(stage->digest));
        if (json_array_append_new(list, item) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *replicas_to_json(const struct flow_manifest *manifest)
{
    json_t *list = json_array();
    for (size_t i = 0; i < manifest->replica_count; i++) {
        if (json_array_append_new(list, flow_blob_to_json(&manifest->replicas[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

void flow_manifest_write(const struct flow_manifest *manifest, struct flow_str *out)
{
    json_t *json =
        json_pack("{s:i, s:s, s:I, s:I, s:b, s:o, s:o}", "flowrun_state", FORMAT, "graph",
                  manifest->graph, "epoch", (json_int_t)manifest->epoch, "session",
                  (json_int_t)manifest->session, "done", (int)manifest->done, "stages",
                  stages_to_json(manifest), "replicas", replicas_to_json(manifest));
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (text == NULL) {
        out->failed = true;
        return;
    }
    const uint64_t sum =
        flow_checksum_add(FLOW_CHECKSUM_START, (const uint8_t *)text, strlen(text));
    flow_str_addf(out, "%s\nchecksum %016" PRIx64 "\n", text, sum);
    free(text);
}

/* ---- reading ---- */

static bool read_number(const json_t *json, uint64_t *value)
{
    if (!json_is_integer(json) || json_integer_value(json) < 0)
        return false;
    *value = (uint64_t)json_integer_value(json);
    return true;
}

static bool read_hex(const json_t *json, uint64_t *value)
{
    const char *text = json_string_value(json);
    return text != NULL && strlen(text) == 16 && strspn(text, "0123456789abcdef") == 16 &&
           sscanf(text, "%" SCNx64, value) == 1;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_bytes(const json_t *json, struct flow_blob *blob)
{
    const char *text = json_string_value(json);
    if (text == NULL || blob->size > FLOW_BLOB_INLINE ||
        json_string_length(json) != (size_t)blob->size * 2)
        return false;
    for (size_t i = 0; i < blob->size; i++) {
        const int high = digit(text[i * 2]);
        const int low = digit(text[i * 2 + 1]);
        if (high < 0 || low < 0)
            return false;
        blob->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* A name that does not lead out of the folder. */
static bool read_name(const json_t *json, struct flow_blob *blob)
{
    const char *text = json_string_value(json);
    if (text == NULL || text[0] == '\0' || text[0] == '.' || strchr(text, '/') != NULL ||
        strlen(text) != json_string_length(json) || strlen(text) >= FLOW_BLOB_NAME)
        return false;
    (void)snprintf(blob->file, sizeof(blob->file), "%s", text);
    return true;
}

bool flow_blob_from_json(const json_t *json, struct flow_manifest_replica *replica)
{
    struct flow_manifest_replica read = {0};
    const json_t *finished = json_object_get(json, "finished");
    const json_t *file = json_object_get(json, "file");
    if (!json_is_boolean(finished) ||
        !read_number(json_object_get(json, "size"), &read.blob.size) ||
        !read_hex(json_object_get(json, "checksum"), &read.blob.checksum))
        return false;
    read.finished = json_is_true(finished);
    if (file != NULL ? !read_name(file, &read.blob)
                     : !read_bytes(json_object_get(json, "data"), &read.blob))
        return false;
    *replica = read;
    return true;
}

static enum flow_status read_stages(const json_t *list, struct flow_manifest *to)
{
    const size_t count = json_array_size(list);
    to->stages = flow_calloc(count, sizeof(*to->stages));
    if (to->stages == NULL)
        return FLOW_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *json = json_array_get(list, i);
        struct flow_manifest_stage *stage = &to->stages[i];
        const char *name = json_string_value(json_object_get(json, "name"));
        if (name == NULL || !read_number(json_object_get(json, "workers"), &stage->workers) ||
            !read_hex(json_object_get(json, "digest"), &stage->digest))
            return FLOW_EPROTO;
        stage->name = flow_strdup(name);
        if (stage->name == NULL)
            return FLOW_ENOMEM;
        to->stage_count++;
    }
    return FLOW_OK;
}

static enum flow_status read_replicas(const json_t *list, struct flow_manifest *to)
{
    const size_t count = json_array_size(list);
    if (count > REPLICAS_MOST)
        return FLOW_EPROTO;
    to->replicas = flow_calloc(count, sizeof(*to->replicas));
    if (to->replicas == NULL)
        return FLOW_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (!flow_blob_from_json(json_array_get(list, i), &to->replicas[i]))
            return FLOW_EPROTO;
    }
    to->replica_count = count;
    return FLOW_OK;
}

static enum flow_status read_json(const json_t *json, struct flow_manifest *to)
{
    const json_t *done = json_object_get(json, "done");
    const char *graph = json_string_value(json_object_get(json, "graph"));
    if (json_integer_value(json_object_get(json, "flowrun_state")) != FORMAT || graph == NULL ||
        !json_is_boolean(done) || !read_number(json_object_get(json, "epoch"), &to->epoch) ||
        !read_number(json_object_get(json, "session"), &to->session))
        return FLOW_EPROTO;
    to->done = json_is_true(done);
    to->graph = flow_strdup(graph);
    if (to->graph == NULL)
        return FLOW_ENOMEM;
    const enum flow_status rc = read_stages(json_object_get(json, "stages"), to);
    return rc == FLOW_OK ? read_replicas(json_object_get(json, "replicas"), to) : rc;
}

static enum flow_status parse(const char *text, size_t size, struct flow_manifest *to)
{
    json_error_t why;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL)
        return json_error_code(&why) == json_error_out_of_memory ? FLOW_ENOMEM : FLOW_EPROTO;
    const enum flow_status rc = read_json(json, to);
    json_decref(json);
    return rc;
}

/* The size of the first line, if the second one bears its checksum; 0: it does not. */
static size_t check_lines(const char *text, size_t size)
{
    char second[32];
    const char *end = memchr(text, '\n', size);
    if (end == NULL)
        return 0;
    const size_t first = (size_t)(end - text);
    const uint64_t sum = flow_checksum_add(FLOW_CHECKSUM_START, (const uint8_t *)text, first);
    const int length = snprintf(second, sizeof(second), "checksum %016" PRIx64 "\n", sum);
    const bool same =
        size - first - 1 == (size_t)length && memcmp(end + 1, second, (size_t)length) == 0;
    return same ? first : 0;
}

enum flow_status flow_manifest_read(const char *text, size_t size, struct flow_manifest *manifest,
                                    struct flow_error *err)
{
    const size_t first = check_lines(text, size);
    if (first == 0)
        return flow_fail(err, FLOW_EPROTO, "it is not whole");
    struct flow_manifest read = {0};
    const enum flow_status rc = parse(text, first, &read);
    if (rc == FLOW_OK) {
        *manifest = read;
        return FLOW_OK;
    }
    flow_manifest_clear(&read);
    if (rc == FLOW_ENOMEM)
        return flow_fail(err, rc, "no memory to read it");
    return flow_fail(err, FLOW_EPROTO, "it is none of this version of flowrun");
}

/* ---- comparing ---- */

static const struct flow_manifest_stage *find(const struct flow_manifest *manifest,
                                              const char *name)
{
    for (size_t i = 0; i < manifest->stage_count; i++)
        if (strcmp(manifest->stages[i].name, name) == 0)
            return &manifest->stages[i];
    return NULL;
}

static enum flow_status match_stage(const struct flow_manifest_stage *then,
                                    const struct flow_manifest_stage *now, struct flow_error *err)
{
    if (now == NULL)
        return flow_fail(err, FLOW_EINVAL, "the graph no longer has a stage '%s'", then->name);
    if (now->workers != then->workers)
        return flow_fail(err, FLOW_EINVAL,
                         "stage '%s' had %" PRIu64 " worker%s at the checkpoint, and has %" PRIu64
                         " now",
                         then->name, then->workers, then->workers == 1 ? "" : "s", now->workers);
    if (now->digest != then->digest)
        return flow_fail(err, FLOW_EINVAL,
                         "stage '%s' is not what it was at the checkpoint: its type, its "
                         "parameters or its edges have changed",
                         then->name);
    return FLOW_OK;
}

enum flow_status flow_manifest_match(const struct flow_manifest *manifest,
                                     const struct flow_manifest *mine, struct flow_error *err)
{
    if (strcmp(manifest->graph, mine->graph) != 0)
        return flow_fail(err, FLOW_EINVAL, "it is of a run of the graph '%s', and this is '%s'",
                         manifest->graph, mine->graph);
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < manifest->stage_count && rc == FLOW_OK; i++)
        rc = match_stage(&manifest->stages[i], find(mine, manifest->stages[i].name), err);
    for (size_t i = 0; i < mine->stage_count && rc == FLOW_OK; i++) {
        if (find(manifest, mine->stages[i].name) == NULL)
            rc = flow_fail(err, FLOW_EINVAL, "the graph has a stage '%s' that it had not",
                           mine->stages[i].name);
    }
    /* States are found by their place. */
    for (size_t i = 0; i < mine->stage_count && rc == FLOW_OK; i++) {
        if (strcmp(manifest->stages[i].name, mine->stages[i].name) != 0)
            rc = flow_fail(err, FLOW_EINVAL,
                           "the stages of the graph stood in another order: '%s' was where '%s' is "
                           "now; put them back",
                           manifest->stages[i].name, mine->stages[i].name);
    }
    if (rc == FLOW_OK && manifest->replica_count != mine->replica_count)
        rc = flow_fail(err, FLOW_EINVAL,
                       "the graph had %zu replicas at the checkpoint, and has "
                       "%zu now",
                       manifest->replica_count, mine->replica_count);
    return rc;
}
