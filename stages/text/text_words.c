/* SPDX-License-Identifier: MIT */

/*
 * Text is looked at 64 bytes at a time: one bit for each byte says whether it belongs to a word,
 * and where neighbouring bits differ a word begins or ends.
 *
 * With `count`, words are not emitted one by one but counted here first, in a table of bounded
 * size.  What it holds is emitted when it is full, when the oldest word has waited for long enough,
 * and at the end.
 */

#include <flowrun/stage.h>

#include <stdlib.h>
#include <time.h>

#include "shared/bytes.h"
#include "shared/key_table.h"

#define CHUNK 64
#define AHEAD 16 /* words whose slots are fetched at the same time */

struct pending {
    struct flow_key key;
    uint64_t hash;
};

struct splitter {
    bool lower;
    bool count;
    uint64_t memory;
    int64_t hold;

    const unsigned char *limit; /* up to here the text in hand may be read */
    struct pending pending[AHEAD];
    size_t pending_count;
    struct flow_key_table table;
    size_t most;        /* words in the table */
    int64_t emitted_ns; /* when the table was emptied last */
    char *long_word;    /* scratch */
    size_t long_capacity;
};

static const struct flow_param params[] = {
    FLOW_PARAM_BOOL(struct splitter, lower, "false", "turn A-Z into a-z"),
    FLOW_PARAM_BOOL(struct splitter, count, "false",
                    "count equal words here first; what comes out is for count.keys with sum"),
    FLOW_PARAM_SIZE(struct splitter, memory, "8MiB", 64 << 10, (uint64_t)1 << 40,
                    "with count: the largest table of words [bytes]"),
    FLOW_PARAM_DURATION(struct splitter, hold, "1s", 0, 86400e9,
                        "with count: pass on what was counted once it is older, as input comes"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "text of any length"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "text",
     "one word a record: an unbroken run of A-Z, a-z and 0-9; with count, \"COUNT WORD\", "
     "its key is WORD"},
    {NULL, NULL, NULL},
};

/* Bit i: text[i] is a letter or a digit.  The loops are of the kind that compilers vectorise. */
static uint64_t word_bits(const unsigned char *text)
{
    unsigned char is_word[CHUNK];
    for (size_t i = 0; i < CHUNK; i++) {
        const unsigned char digit = (unsigned char)(text[i] - '0');
        const unsigned char letter = (unsigned char)((text[i] | 0x20) - 'a');
        is_word[i] = (unsigned char)((digit < 10) | (letter < 26));
    }
    uint64_t bits = 0;
    for (size_t i = 0; i < CHUNK; i += 8) {
        uint64_t eight; /* bytes of 0 or 1: the product gathers them in its highest byte */
        memcpy(&eight, is_word + i, sizeof(eight));
        if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
            eight = __builtin_bswap64(eight);
        bits |= eight * UINT64_C(0x0102040810204080) >> 56 << i;
    }
    return bits;
}

/* The same for the `left` bytes that a text still has, at most CHUNK of them. */
static uint64_t next_bits(const struct splitter *s, const unsigned char *text, size_t left)
{
    uint64_t bits;
    if ((size_t)(s->limit - text) >= CHUNK) {
        bits = word_bits(text);
    } else {
        unsigned char room[CHUNK] = {0};
        memcpy(room, text, left < CHUNK ? left : CHUNK);
        bits = word_bits(room);
    }
    return left < CHUNK ? bits & ((UINT64_C(1) << left) - 1) : bits;
}

/* Letters and digits only, of which just the capitals lack this bit. */
static void copy_small(unsigned char *to, const unsigned char *word, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = word[i] | 0x20;
}

static enum flow_status emit_word(struct flow_stage *stage, const unsigned char *word, size_t size,
                                  bool lower)
{
    if (!lower)
        return flow_emit(stage, word, size);
    unsigned char *room = flow_reserve(stage, 0, size);
    if (room == NULL)
        return FLOW_EABORT;
    copy_small(room, word, size);
    const struct flow_target to = {0};
    return flow_commit(stage, &to, size);
}

static enum flow_status emit_count(struct flow_stage *stage, const struct flow_key_slot *slot)
{
    char text[FLOW_BYTES_DIGITS + 1 + FLOW_KEY_SHORT];
    const size_t size = flow_key_size(&slot->key);
    const size_t digits = flow_bytes_put_number(slot->count, text);
    text[digits] = ' ';
    memcpy(text + digits + 1, flow_key_bytes(&slot->key), size);
    const struct flow_target to = {.key = text + digits + 1, .key_size = size};
    return flow_emit_to(stage, &to, text, digits + 1 + size);
}

/* Emit what the table holds and empty it. */
static enum flow_status emit_table(struct splitter *s, struct flow_stage *stage)
{
    struct flow_key_table *table = &s->table;
    for (size_t i = 0; table->used > 0 && i < table->capacity; i++) {
        if (table->slots[i].key.words[2] == 0)
            continue;
        const enum flow_status rc = emit_count(stage, &table->slots[i]);
        if (rc != FLOW_OK)
            return rc;
    }
    if (table->used > 0)
        memset(table->slots, 0, table->capacity * sizeof(*table->slots));
    table->used = 0;
    return FLOW_OK;
}

/* Enter the words that wait for their slots to come into the cache. */
static enum flow_status count_pending(struct splitter *s, struct flow_stage *stage)
{
    for (size_t i = 0; i < s->pending_count; i++) {
        const struct pending *word = &s->pending[i];
        struct flow_key_slot *slot = flow_key_table_slot(&s->table, &word->key, word->hash);
        if (slot == NULL)
            return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for more than %zu words",
                                   s->table.used);
        slot->count++;
    }
    s->pending_count = 0;
    return s->table.used >= s->most ? emit_table(s, stage) : FLOW_OK;
}

/* Words that are too long for a slot are rare: each goes out by itself. */
static enum flow_status emit_long(struct splitter *s, struct flow_stage *stage,
                                  const unsigned char *word, size_t size)
{
    if (s->long_capacity < size + 2) {
        char *text = realloc(s->long_word, size + 2);
        if (text == NULL)
            return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a word of %zu bytes", size);
        s->long_word = text;
        s->long_capacity = size + 2;
    }
    char *text = s->long_word;
    memcpy(text, "1 ", 2);
    memcpy(text + 2, word, size);
    if (s->lower)
        copy_small((unsigned char *)text + 2, word, size);
    const struct flow_target to = {.key = text + 2, .key_size = size};
    return flow_emit_to(stage, &to, text, size + 2);
}

static enum flow_status count_word(struct splitter *s, struct flow_stage *stage,
                                   const unsigned char *word, size_t size)
{
    if (size > FLOW_KEY_SHORT)
        return emit_long(s, stage, word, size);
    struct pending *pending = &s->pending[s->pending_count++];
    pending->key = flow_key_load_short(word, size, s->limit);
    if (s->lower)
        pending->key = flow_key_or(&pending->key, 0x20);
    pending->hash = flow_key_hash_short(&pending->key, &s->table.seed);
    flow_key_table_prefetch(&s->table, pending->hash);
    return s->pending_count == AHEAD ? count_pending(s, stage) : FLOW_OK;
}

static enum flow_status take_word(struct splitter *s, struct flow_stage *stage,
                                  const unsigned char *word, size_t size)
{
    return s->count ? count_word(s, stage, word, size) : emit_word(stage, word, size, s->lower);
}

static enum flow_status split(struct splitter *s, struct flow_stage *stage,
                              const unsigned char *text, size_t size)
{
    const unsigned char *start = text;
    uint64_t inside = 0; /* 1: a word goes on from the chunk before, from `start` on */
    for (size_t at = 0; at < size || inside != 0; at += CHUNK) {
        const uint64_t bits = at < size ? next_bits(s, text + at, size - at) : 0;
        const uint64_t before = bits << 1 | inside; /* bit i: the byte before i is in a word */
        uint64_t starts = bits & ~before;
        for (uint64_t ends = before & ~bits; ends != 0; ends &= ends - 1) {
            if (inside == 0) {
                start = text + at + __builtin_ctzll(starts);
                starts &= starts - 1;
            }
            inside = 0;
            const unsigned char *end = text + at + __builtin_ctzll(ends);
            const enum flow_status rc = take_word(s, stage, start, (size_t)(end - start));
            if (rc != FLOW_OK)
                return rc;
        }
        if (starts != 0) /* the last one goes on in the next chunk */
            start = text + at + __builtin_ctzll(starts);
        inside = bits >> (CHUNK - 1);
    }
    return FLOW_OK;
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* What was counted long ago goes on, so that an endless stream has results. */
static enum flow_status emit_if_old(struct splitter *s, struct flow_stage *stage)
{
    const int64_t now = now_ns();
    if (now - s->emitted_ns < s->hold)
        return FLOW_OK;
    s->emitted_ns = now;
    return emit_table(s, stage);
}

static enum flow_status splitter_open(void *self, struct flow_stage *stage)
{
    struct splitter *s = self;
    (void)stage;
    size_t slots = FLOW_KEY_TABLE_FIRST;
    while (slots * 2 * sizeof(struct flow_key_slot) <= s->memory)
        slots *= 2;
    flow_key_table_init(&s->table);
    s->most = slots / 4 * 3 - AHEAD;
    s->emitted_ns = now_ns();
    return FLOW_OK;
}

static enum flow_status splitter_process_batch(void *self, struct flow_stage *stage,
                                               const struct flow_batch *batch)
{
    struct splitter *s = self;
    enum flow_status rc = FLOW_OK;
    s->limit = flow_key_limit(batch);
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);)
        rc = split(s, stage, c.record.data, c.record.size);
    if (rc != FLOW_OK || !s->count)
        return rc;
    rc = count_pending(s, stage);
    return rc == FLOW_OK ? emit_if_old(s, stage) : rc;
}

static enum flow_status splitter_finish(void *self, struct flow_stage *stage)
{
    return emit_table(self, stage);
}

/* What is counted and has not been passed on. */
static enum flow_status splitter_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct splitter *s = self;
    (void)stage;
    return flow_key_table_save(&s->table, to);
}

static enum flow_status splitter_restore(void *self, struct flow_stage *stage,
                                         struct flow_loader *from)
{
    struct splitter *s = self;
    (void)stage;
    return flow_key_table_load(&s->table, from);
}

static void splitter_close(void *self, struct flow_stage *stage)
{
    struct splitter *s = self;
    (void)stage;
    flow_key_table_clear(&s->table);
    free(s->long_word);
}

static const struct flow_stage_type splitter = {
    .name = "text.words",
    .help = "splits text into its words, as tr -cs 'A-Za-z0-9' '\\n' does",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct splitter),
    .open = splitter_open,
    .process_batch = splitter_process_batch,
    .finish = splitter_finish,
    .close = splitter_close,
    .save = splitter_save,
    .restore = splitter_restore,
};

FLOW_PLUGIN(&splitter);
