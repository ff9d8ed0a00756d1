/* SPDX-License-Identifier: MIT */

/*
 * Records are kept as they come until there are n of them.  From then on they are a heap with the
 * worst of them on top, which the next better record replaces.
 *
 * Numbers are compared by their digits, so they may be of any length; but first by a rank of 64
 * bits, which decides about most.
 */

#include <flowrun/stage.h>

#include <stdlib.h>

#include "shared/bytes.h"

/* Where in a record its number is, [-]whole[.part], without zeros that say nothing. */
struct number {
    size_t whole_at, whole_size;
    size_t part_at, part_size;
    bool negative;
};

struct item {
    uint64_t rank;    /* a lower one is emitted first; equal ones have to be compared */
    const char *data; /* the record's bytes */
    size_t size;
    struct number number;
    char *copy; /* the key, then `data`; NULL: the bytes are borrowed */
    size_t key_size;
};

struct top {
    int64_t n;
    bool ascending;
    struct item *heap;
    size_t count, capacity;
    bool heaped; /* the items are a heap */
};

static const struct flow_param params[] = {
    FLOW_PARAM_I64(struct top, n, "10", 1, 100000000, "how many to keep [records]"),
    FLOW_PARAM_BOOL(struct top, ascending, "false", "keep the smallest numbers, smallest first"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "records that start with a number, as \"12 apples\" or \"-0.5\""},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "at the end, the first n of the sorted records, unchanged"},
    {NULL, NULL, NULL},
};

static size_t count_digits(const char *data, size_t size, size_t at)
{
    const size_t start = at;
    while (at < size && data[at] >= '0' && data[at] <= '9')
        at++;
    return at - start;
}

static void drop_zeros(const char *data, struct number *number)
{
    while (number->whole_size > 0 && data[number->whole_at] == '0') {
        number->whole_at++;
        number->whole_size--;
    }
    while (number->part_size > 0 && data[number->part_at + number->part_size - 1] == '0')
        number->part_size--;
    if (number->whole_size == 0 && number->part_size == 0)
        number->negative = false; /* -0 */
}

/* The number at the start of a record, after any blanks.  False: there is none. */
static bool parse(const char *data, size_t size, struct number *number)
{
    size_t at = 0;
    while (at < size && (data[at] == ' ' || data[at] == '\t'))
        at++;
    struct number found = {.negative = at < size && data[at] == '-'};
    if (at < size && (data[at] == '-' || data[at] == '+'))
        at++;
    found.whole_at = at;
    found.whole_size = count_digits(data, size, at);
    if (found.whole_size == 0)
        return false;
    at += found.whole_size;
    found.part_at = at;
    if (at < size && data[at] == '.') {
        found.part_at = at + 1;
        found.part_size = count_digits(data, size, at + 1);
    }
    drop_zeros(data, &found);
    *number = found;
    return true;
}

#define RANK_DIGITS 18
#define RANK_ZERO ((uint64_t)1 << 63)

/* The whole part of a number, cut to what RANK_DIGITS can show. */
static uint64_t rank(const struct top *t, const char *data, const struct number *number)
{
    const char *digits = data + number->whole_at;
    uint64_t value = number->whole_size > RANK_DIGITS ? UINT64_C(1000000000000000000) : 0;
    for (size_t i = 0; number->whole_size <= RANK_DIGITS && i < number->whole_size; i++)
        value = value * 10 + (uint64_t)(digits[i] - '0');
    const bool early = number->negative == t->ascending;
    return value == 0 ? RANK_ZERO : early ? RANK_ZERO - value : RANK_ZERO + value;
}

static int compare_bytes(const char *a, size_t a_size, const char *b, size_t b_size)
{
    const int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_numbers(const struct item *left, const struct item *right)
{
    const struct number *a = &left->number;
    const struct number *b = &right->number;
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    int order = (a->whole_size > b->whole_size) - (a->whole_size < b->whole_size);
    if (order == 0)
        order = memcmp(left->data + a->whole_at, right->data + b->whole_at, a->whole_size);
    if (order == 0)
        order = compare_bytes(left->data + a->part_at, a->part_size, right->data + b->part_at,
                              b->part_size);
    return a->negative ? -order : order;
}

/* Below 0: `a` is emitted before `b`. */
static int compare(const struct top *t, const struct item *a, const struct item *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    const int order = compare_numbers(a, b);
    if (order != 0)
        return t->ascending ? order : -order;
    return compare_bytes(a->data, a->size, b->data, b->size);
}

/* Put `item` into a heap of `count` places, of which `at` is free, there or further down. */
static void sift_down(const struct top *t, size_t count, size_t at, struct item item)
{
    for (;;) {
        size_t child = at * 2 + 1;
        if (child + 1 < count && compare(t, &t->heap[child + 1], &t->heap[child]) > 0)
            child++;
        if (child >= count || compare(t, &t->heap[child], &item) <= 0)
            break;
        t->heap[at] = t->heap[child];
        at = child;
    }
    t->heap[at] = item;
}

static void make_heap(struct top *t)
{
    for (size_t at = t->count / 2; at-- > 0;)
        sift_down(t, t->count, at, t->heap[at]);
    t->heaped = true;
}

static bool reserve(struct top *t)
{
    if (t->count < t->capacity)
        return true;
    const size_t capacity = t->capacity == 0 ? 16 : t->capacity * 2;
    struct item *heap = realloc(t->heap, capacity * sizeof(*heap));
    if (heap == NULL)
        return false;
    t->heap = heap;
    t->capacity = capacity;
    return true;
}

/* Turn an item that borrows `record` into one that owns a copy; false when memory is short. */
static bool own(struct item *item, const struct flow_record *record)
{
    item->copy = malloc(record->key_size + record->size);
    if (item->copy == NULL)
        return false;
    if (record->key_size > 0)
        memcpy(item->copy, record->key, record->key_size);
    memcpy(item->copy + record->key_size, record->data, record->size);
    item->key_size = record->key_size;
    item->data = item->copy + record->key_size;
    return true;
}

static enum flow_status top_process(void *self, struct flow_stage *stage,
                                    const struct flow_record *record)
{
    struct top *t = self;
    struct item item = {.data = record->data, .size = record->size};
    if (!parse(item.data, item.size, &item.number))
        return flow_reject(stage, "no number at the start of %s",
                           flow_bytes_quote(record->data, record->size).text);
    item.rank = rank(t, item.data, &item.number);
    const bool full = t->count == (size_t)t->n;
    if (full && !t->heaped)
        make_heap(t);
    if (full && compare(t, &item, &t->heap[0]) >= 0)
        return FLOW_OK;
    if (!reserve(t) || !own(&item, record))
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for record %zu of %lld", t->count + 1,
                               (long long)t->n);
    if (full) {
        free(t->heap[0].copy);
        sift_down(t, t->count, 0, item);
    } else {
        t->heap[t->count++] = item;
    }
    return FLOW_OK;
}

static int in_order(const void *a, const void *b, void *t)
{
    return compare(t, a, b);
}

static enum flow_status top_finish(void *self, struct flow_stage *stage)
{
    struct top *t = self;
    if (t->count > 1)
        qsort_r(t->heap, t->count, sizeof(*t->heap), in_order, t);
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; rc == FLOW_OK && i < t->count; i++) {
        const struct item *item = &t->heap[i];
        const struct flow_target to = {.key = item->key_size > 0 ? item->copy : NULL,
                                       .key_size = item->key_size};
        rc = flow_emit_to(stage, &to, item->data, item->size);
    }
    return rc;
}

static enum flow_status save_item(const struct item *item, struct flow_saver *to)
{
    enum flow_status rc = flow_save_number(to, item->key_size);
    if (rc == FLOW_OK)
        rc = flow_save_number(to, item->size);
    return rc == FLOW_OK ? flow_save(to, item->copy, item->key_size + item->size) : rc;
}

/* In the order in which they lie, so that the heap is one again. */
static enum flow_status top_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct top *t = self;
    (void)stage;
    enum flow_status rc = flow_save_number(to, t->heaped);
    if (rc == FLOW_OK)
        rc = flow_save_number(to, t->count);
    for (size_t i = 0; rc == FLOW_OK && i < t->count; i++)
        rc = save_item(&t->heap[i], to);
    return rc;
}

static enum flow_status load_item(struct top *t, struct flow_loader *from)
{
    uint64_t key_size;
    uint64_t size;
    if (flow_load_number(from, &key_size) != FLOW_OK || flow_load_number(from, &size) != FLOW_OK ||
        key_size > from->left || size > from->left - key_size)
        return FLOW_EPROTO;
    const char *key = flow_load_bytes(from, (size_t)key_size);
    const struct flow_record record = {
        .data = flow_load_bytes(from, (size_t)size),
        .size = (size_t)size,
        .key = key,
        .key_size = (size_t)key_size,
    };
    struct item item = {.data = record.data, .size = record.size};
    if (!parse(item.data, item.size, &item.number))
        return FLOW_EPROTO;
    item.rank = rank(t, item.data, &item.number);
    if (!reserve(t) || !own(&item, &record))
        return FLOW_ENOMEM;
    t->heap[t->count++] = item;
    return FLOW_OK;
}

static enum flow_status top_restore(void *self, struct flow_stage *stage, struct flow_loader *from)
{
    struct top *t = self;
    uint64_t heaped;
    uint64_t count;
    (void)stage;
    enum flow_status rc = flow_load_number(from, &heaped);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &count);
    for (; rc == FLOW_OK && count > 0; count--)
        rc = load_item(t, from);
    t->heaped = rc == FLOW_OK && heaped != 0;
    return rc;
}

static void top_close(void *self, struct flow_stage *stage)
{
    struct top *t = self;
    (void)stage;
    for (size_t i = 0; i < t->count; i++)
        free(t->heap[i].copy);
    free(t->heap);
}

static const struct flow_stage_type top = {
    .name = "sort.top",
    .help = "sorts by the number that begins each record, emits the n largest",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL | FLOW_SINGLE,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct top),
    .process = top_process,
    .finish = top_finish,
    .close = top_close,
    .save = top_save,
    .restore = top_restore,
};

FLOW_PLUGIN(&top);
