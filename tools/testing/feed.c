/* SPDX-License-Identifier: MIT */
/* Records for a stage under test, and the batches that it gets them in. */
#include "testing/harness.h"

#include <stdlib.h>

char *flow_harness_copy(const void *data, size_t size)
{
    char *text = flow_harness_must(malloc(size + 1));
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

void flow_harness_add(struct flow_harness_record **list, size_t *count,
                      const struct flow_harness_record *record)
{
    if ((*count & (*count - 1)) == 0) /* 0 or a power of two: the list is full */
        *list = flow_harness_must(realloc(*list, (*count > 0 ? *count * 2 : 1) * sizeof(**list)));
    (*list)[*count] = (struct flow_harness_record){
        .port = record->port,
        .data = flow_harness_copy(record->data, record->size),
        .size = record->size,
        .key = record->key_size > 0 ? flow_harness_copy(record->key, record->key_size) : NULL,
        .key_size = record->key_size,
    };
    (*count)++;
}

void flow_harness_feed_record(struct flow_harness *h, const struct flow_record *record)
{
    flow_harness_require(h, record->port < h->info.inputs, "it has no input port %u", record->port);
    struct flow_harness_record fed = {
        .port = record->port,
        .size = record->size,
        .key_size = record->key_size,
    };
    memcpy(&fed.data, &record->data, sizeof(fed.data)); /* only read from */
    memcpy(&fed.key, &record->key, sizeof(fed.key));
    flow_harness_add(&h->fed, &h->fed_count, &fed);
}

void flow_harness_feed(struct flow_harness *h, const char *text)
{
    flow_harness_feed_bytes(h, text, strlen(text));
}

void flow_harness_feed_bytes(struct flow_harness *h, const void *data, size_t size)
{
    flow_harness_feed_record(h, &(struct flow_record){.data = data, .size = size});
}

void flow_harness_feed_keyed(struct flow_harness *h, const char *key, const char *text)
{
    flow_harness_feed_record(
        h, &(struct flow_record){
               .data = text, .size = strlen(text), .key = key, .key_size = strlen(key)});
}

/*
 * The batch in hand, in the private layout: bytes upwards, the column of ends and key sizes
 * downwards.  It is the harness's, which frees it also where the stage ends the test.
 */
static struct flow_batch pack(struct flow_harness *h, size_t first, size_t count)
{
    size_t size = 0;
    for (size_t i = first; i < first + count; i++)
        size += h->fed[i].size + h->fed[i].key_size;
    h->bytes = flow_harness_must(malloc(size));
    h->column = flow_harness_must(malloc(count * 2 * sizeof(*h->column)));
    uint32_t end = 0;
    for (size_t i = 0; i < count; i++) {
        const struct flow_harness_record *record = &h->fed[first + i];
        memcpy(h->bytes + end, record->data, record->size);
        end += (uint32_t)record->size;
        if (record->key_size > 0)
            memcpy(h->bytes + end, record->key, record->key_size);
        end += (uint32_t)record->key_size;
        h->column[count * 2 - 1 - i * 2] = end;
        h->column[count * 2 - 2 - i * 2] = (uint32_t)record->key_size;
    }
    return (struct flow_batch){
        .bytes = h->bytes,
        .top = (const uint8_t *)(h->column + count * 2),
        .count = (uint32_t)count,
        .keyed = true,
        .port = h->fed[first].port,
        .number = first,
    };
}

void flow_harness_clear_batch(struct flow_harness *h)
{
    free(h->bytes);
    free(h->column);
    h->bytes = NULL;
    h->column = NULL;
    h->in_hand = 0;
}

/* How many records make the next batch: they have arrived on the same port. */
static size_t count_batch(const struct flow_harness *h, size_t first)
{
    const size_t most = h->options.batch;
    size_t end = first + 1;
    while (end < h->fed_count && (most == 0 || end - first < most) &&
           h->fed[end].port == h->fed[first].port)
        end++;
    return end - first;
}

/* Hand the stage one record. */
static enum flow_status take(struct flow_harness *h, const struct flow_record *record,
                             uint32_t index)
{
    h->in_hand = 1;
    h->taken = record;
    h->taken_index = index;
    h->holds = NULL;
    const enum flow_status rc = h->type->process(h->state, &h->stage, record);
    if (rc != FLOW_OK && h->holds != NULL)
        flow_harness_forget(h, h->holds);
    h->taken = NULL;
    h->resumed = NULL;
    return rc == FLOW_EBAD ? FLOW_OK : rc;
}

enum flow_status flow_harness_give(struct flow_harness *h)
{
    const size_t first = h->given;
    const size_t count = count_batch(h, first);
    h->given += count;
    const struct flow_batch batch = pack(h, first, count);
    enum flow_status rc = FLOW_OK;
    if (h->by_batch) {
        h->in_hand = batch.count;
        rc = h->type->process_batch(h->state, &h->stage, &batch);
        flow_harness_require(h, rc != FLOW_EBAD,
                             "process_batch returns FLOW_EBAD; after flow_batch_reject go on");
    }
    for (uint32_t i = 0; !h->by_batch && rc == FLOW_OK && i < batch.count; i++) {
        const struct flow_record record = flow_batch_record(&batch, i);
        while (rc == FLOW_OK && h->flight_count >= h->most)
            rc = flow_harness_turn(h);
        if (rc == FLOW_OK)
            rc = take(h, &record, (uint32_t)(first + i));
    }
    flow_harness_clear_batch(h);
    return rc;
}
