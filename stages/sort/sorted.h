/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_SORTED_H
#define FLOW_STAGES_SORTED_H

/*
 * Records in an arena, sorted by a rank of 64 bits and then by what the rank leaves open; and
 * merged from files that hold such records one after the other.
 *
 * A record lies behind a head: its data, its key, and, where the value that it is sorted by stands
 * in neither as it is compared, that value.  Values are compared by their bytes, or as decimal
 * numbers of any length; equal ones stay in the order in which they came.
 */

#include <flowrun/stage.h>

#include <stdlib.h>

#include "shared/bytes.h"
#include "shared/file.h"
#include "shared/json_field.h"

enum sorted_by { SORTED_BY_RECORD, SORTED_BY_KEY, SORTED_BY_COLUMN, SORTED_BY_FIELD };

struct sorted_order {
    enum sorted_by by;
    size_t column;
    char separator;
    bool numeric, reverse;
    struct flow_json_paths paths; /* of the field */
};

struct sorted_head {
    uint32_t size, key_size;
    uint32_t value_at, value_size; /* counted from the data */
};

struct sorted_record {
    struct sorted_head head;
    uint64_t rank;
    const char *data;
    const char *key;
    const char *value;
};

struct sorted_item {
    uint64_t rank;
    uint64_t at; /* in the arena */
};

struct sorted_arena {
    char *bytes;
    size_t used, size;
    struct sorted_item *items;
    size_t count, capacity;
};

/* What lies behind a head. */
static inline size_t sorted_size(const struct sorted_head *head)
{
    const size_t size = (size_t)head->size + head->key_size;
    return head->value_at >= size && head->value_size > 0 ? size + head->value_size : size;
}

/* ---- values ---- */

/* The digits of a number, without zeros that say nothing. */
struct sorted_number {
    const char *whole, *part;
    size_t whole_size, part_size;
    bool negative, exponent;
};

static inline size_t sorted_digits(const char *at, const char *end)
{
    const char *start = at;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return (size_t)(at - start);
}

/* The number at the start of a text, behind blanks; its size, or 0: there is none. */
static inline size_t sorted_parse(const char *text, size_t size, struct sorted_number *number)
{
    const char *end = text + size;
    const char *at = text;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    *number = (struct sorted_number){.negative = at < end && *at == '-'};
    at += at < end && (*at == '-' || *at == '+');
    number->whole = at;
    number->whole_size = sorted_digits(at, end);
    if (number->whole_size == 0)
        return 0;
    at += number->whole_size;
    number->part = at;
    if (at < end && *at == '.') {
        number->part = at + 1;
        number->part_size = sorted_digits(at + 1, end);
        at = number->part + number->part_size;
    }
    const char *power = at < end && (*at == 'e' || *at == 'E') ? at + 1 : end;
    power += power < end && (*power == '-' || *power == '+');
    number->exponent = sorted_digits(power, end) > 0;
    if (number->exponent)
        at = power + sorted_digits(power, end);
    for (; number->whole_size > 0 && *number->whole == '0'; number->whole++)
        number->whole_size--;
    while (number->part_size > 0 && number->part[number->part_size - 1] == '0')
        number->part_size--;
    return (size_t)(at - text);
}

/* A number as a rank: rounded to a double, whose order that of its bits is. */
static inline bool sorted_rank_number(const char *text, size_t size, uint64_t *rank)
{
    char room[64];
    struct sorted_number number;
    const size_t used = sorted_parse(text, size, &number);
    char *copy = used < sizeof(room) ? room : malloc(used + 1);
    if (used == 0 || copy == NULL)
        return false;
    memcpy(copy, text, used);
    copy[used] = '\0';
    double value = strtod(copy, NULL);
    if (copy != room)
        free(copy);
    value = value == 0 ? 0 : value; /* -0 */
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    *rank = bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
    return true;
}

static inline uint64_t sorted_rank_bytes(const char *text, size_t size)
{
    unsigned char bytes[8] = {0};
    uint64_t rank = 0;
    memcpy(bytes, text, size < sizeof(bytes) ? size : sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        rank = rank << 8 | bytes[i];
    return rank;
}

static inline bool sorted_rank(const struct sorted_order *order, const char *value, size_t size,
                               uint64_t *rank)
{
    if (!order->numeric)
        *rank = sorted_rank_bytes(value, size);
    else if (!sorted_rank_number(value, size, rank))
        return false;
    *rank = order->reverse ? ~*rank : *rank;
    return true;
}

static inline int sorted_compare_bytes(const char *a, size_t a_size, const char *b, size_t b_size)
{
    const int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

/* Two numbers that are the same double. */
static inline int sorted_compare_numbers(const struct sorted_record *a,
                                         const struct sorted_record *b)
{
    struct sorted_number left;
    struct sorted_number right;
    (void)sorted_parse(a->value, a->head.value_size, &left);
    (void)sorted_parse(b->value, b->head.value_size, &right);
    if (left.exponent || right.exponent || (left.whole_size | left.part_size) == 0 ||
        (right.whole_size | right.part_size) == 0)
        return 0;
    int order = (left.whole_size > right.whole_size) - (left.whole_size < right.whole_size);
    if (order == 0)
        order = memcmp(left.whole, right.whole, left.whole_size);
    if (order == 0)
        order = sorted_compare_bytes(left.part, left.part_size, right.part, right.part_size);
    return left.negative ? -order : order;
}

/* Below 0: `a` comes first; 0: they are equal. */
static inline int sorted_compare(const struct sorted_order *order, const struct sorted_record *a,
                                 const struct sorted_record *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    const int rest = order->numeric ? sorted_compare_numbers(a, b)
                                    : sorted_compare_bytes(a->value, a->head.value_size, b->value,
                                                           b->head.value_size);
    return order->reverse ? -rest : rest;
}

/* ---- the arena ---- */

static inline struct sorted_record sorted_at(const char *bytes, uint64_t rank)
{
    struct sorted_record record = {.rank = rank};
    memcpy(&record.head, bytes, sizeof(record.head));
    record.data = bytes + sizeof(record.head);
    record.key = record.data + record.head.size;
    record.value = record.data + record.head.value_at;
    return record;
}

static inline struct sorted_record sorted_get(const struct sorted_arena *arena, size_t i)
{
    return sorted_at(arena->bytes + arena->items[i].at, arena->items[i].rank);
}

/* The memory that it takes with one more record, and to be sorted. */
static inline uint64_t sorted_used(const struct sorted_arena *arena,
                                   const struct flow_record *record)
{
    return arena->used + sizeof(struct sorted_head) + record->size + record->key_size +
           (uint64_t)(arena->count + 1) * 2 * sizeof(struct sorted_item);
}

static inline bool sorted_reserve(struct sorted_arena *arena, size_t size)
{
    if (arena->size - arena->used < size) {
        const size_t more = arena->used / 2 + size + 4096;
        char *bytes = realloc(arena->bytes, arena->used + more);
        if (bytes == NULL)
            return false;
        arena->bytes = bytes;
        arena->size = arena->used + more;
    }
    if (arena->count < arena->capacity)
        return true;
    const size_t capacity = arena->capacity < 1024 ? 1024 : arena->capacity / 2 * 3;
    struct sorted_item *items = realloc(arena->items, capacity * sizeof(*items));
    if (items == NULL)
        return false;
    arena->items = items;
    arena->capacity = capacity;
    return true;
}

/* Column `column`, from 1, of the data at `to`. */
static inline const char *sorted_find_column(const struct sorted_order *order, const char *to,
                                             struct sorted_head *head)
{
    const char *at = to;
    const char *end = to + head->size;
    for (size_t left = order->column - 1; left > 0; left--) {
        const char *next = memchr(at, order->separator, (size_t)(end - at));
        if (next == NULL)
            return "it has no such column";
        at = next + 1;
    }
    const char *stop = memchr(at, order->separator, (size_t)(end - at));
    head->value_at = (uint32_t)(at - to);
    head->value_size = (uint32_t)((stop != NULL ? stop : end) - at);
    return NULL;
}

/* The field; a text with escapes is put behind data and key, where there is room for it. */
static inline const char *sorted_find_field(const struct sorted_order *order, char *to,
                                            struct sorted_head *head)
{
    struct flow_json_value value;
    const enum flow_json_found found = flow_json_find(&order->paths, to, head->size, &value);
    if (found != FLOW_JSON_FOUND)
        return found == FLOW_JSON_BROKEN ? "it is no JSON" : "it has no such field";
    size_t size;
    const bool text = flow_json_is_text(&value);
    head->value_at = (uint32_t)(flow_json_raw(&value, &size) - to) + text;
    head->value_size = (uint32_t)size - (text ? 2 : 0);
    if (!value.escaped)
        return NULL;
    head->value_at = head->size + head->key_size;
    head->value_size = (uint32_t)flow_json_put_string(&value, to + head->value_at);
    return NULL;
}

static inline const char *sorted_find(const struct sorted_order *order, char *to,
                                      struct sorted_head *head)
{
    switch (order->by) {
    case SORTED_BY_COLUMN:
        return sorted_find_column(order, to, head);
    case SORTED_BY_FIELD:
        return sorted_find_field(order, to, head);
    case SORTED_BY_KEY:
        head->value_at = head->size;
        head->value_size = head->key_size;
        return head->key_size > 0 ? NULL : "it has no key";
    case SORTED_BY_RECORD:
        break;
    }
    head->value_size = head->size;
    return NULL;
}

/* Add a copy of a record.  False: `*fault` says what is wrong with it, NULL: there is no memory. */
static inline bool sorted_add(const struct sorted_order *order, struct sorted_arena *arena,
                              const struct flow_record *record, const char **fault)
{
    uint64_t rank = 0;
    *fault = NULL;
    struct sorted_head head = {.size = (uint32_t)record->size,
                               .key_size = (uint32_t)record->key_size};
    if (!sorted_reserve(arena, sizeof(head) + 2 * record->size + record->key_size))
        return false;
    char *to = arena->bytes + arena->used + sizeof(head);
    memcpy(to, record->data, record->size);
    if (record->key_size > 0)
        memcpy(to + record->size, record->key, record->key_size);
    *fault = sorted_find(order, to, &head);
    if (*fault == NULL && !sorted_rank(order, to + head.value_at, head.value_size, &rank))
        *fault = "no number is there to sort it by";
    if (*fault != NULL)
        return false;
    memcpy(to - sizeof(head), &head, sizeof(head));
    arena->items[arena->count++] = (struct sorted_item){rank, arena->used};
    arena->used += sizeof(head) + sorted_size(&head);
    return true;
}

static inline void sorted_empty(struct sorted_arena *arena)
{
    arena->count = arena->used = 0;
}

static inline void sorted_clear(struct sorted_arena *arena)
{
    free(arena->bytes);
    free(arena->items);
    *arena = (struct sorted_arena){0};
}

/* ---- sorting ---- */

/* One pass over a byte of the ranks. */
static inline void sorted_pass(const struct sorted_item *from, struct sorted_item *to, size_t count,
                               const size_t *counts, unsigned shift)
{
    size_t places[256];
    size_t place = 0;
    for (int i = 0; i < 256; i++) {
        places[i] = place;
        place += counts[i];
    }
    for (size_t i = 0; i < count; i++)
        to[places[from[i].rank >> shift & 255]++] = from[i];
}

/* By rank, lowest byte first, equal ones as they were; bytes that are all the same are skipped. */
static inline bool sorted_by_rank(struct sorted_arena *arena)
{
    static const size_t bytes = sizeof(uint64_t);
    struct sorted_item *other = malloc(arena->count * sizeof(*other));
    size_t(*counts)[256] = calloc(bytes, sizeof(*counts));
    for (size_t i = 0; other != NULL && counts != NULL && i < arena->count; i++) {
        for (unsigned b = 0; b < bytes; b++)
            counts[b][arena->items[i].rank >> (b * 8) & 255]++;
    }
    const bool done = other != NULL && counts != NULL;
    struct sorted_item *from = arena->items;
    for (unsigned b = 0; done && b < bytes; b++) {
        if (counts[b][from[0].rank >> (b * 8) & 255] == arena->count)
            continue;
        sorted_pass(from, other, arena->count, counts[b], b * 8);
        struct sorted_item *sorted = other;
        other = from;
        from = sorted;
    }
    if (from != arena->items) {
        memcpy(other, from, arena->count * sizeof(*from));
        other = from;
    }
    free(other);
    free(counts);
    return done;
}

struct sorted_context {
    const struct sorted_order *order;
    const struct sorted_arena *arena;
};

static inline int sorted_compare_items(const void *a, const void *b, void *context)
{
    const struct sorted_context *c = context;
    const struct sorted_item *left = a;
    const struct sorted_item *right = b;
    const struct sorted_record l = sorted_at(c->arena->bytes + left->at, left->rank);
    const struct sorted_record r = sorted_at(c->arena->bytes + right->at, right->rank);
    const int order = sorted_compare(c->order, &l, &r);
    return order != 0 ? order : (left->at > right->at) - (left->at < right->at);
}

/* Sort the items; false: no memory. */
static inline bool sorted_sort(const struct sorted_order *order, struct sorted_arena *arena)
{
    struct sorted_context context = {order, arena};
    if (arena->count == 0)
        return true;
    if (!sorted_by_rank(arena))
        return false;
    for (size_t i = 0, next; i < arena->count; i = next) {
        next = i + 1;
        while (next < arena->count && arena->items[next].rank == arena->items[i].rank)
            next++;
        if (next - i > 1)
            qsort_r(arena->items + i, next - i, sizeof(*arena->items), sorted_compare_items,
                    &context);
    }
    return true;
}

#endif /* FLOW_STAGES_SORTED_H */
