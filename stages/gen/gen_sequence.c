/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <inttypes.h>
#include <stdlib.h>

#include "shared/bytes.h"

#define BURST 1024         /* records a call of produce emits at most */
#define BURST_BYTES 262144 /* and about as many bytes */
#define DIGITS 20          /* of the largest 64-bit number, with its sign */
#define LARGEST ((int64_t)1 << 53)
#define LARGEST_JUMP 1000000 /* that is added digit by digit */

struct sequence {
    int64_t count, from, step;
    uint64_t size;
    int64_t keys;
    uint64_t next;   /* place in the whole sequence of what this replica emits next */
    uint64_t stride; /* replicas take turns */
    uint64_t burst;
    /* Numbers that grow in small steps without keys are not made anew, but added to in decimal. */
    char *text;  /* `width` characters, the number at their end and zeros before it; NULL: no */
    char *begin; /* of the record in it */
    size_t width;
    uint64_t jump; /* from one number of this replica to its next */
};

static const struct flow_param params[] = {
    FLOW_PARAM_I64(struct sequence, count, FLOW_REQUIRED, 0, LARGEST, "how many [records]"),
    FLOW_PARAM_I64(struct sequence, from, "1", -LARGEST, LARGEST, "the first number"),
    FLOW_PARAM_I64(struct sequence, step, "1", -LARGEST, LARGEST,
                   "from one number to the next; 0 repeats the first"),
    FLOW_PARAM_SIZE(struct sequence, size, "0B", 0, 16 << 20,
                    "smallest record: shorter numbers get zeros before them [bytes]"),
    FLOW_PARAM_I64(struct sequence, keys, "0", 0, LARGEST,
                   "give each record a key, its number modulo this; 0: no keys"),
    FLOW_PARAM_END,
};

static const struct flow_port outputs[] = {
    {"out", "text", "one decimal number a record"},
    {NULL, NULL, NULL},
};

/* `value` in at least `width` characters, zeros between sign and digits; returns the size. */
static size_t put_number(int64_t value, size_t width, char *out)
{
    const uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    const size_t sign = value < 0;
    const size_t count = sign + flow_bytes_count_digits(magnitude);
    const size_t size = width > count ? width : count;
    if (size > count)
        memset(out, '0', size - count + sign);
    if (sign != 0)
        out[0] = '-';
    flow_bytes_put_digits(magnitude, out + size);
    return size;
}

/* The next number of this replica in s->text. */
static void add_jump(struct sequence *s)
{
    char *at = s->text + s->width;
    for (uint64_t carry = s->jump; carry > 0; carry /= 10) {
        at--;
        carry += (uint64_t)(*at - '0');
        *at = (char)('0' + carry % 10);
    }
    if (at < s->begin)
        s->begin = at;
}

static enum flow_status start_text(struct sequence *s, struct flow_stage *stage)
{
    const bool grows =
        s->keys == 0 && s->from >= 0 && s->step > 0 && s->step <= LARGEST_JUMP / (int64_t)s->stride;
    if (!grows)
        return FLOW_OK;
    const size_t size = (size_t)s->size;
    s->width = size > DIGITS ? size : DIGITS;
    s->text = malloc(s->width);
    if (s->text == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for records of %zu bytes", size);
    const int64_t value = s->from + s->step * (int64_t)s->next;
    s->jump = (uint64_t)s->step * s->stride;
    (void)put_number(value, s->width, s->text);
    const size_t count = flow_bytes_count_digits((uint64_t)value);
    s->begin = s->text + s->width - (size > count ? size : count);
    return FLOW_OK;
}

static enum flow_status emit_text(struct sequence *s, struct flow_writer *writer)
{
    const size_t size = (size_t)(s->text + s->width - s->begin);
    const enum flow_status rc = flow_writer_emit(writer, s->begin, size);
    add_jump(s);
    return rc;
}

static enum flow_status emit_number(const struct sequence *s, struct flow_stage *stage)
{
    const int64_t value = s->from + s->step * (int64_t)s->next;
    struct flow_target to = {0};
    char key[DIGITS];
    if (s->keys > 0) {
        const int64_t rest = value % s->keys;
        to.key = key;
        to.key_size = put_number(rest < 0 ? rest + s->keys : rest, 0, key);
    }
    char *room = flow_reserve(stage, 0, s->size > DIGITS ? (size_t)s->size : DIGITS);
    if (room == NULL)
        return FLOW_EABORT;
    return flow_commit(stage, &to, put_number(value, (size_t)s->size, room));
}

static enum flow_status sequence_open(void *self, struct flow_stage *stage)
{
    struct sequence *s = self;
    int64_t way = 0;
    int64_t last = 0;
    const bool fits = s->count == 0 || (!__builtin_mul_overflow(s->count - 1, s->step, &way) &&
                                        !__builtin_add_overflow(s->from, way, &last));
    if (!fits) {
        return flow_stage_fail(stage, FLOW_ERANGE,
                               "%" PRId64 " numbers from %" PRId64 " by steps of %" PRId64
                               " do not fit into 64 bits",
                               s->count, s->from, s->step);
    }
    s->next = flow_stage_info(stage)->replica;
    s->stride = flow_stage_info(stage)->replicas;
    s->burst = s->size > BURST_BYTES / BURST ? BURST_BYTES / s->size + 1 : BURST;
    return start_text(s, stage);
}

static bool is_over(const struct sequence *s, const struct flow_stage *stage, uint64_t i)
{
    return s->next >= (uint64_t)s->count || (i % 256 == 0 && flow_stopping(stage));
}

static enum flow_status emit_texts(struct sequence *s, struct flow_stage *stage)
{
    struct flow_writer writer = flow_writer_begin(stage, 0);
    enum flow_status rc = FLOW_OK;
    for (uint64_t i = 0; i < s->burst && rc == FLOW_OK; i++) {
        rc = is_over(s, stage, i) ? FLOW_ECLOSED : emit_text(s, &writer);
        s->next += rc == FLOW_OK ? s->stride : 0; /* what was not emitted is what comes next */
    }
    flow_writer_end(&writer);
    return rc;
}

static enum flow_status emit_numbers(struct sequence *s, struct flow_stage *stage)
{
    enum flow_status rc = FLOW_OK;
    for (uint64_t i = 0; i < s->burst && rc == FLOW_OK; i++) {
        rc = is_over(s, stage, i) ? FLOW_ECLOSED : emit_number(s, stage);
        s->next += rc == FLOW_OK ? s->stride : 0;
    }
    return rc;
}

static enum flow_status sequence_produce(void *self, struct flow_stage *stage)
{
    struct sequence *s = self;
    return s->text != NULL ? emit_texts(s, stage) : emit_numbers(s, stage);
}

static enum flow_status sequence_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct sequence *s = self;
    (void)stage;
    return flow_save_number(to, s->next);
}

static enum flow_status sequence_restore(void *self, struct flow_stage *stage,
                                         struct flow_loader *from)
{
    struct sequence *s = self;
    const enum flow_status rc = flow_load_number(from, &s->next);
    if (rc != FLOW_OK)
        return rc;
    free(s->text);
    s->text = NULL;
    return start_text(s, stage);
}

static void sequence_close(void *self, struct flow_stage *stage)
{
    struct sequence *s = self;
    (void)stage;
    free(s->text);
}

static const struct flow_stage_type sequence = {
    .name = "gen.sequence",
    .help = "emits numbers in equal steps; several replicas share them out",
    .role = FLOW_PRODUCER,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct sequence),
    .open = sequence_open,
    .produce = sequence_produce,
    .close = sequence_close,
    .save = sequence_save,
    .restore = sequence_restore,
};

FLOW_PLUGIN(&sequence);
