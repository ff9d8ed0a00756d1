/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_PANE_H
#define FLOW_STAGES_PANE_H

/*
 * The records of one stretch of time, or of all time, summed up for each of their keys.
 * Sums carry what rounding took from them (Neumaier 1974).
 */

#include <flowrun/stage.h>

#include <stdlib.h>

#include "shared/key_table.h"
#include "shared/saved.h"

struct sum {
    char *key;
    size_t key_size;
    uint64_t count;
    double total, lost;
    double least, most;
    double *values; /* for quantiles */
    size_t value_count, value_capacity;
};

struct pane {
    int64_t start; /* ns */
    struct flow_key_table table;
    struct sum *sums; /* in the order in which their keys came */
    size_t count, capacity;
};

static inline struct pane *pane_new(int64_t start)
{
    struct pane *pane = calloc(1, sizeof(*pane));
    if (pane == NULL)
        return NULL;
    pane->start = start;
    flow_key_table_init(&pane->table);
    return pane;
}

static inline void pane_free(struct pane *pane)
{
    for (size_t i = 0; pane != NULL && i < pane->count; i++) {
        free(pane->sums[i].key);
        free(pane->sums[i].values);
    }
    if (pane != NULL) {
        flow_key_table_clear(&pane->table);
        free(pane->sums);
    }
    free(pane);
}

/* The sum of a key, which is empty if it is new; NULL: no memory. */
static inline struct sum *pane_find(struct pane *pane, const char *key, size_t size)
{
    struct flow_key wanted;
    const uint64_t hash = flow_key_load(&wanted, key, size, key + size, &pane->table.seed);
    struct flow_key_slot *slot = flow_key_table_slot(&pane->table, &wanted, hash);
    if (slot == NULL)
        return NULL;
    if (slot->count > 0)
        return &pane->sums[slot->count - 1];
    if (pane->count == pane->capacity) {
        const size_t capacity = pane->capacity == 0 ? 16 : pane->capacity * 2;
        struct sum *sums = realloc(pane->sums, capacity * sizeof(*sums));
        if (sums == NULL)
            return NULL;
        pane->sums = sums;
        pane->capacity = capacity;
    }
    char *copy = malloc(size + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, key, size);
    pane->sums[pane->count++] = (struct sum){.key = copy, .key_size = size};
    slot->count = pane->count;
    return &pane->sums[pane->count - 1];
}

static inline bool sum_keep(struct sum *sum, double value)
{
    if (sum->value_count == sum->value_capacity) {
        const size_t capacity = sum->value_capacity == 0 ? 16 : sum->value_capacity * 2;
        double *values = realloc(sum->values, capacity * sizeof(*values));
        if (values == NULL)
            return false;
        sum->values = values;
        sum->value_capacity = capacity;
    }
    sum->values[sum->value_count++] = value;
    return true;
}

static inline void sum_add(struct sum *sum, double value)
{
    const double total = sum->total + value;
    const bool larger = (sum->total < 0 ? -sum->total : sum->total) >= (value < 0 ? -value : value);
    sum->lost += larger ? (sum->total - total) + value : (value - total) + sum->total;
    sum->total = total;
    sum->least = sum->count == 0 || value < sum->least ? value : sum->least;
    sum->most = sum->count == 0 || value > sum->most ? value : sum->most;
    sum->count++;
}

/* As if nothing had come for the key yet. */
static inline void sum_reset(struct sum *sum)
{
    sum->count = sum->value_count = 0;
    sum->total = sum->lost = 0;
}

static inline int sum_compare(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* The values are sorted: what a share of them is at most, between two by their distance. */
static inline double sum_quantile(const struct sum *sum, double share)
{
    const double place = share * (double)(sum->value_count - 1);
    const size_t below = (size_t)place;
    const size_t above = below + 1 < sum->value_count ? below + 1 : below;
    return sum->values[below] + (sum->values[above] - sum->values[below]) * (place - (double)below);
}

static inline enum flow_status pane_save(const struct pane *pane, struct flow_saver *to)
{
    enum flow_status rc = flow_save_number(to, (uint64_t)pane->start);
    if (rc == FLOW_OK)
        rc = flow_save_number(to, pane->count);
    for (size_t i = 0; rc == FLOW_OK && i < pane->count; i++) {
        const struct sum *sum = &pane->sums[i];
        const double numbers[] = {sum->total, sum->lost, sum->least, sum->most};
        rc = flow_save_text(to, sum->key, sum->key_size);
        if (rc == FLOW_OK)
            rc = flow_save_number(to, sum->count);
        if (rc == FLOW_OK)
            rc = flow_save(to, numbers, sizeof(numbers));
        if (rc == FLOW_OK)
            rc = flow_save_text(to, sum->values != NULL ? (const void *)sum->values : "",
                                sum->value_count * sizeof(double));
    }
    return rc;
}

static inline enum flow_status pane_load_sum(struct pane *pane, struct flow_loader *from)
{
    const char *key;
    const char *values;
    size_t size;
    uint64_t count;
    double numbers[4];
    enum flow_status rc = flow_load_text(from, &key, &size);
    if (rc != FLOW_OK)
        return rc;
    struct sum *sum = pane_find(pane, key, size);
    if (sum == NULL)
        return FLOW_ENOMEM;
    rc = flow_load_number(from, &count);
    if (rc == FLOW_OK)
        rc = flow_load(from, numbers, sizeof(numbers));
    if (rc == FLOW_OK)
        rc = flow_load_text(from, &values, &size);
    for (size_t at = 0; rc == FLOW_OK && at < size; at += sizeof(double)) {
        double value;
        if (size - at < sizeof(value))
            return FLOW_EPROTO;
        memcpy(&value, values + at, sizeof(value));
        rc = sum_keep(sum, value) ? FLOW_OK : FLOW_ENOMEM;
    }
    if (rc != FLOW_OK)
        return rc;
    sum->count = count;
    sum->total = numbers[0];
    sum->lost = numbers[1];
    sum->least = numbers[2];
    sum->most = numbers[3];
    return FLOW_OK;
}

/* FLOW_OK and a pane of the caller's, or what is wrong. */
static inline enum flow_status pane_load(struct pane **pane, struct flow_loader *from)
{
    uint64_t start;
    uint64_t count;
    enum flow_status rc = flow_load_number(from, &start);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &count);
    if (rc != FLOW_OK)
        return rc;
    struct pane *loaded = pane_new((int64_t)start);
    rc = loaded != NULL ? FLOW_OK : FLOW_ENOMEM;
    for (; rc == FLOW_OK && count > 0; count--)
        rc = pane_load_sum(loaded, from);
    if (rc != FLOW_OK)
        pane_free(loaded);
    else
        *pane = loaded;
    return rc;
}

#endif /* FLOW_STAGES_PANE_H */
