/* SPDX-License-Identifier: MIT */

/*
 * Each record of one side is paired with those of the other that came before it, and kept for those
 * that come later.  The records of a side lie one after the other; those of one key are a chain.
 */

#include <flowrun/stage.h>

#include <inttypes.h>

#include "shared/bytes.h"
#include "shared/json_field.h"
#include "shared/key_table.h"
#include "shared/saved.h"
#include "shared/text.h"

enum kind { KIND_INNER, KIND_LEFT, KIND_RIGHT, KIND_OUTER };
enum shape { SHAPE_JSON, SHAPE_TEXT };
enum { LEFT, RIGHT, SIDES };
enum { PORT_OUT, PORT_UNMATCHED };

/* Before the bytes of a record that is kept. */
struct head {
    uint64_t next; /* place + 1 of the one of its key that came before; 0: none */
    uint32_t size, key_size;
    bool matched;
};

struct side {
    struct flow_text records;
    struct flow_key_table keys;   /* place + 1 of the last record of the key */
    struct flow_json_paths paths; /* of its field */
};

struct joiner {
    int kind; /* enum kind */
    char *left_field;
    char *right_field;
    int emit; /* enum shape */
    char *separator;
    uint64_t memory;

    struct side sides[SIDES];
    struct flow_text key, text;
};

static const struct flow_param params[] = {
    FLOW_PARAM_ENUM(struct joiner, kind, "inner", "inner|left|right|outer",
                    "of which side records without a partner go out, too"),
    FLOW_PARAM_STR(struct joiner, left_field, NULL, "JSON field to join by; else the record's key"),
    FLOW_PARAM_STR(struct joiner, right_field, NULL, "the same of the right side"),
    FLOW_PARAM_ENUM(struct joiner, emit, "json", "json|text",
                    "{\"left\":..., \"right\":...}; text: left, separator, right"),
    FLOW_PARAM_STR(struct joiner, separator, "\t", "with text: between left and right"),
    FLOW_PARAM_SIZE(struct joiner, memory, "1GiB", 1 << 20, 0x1p44,
                    "the run ends when the records of both sides take more [bytes]"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"left", "bytes", "records of one side"},
    {"right", "bytes", "records of the other"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "a pair a record; its key is what the two have in common"},
    {"unmatched", "bytes", "at the end, records without a partner that do not go out, unchanged"},
    {NULL, NULL, NULL},
};

static enum flow_status no_memory(struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory to join records");
}

static enum flow_status joiner_open(void *self, struct flow_stage *stage)
{
    struct joiner *j = self;
    const char *const fields[SIDES] = {j->left_field, j->right_field};
    for (int i = 0; i < SIDES; i++) {
        flow_key_table_init(&j->sides[i].keys);
        const char *why = flow_json_field_init(&j->sides[i].paths, fields[i]);
        if (why != NULL)
            return flow_stage_fail(stage, FLOW_EINVAL, "%s_field '%s': %s",
                                   i == LEFT ? "left" : "right", fields[i], why);
    }
    return FLOW_OK;
}

/* ---- keys ---- */

/* What the record is joined by, in j->key.  What is wrong with it, or NULL. */
static const char *find_key(struct joiner *j, unsigned port, const struct flow_record *record)
{
    struct flow_json_value value;
    j->key.size = 0;
    if ((port == LEFT ? j->left_field : j->right_field) == NULL) {
        flow_text_add(&j->key, record->key != NULL ? record->key : "", record->key_size);
        return record->key != NULL ? NULL : "it has no key";
    }
    const enum flow_json_found found =
        flow_json_find(&j->sides[port].paths, record->data, record->size, &value);
    if (found != FLOW_JSON_FOUND)
        return found == FLOW_JSON_BROKEN ? "it is no JSON" : "the field is missing";
    if (!flow_text_reserve(&j->key, (size_t)(value.end - value.at)))
        return "there is no memory for its key";
    j->key.size = flow_json_put_raw(&value, j->key.at);
    return NULL;
}

static struct flow_key_slot *find_slot(struct side *side, const struct flow_text *key)
{
    struct flow_key wanted;
    const char *bytes = key->at != NULL ? key->at : "";
    const uint64_t hash =
        flow_key_load(&wanted, bytes, key->size, bytes + key->size, &side->keys.seed);
    return flow_key_table_slot(&side->keys, &wanted, hash);
}

/* ---- pairs ---- */

/* JSON as it is, other text as a string; `size` 0 and no data: null. */
static void put_value(struct joiner *j, const char *data, size_t size)
{
    struct flow_json_value value;
    if (data == NULL)
        flow_text_put(&j->text, "null");
    else if (flow_json_whole(data, size, &value))
        flow_text_add(&j->text, value.at, (size_t)(value.end - value.at));
    else
        flow_text_quote(&j->text, data, size);
}

struct bytes {
    const char *data; /* NULL: there is no such record */
    size_t size;
};

static enum flow_status emit_pair(struct joiner *j, struct flow_stage *stage,
                                  const struct bytes *sides, const struct flow_target *to)
{
    j->text.size = 0;
    if (j->emit == SHAPE_TEXT) {
        flow_text_add(&j->text, sides[LEFT].data, sides[LEFT].size);
        flow_text_put(&j->text, j->separator);
        flow_text_add(&j->text, sides[RIGHT].data, sides[RIGHT].size);
    } else {
        flow_text_put(&j->text, "{\"left\":");
        put_value(j, sides[LEFT].data, sides[LEFT].size);
        flow_text_put(&j->text, ",\"right\":");
        put_value(j, sides[RIGHT].data, sides[RIGHT].size);
        flow_text_put(&j->text, "}");
    }
    if (j->text.failed)
        return no_memory(stage);
    if (j->text.size + to->key_size > FLOW_RECORD_MAX)
        return flow_stage_fail(stage, FLOW_ERANGE, "a pair of %zu bytes is too long for a record",
                               j->text.size);
    return flow_emit_to(stage, to, j->text.at != NULL ? j->text.at : "", j->text.size);
}

/* Pair a record with those of its key on the other side, the last one first. */
static enum flow_status pair_all(struct joiner *j, struct flow_stage *stage, unsigned port,
                                 const struct flow_record *record, bool *matched)
{
    struct side *other = &j->sides[1 - port];
    const struct flow_key_slot *slot = find_slot(other, &j->key);
    if (slot == NULL)
        return no_memory(stage);
    const struct flow_target to = {.key = j->key.size > 0 ? j->key.at : NULL,
                                   .key_size = j->key.size};
    enum flow_status rc = FLOW_OK;
    for (uint64_t place = slot->count; rc == FLOW_OK && place != 0;) {
        struct head head;
        char *at = other->records.at + place - 1;
        memcpy(&head, at, sizeof(head));
        struct bytes sides[SIDES];
        sides[port] = (struct bytes){record->data, record->size};
        sides[1 - port] = (struct bytes){at + sizeof(head), head.size};
        rc = emit_pair(j, stage, sides, &to);
        *matched = head.matched = true;
        memcpy(at, &head, sizeof(head));
        place = head.next;
    }
    return rc;
}

/* Keep a record for those to come. */
static enum flow_status keep(struct joiner *j, struct flow_stage *stage, unsigned port,
                             const struct flow_record *record, bool matched)
{
    struct side *side = &j->sides[port];
    struct flow_key_slot *slot = find_slot(side, &j->key);
    if (slot == NULL)
        return no_memory(stage);
    const uint64_t used = j->sides[LEFT].records.size + j->sides[RIGHT].records.size +
                          (j->sides[LEFT].keys.capacity + j->sides[RIGHT].keys.capacity) *
                              sizeof(struct flow_key_slot);
    if (used + record->size > j->memory)
        return flow_stage_fail(stage, FLOW_ENOMEM,
                               "the records of both sides take more than %" PRIu64
                               " bytes: raise 'memory', or use more workers by key",
                               j->memory);
    const struct head head = {slot->count, (uint32_t)record->size, (uint32_t)record->key_size,
                              matched};
    slot->count = side->records.size + 1;
    flow_text_add(&side->records, &head, sizeof(head));
    flow_text_add(&side->records, record->data, record->size);
    if (record->key_size > 0)
        flow_text_add(&side->records, record->key, record->key_size);
    return side->records.failed ? no_memory(stage) : FLOW_OK;
}

static enum flow_status joiner_process_batch(void *self, struct flow_stage *stage,
                                             const struct flow_batch *batch)
{
    struct joiner *j = self;
    enum flow_status rc = FLOW_OK;
    struct flow_cursor c = flow_batch_begin(batch);
    for (uint32_t i = 0; rc == FLOW_OK && flow_batch_next(&c); i++) {
        bool matched = false;
        const char *fault = find_key(j, batch->port, &c.record);
        if (fault == NULL && j->emit == SHAPE_JSON &&
            flow_utf8_check(c.record.data, c.record.size) < c.record.size)
            fault = "it is not UTF-8";
        if (fault != NULL) {
            rc = flow_batch_reject(stage, i, "%s: %s", fault,
                                   flow_bytes_quote(c.record.data, c.record.size).text);
            continue;
        }
        rc = pair_all(j, stage, batch->port, &c.record, &matched);
        if (rc == FLOW_OK)
            rc = keep(j, stage, batch->port, &c.record, matched);
    }
    return rc;
}

/* ---- the end ---- */

static bool goes_out(const struct joiner *j, int port)
{
    return j->kind == KIND_OUTER || (j->kind == KIND_LEFT && port == LEFT) ||
           (j->kind == KIND_RIGHT && port == RIGHT);
}

static enum flow_status emit_single(struct joiner *j, struct flow_stage *stage, int port,
                                    const struct flow_record *record)
{
    struct flow_target to = {
        .port = PORT_UNMATCHED, .key = record->key, .key_size = record->key_size};
    if (!goes_out(j, port))
        return flow_emit_to(stage, &to, record->data, record->size);
    struct bytes sides[SIDES] = {{NULL, 0}, {NULL, 0}};
    sides[port] = (struct bytes){record->data, record->size};
    (void)find_key(j, (unsigned)port, record); /* it was found before */
    to = (struct flow_target){.key = j->key.size > 0 ? j->key.at : NULL, .key_size = j->key.size};
    return emit_pair(j, stage, sides, &to);
}

static enum flow_status emit_unmatched(struct joiner *j, struct flow_stage *stage, int port)
{
    const struct flow_text *records = &j->sides[port].records;
    enum flow_status rc = FLOW_OK;
    for (size_t place = 0; rc == FLOW_OK && place < records->size;) {
        struct head head;
        const char *at = records->at + place;
        memcpy(&head, at, sizeof(head));
        const char *data = at + sizeof(head);
        const struct flow_record record = {.data = data,
                                           .size = head.size,
                                           .key = head.key_size > 0 ? data + head.size : NULL,
                                           .key_size = head.key_size};
        if (!head.matched)
            rc = emit_single(j, stage, port, &record);
        place += sizeof(head) + head.size + head.key_size;
    }
    return rc;
}

static enum flow_status joiner_finish(void *self, struct flow_stage *stage)
{
    struct joiner *j = self;
    const enum flow_status rc = emit_unmatched(j, stage, LEFT);
    return rc == FLOW_OK ? emit_unmatched(j, stage, RIGHT) : rc;
}

/* ---- checkpoints ---- */

static enum flow_status joiner_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct joiner *j = self;
    (void)stage;
    enum flow_status rc = FLOW_OK;
    for (int i = 0; rc == FLOW_OK && i < SIDES; i++)
        rc = flow_save_text(to, j->sides[i].records.at != NULL ? j->sides[i].records.at : "",
                            j->sides[i].records.size);
    return rc;
}

/* The chains follow from the records. */
static enum flow_status restore_side(struct joiner *j, struct flow_stage *stage, unsigned port,
                                     struct flow_loader *from)
{
    const char *text;
    size_t size;
    enum flow_status rc = flow_load_text(from, &text, &size);
    while (rc == FLOW_OK && size > 0) {
        struct head head;
        if (size < sizeof(head))
            return FLOW_EPROTO;
        memcpy(&head, text, sizeof(head));
        text += sizeof(head);
        size -= sizeof(head);
        if (head.size > size || head.key_size > size - head.size)
            return FLOW_EPROTO;
        const struct flow_record record = {.data = text,
                                           .size = head.size,
                                           .key = head.key_size > 0 ? text + head.size : NULL,
                                           .key_size = head.key_size};
        text += head.size + head.key_size;
        size -= (size_t)head.size + head.key_size;
        if (find_key(j, port, &record) != NULL)
            return FLOW_EPROTO;
        rc = keep(j, stage, port, &record, head.matched);
    }
    return rc;
}

static enum flow_status joiner_restore(void *self, struct flow_stage *stage,
                                       struct flow_loader *from)
{
    struct joiner *j = self;
    const enum flow_status rc = restore_side(j, stage, LEFT, from);
    return rc == FLOW_OK ? restore_side(j, stage, RIGHT, from) : rc;
}

static void joiner_close(void *self, struct flow_stage *stage)
{
    struct joiner *j = self;
    (void)stage;
    for (int i = 0; i < SIDES; i++) {
        flow_text_clear(&j->sides[i].records);
        flow_key_table_clear(&j->sides[i].keys);
        flow_json_paths_clear(&j->sides[i].paths);
    }
    flow_text_clear(&j->key);
    flow_text_clear(&j->text);
}

static const struct flow_stage_type joiner = {
    .name = "join",
    .help = "pairs the records of two inputs that have the same key or field",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct joiner),
    .open = joiner_open,
    .process_batch = joiner_process_batch,
    .finish = joiner_finish,
    .close = joiner_close,
    .save = joiner_save,
    .restore = joiner_restore,
};

FLOW_PLUGIN(&joiner);
