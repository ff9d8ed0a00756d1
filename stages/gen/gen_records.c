/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <stdlib.h>

#include "shared/bytes.h"
#include "shared/pace.h"
#include "shared/random.h"

#define BURST 1024         /* records a call of produce emits at most */
#define BURST_BYTES 262144 /* and about as many bytes */
#define UUID 36            /* characters of one */

enum part_kind { PART_TEXT, PART_NUMBER, PART_UUID, PART_RANDOM, PART_HEX, PART_CHOICE };

/* A piece of the template. */
struct part {
    enum part_kind kind;
    const char *text; /* PART_TEXT; PART_CHOICE: the words, between '|' */
    size_t size;      /* of the text, or digits */
    uint64_t low, count;
};

struct maker {
    int64_t count;
    char *template;
    uint64_t size;
    double rate;
    int64_t seed;

    struct part *parts;
    size_t part_count;
    size_t room;     /* that a record takes at most */
    uint64_t next;   /* place of what this replica emits next */
    uint64_t stride; /* replicas take turns */
    uint64_t burst;
    int64_t started; /* when what was emitted in this run began; 0: not yet */
    uint64_t made;   /* in this run */
};

static const struct flow_param params[] = {
    FLOW_PARAM_I64(struct maker, count, "0", 0, (int64_t)1 << 53, "how many [records]; 0: no end"),
    FLOW_PARAM_STR(struct maker, template, "{n}",
                   "{n} {n:6} {uuid} {random:1-6} {hex:8} {choice:a|b}; {{ is a brace"),
    FLOW_PARAM_SIZE(struct maker, size, "0B", 0, 16 << 20,
                    "smallest record: shorter ones are filled with blanks [bytes]"),
    FLOW_PARAM_F64(struct maker, rate, "0", 0, 1e9,
                   "how many of all workers together [1/s]; 0: any"),
    FLOW_PARAM_I64(struct maker, seed, "1", 0, (int64_t)1 << 53, "another one, other chances"),
    FLOW_PARAM_END,
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "records made from the template"},
    {NULL, NULL, NULL},
};

/* ---- the template ---- */

/* ":WIDTH", or nothing. */
static bool parse_width(struct part *part, const char *word, const char *end, size_t least)
{
    uint64_t width = least;
    size_t used = 0;
    if (word == end)
        part->size = least;
    else if (*word != ':' ||
             !flow_bytes_number(word + 1, (size_t)(end - word) - 1, &width, &used) ||
             word + 1 + used != end || width > 4096)
        return false;
    part->size = (size_t)width;
    return true;
}

/* "LOW-HIGH" */
static bool parse_range(struct part *part, const char *word, const char *end)
{
    uint64_t high = 0;
    size_t used = 0;
    if (!flow_bytes_number(word, (size_t)(end - word), &part->low, &used) || word[used] != '-')
        return false;
    word += used + 1;
    if (!flow_bytes_number(word, (size_t)(end - word), &high, &used) || word + used != end)
        return false;
    part->count = high - part->low + 1;
    return high >= part->low && part->count != 0;
}

static bool starts(const char **word, const char *end, const char *name)
{
    const size_t size = strlen(name);
    if ((size_t)(end - *word) < size || memcmp(*word, name, size) != 0)
        return false;
    *word += size;
    return true;
}

/* What stands between braces. */
static bool parse_word(struct part *part, const char *word, const char *end)
{
    if (starts(&word, end, "uuid")) {
        part->kind = PART_UUID;
        return word == end;
    }
    if (starts(&word, end, "random:")) {
        part->kind = PART_RANDOM;
        return parse_range(part, word, end);
    }
    if (starts(&word, end, "hex")) {
        part->kind = PART_HEX;
        return parse_width(part, word, end, 16);
    }
    if (starts(&word, end, "choice:")) {
        *part = (struct part){PART_CHOICE, word, (size_t)(end - word), 0, 1};
        for (; word < end; word++)
            part->count += *word == '|';
        return true;
    }
    part->kind = PART_NUMBER;
    return starts(&word, end, "n") && parse_width(part, word, end, 1);
}

static size_t part_room(const struct part *part)
{
    switch (part->kind) {
    case PART_NUMBER:
        return part->size > FLOW_BYTES_DIGITS ? part->size : FLOW_BYTES_DIGITS;
    case PART_UUID:
        return UUID;
    case PART_RANDOM:
        return FLOW_BYTES_DIGITS;
    default:
        return part->size;
    }
}

static enum flow_status parse_template(struct maker *m, struct flow_stage *stage)
{
    const char *at = m->template;
    m->parts = calloc(strlen(at) + 1, sizeof(*m->parts));
    if (m->parts == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for the template");
    while (*at != '\0') {
        struct part *part = &m->parts[m->part_count++];
        const char *close = strchr(at, '}');
        const bool word = at[0] == '{' && at[1] >= 'a' && at[1] <= 'z';
        if (!word) {
            const size_t size = at[0] == '{' ? 1 : strcspn(at, "{");
            *part = (struct part){.kind = PART_TEXT, .text = at, .size = size};
            at += at[0] == '{' && at[1] == '{' ? 2 : size;
        } else if (close == NULL || !parse_word(part, at + 1, close)) {
            return flow_stage_fail(stage, FLOW_EINVAL,
                                   "template '%s', character %zu: {n}, {n:6}, {uuid}, "
                                   "{random:1-6}, {hex:8} and {choice:a|b} are known",
                                   m->template, (size_t)(at - m->template) + 1);
        } else {
            at = close + 1;
        }
        m->room += part_room(part);
    }
    m->room = m->room > m->size ? m->room : (size_t)m->size;
    return FLOW_OK;
}

/* ---- records ---- */

static char *put_hex(char *at, struct flow_random *chance, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++) {
        bits = i % 16 == 0 ? flow_random_next(chance) : bits >> 4;
        *at++ = digits[bits & 15];
    }
    return at;
}

/* Version 4: all chance, but for two digits. */
static char *put_uuid(char *at, struct flow_random *chance)
{
    char *start = at;
    (void)put_hex(at, chance, UUID);
    start[8] = start[13] = start[18] = start[23] = '-';
    start[14] = '4';
    start[19] = "89ab"[start[19] & 3];
    return at + UUID;
}

static char *put_number(char *at, uint64_t number, size_t width)
{
    const size_t digits = flow_bytes_count_digits(number);
    const size_t size = digits > width ? digits : width;
    memset(at, '0', size - digits);
    flow_bytes_put_digits(number, at + size);
    return at + size;
}

static char *put_choice(char *at, struct flow_random *chance, const struct part *part)
{
    const char *word = part->text;
    const char *end = word + part->size;
    for (uint64_t skip = flow_random_below(chance, part->count); skip > 0; skip--)
        word = (const char *)memchr(word, '|', (size_t)(end - word)) + 1;
    const char *bar = memchr(word, '|', (size_t)(end - word));
    const size_t size = (size_t)((bar != NULL ? bar : end) - word);
    memcpy(at, word, size);
    return at + size;
}

static char *put_part(char *at, const struct part *part, uint64_t number,
                      struct flow_random *chance)
{
    switch (part->kind) {
    case PART_NUMBER:
        return put_number(at, number, part->size);
    case PART_UUID:
        return put_uuid(at, chance);
    case PART_RANDOM:
        return put_number(at, part->low + flow_random_below(chance, part->count), 1);
    case PART_HEX:
        return put_hex(at, chance, part->size);
    case PART_CHOICE:
        return put_choice(at, chance, part);
    case PART_TEXT:
        break;
    }
    memcpy(at, part->text, part->size);
    return at + part->size;
}

static size_t put_record(const struct maker *m, char *start)
{
    struct flow_random chance = flow_random_at((uint64_t)m->seed, m->next);
    char *at = start;
    for (size_t i = 0; i < m->part_count; i++)
        at = put_part(at, &m->parts[i], m->next + 1, &chance);
    const size_t size = (size_t)(at - start);
    if (size >= m->size)
        return size;
    memset(at, ' ', (size_t)m->size - size);
    return (size_t)m->size;
}

/* How many may be emitted now; 0: wait for `*wait` nanoseconds. */
static uint64_t find_due(struct maker *m, int64_t *wait)
{
    if (m->rate <= 0)
        return m->burst;
    const int64_t now = flow_pace_now();
    const double rate = m->rate / (double)m->stride;
    if (m->started == 0)
        m->started = now;
    const double due = (double)(now - m->started) * 1e-9 * rate + 1;
    if (due >= (double)m->made + 1) {
        const double more = due - (double)m->made;
        return more < (double)m->burst ? (uint64_t)more : m->burst;
    }
    *wait = (int64_t)(((double)m->made + 1 - due) / rate * 1e9) + 1;
    return 0;
}

static enum flow_status maker_open(void *self, struct flow_stage *stage)
{
    struct maker *m = self;
    m->next = flow_stage_info(stage)->replica;
    m->stride = flow_stage_info(stage)->replicas;
    const enum flow_status rc = parse_template(m, stage);
    m->burst = m->room > BURST_BYTES / BURST ? BURST_BYTES / m->room + 1 : BURST;
    return rc;
}

static enum flow_status maker_produce(void *self, struct flow_stage *stage)
{
    struct maker *m = self;
    int64_t wait = 0;
    enum flow_status rc = FLOW_OK;
    const uint64_t due = find_due(m, &wait);
    if (m->count > 0 && m->next >= (uint64_t)m->count)
        return FLOW_ECLOSED;
    if (due == 0) {
        rc = flow_wait(stage, -1, 0, wait);
        return rc == FLOW_EAGAIN ? FLOW_OK : rc;
    }
    struct flow_writer writer = flow_writer_begin(stage, 0);
    for (uint64_t i = 0; i < due && rc == FLOW_OK; i++) {
        if ((m->count > 0 && m->next >= (uint64_t)m->count) ||
            (i % 256 == 0 && flow_stopping(stage))) {
            rc = FLOW_ECLOSED;
            break;
        }
        char *room = flow_writer_reserve(&writer, m->room);
        rc = room != NULL ? flow_writer_commit(&writer, put_record(m, room)) : FLOW_EABORT;
        m->next += rc == FLOW_OK ? m->stride : 0;
        m->made += rc == FLOW_OK;
    }
    flow_writer_end(&writer);
    return rc;
}

static enum flow_status maker_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct maker *m = self;
    (void)stage;
    return flow_save_number(to, m->next);
}

static enum flow_status maker_restore(void *self, struct flow_stage *stage,
                                      struct flow_loader *from)
{
    struct maker *m = self;
    (void)stage;
    return flow_load_number(from, &m->next);
}

static void maker_close(void *self, struct flow_stage *stage)
{
    struct maker *m = self;
    (void)stage;
    free(m->parts);
}

static const struct flow_stage_type maker = {
    .name = "gen.records",
    .help = "makes records from a template, at a rate, the same ones for the same seed",
    .role = FLOW_PRODUCER,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct maker),
    .open = maker_open,
    .produce = maker_produce,
    .close = maker_close,
    .save = maker_save,
    .restore = maker_restore,
};

FLOW_PLUGIN(&maker);
