/* SPDX-License-Identifier: MIT */
#include "engine/beside.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define KEEP_BYTES ((size_t)64 << 10) /* of memory that is kept for the next one */

struct head {
    uint64_t size, key_size;
    unsigned port;
};

static bool make_room(struct flow_beside *beside, size_t size)
{
    return flow_grow(&beside->bytes, &beside->capacity, beside->size + sizeof(struct head) + size,
                     1);
}

/* Data and key lie behind the place of the head already. */
static void end_piece(struct flow_beside *beside, const struct head *head)
{
    memcpy(beside->bytes + beside->size, head, sizeof(*head));
    beside->size += sizeof(*head) + (size_t)(head->size + head->key_size);
    beside->count++;
    beside->reserved = 0;
}

bool flow_beside_add(struct flow_beside *beside, unsigned port, const struct flow_piece *piece)
{
    if (!make_room(beside, piece->size + piece->key_size))
        return false;
    uint8_t *at = beside->bytes + beside->size + sizeof(struct head);
    memcpy(at, piece->data, piece->size);
    if (piece->key_size > 0)
        memcpy(at + piece->size, piece->key, piece->key_size);
    end_piece(beside, &(struct head){piece->size, piece->key_size, port});
    return true;
}

void *flow_beside_reserve(struct flow_beside *beside, size_t size)
{
    if (!make_room(beside, size))
        return NULL;
    beside->reserved = size;
    return beside->bytes + beside->size + sizeof(struct head);
}

bool flow_beside_commit(struct flow_beside *beside, unsigned port, size_t size, const void *key,
                        size_t key_size)
{
    if (size > beside->reserved || !make_room(beside, size + key_size))
        return false;
    if (key_size > 0)
        memcpy(beside->bytes + beside->size + sizeof(struct head) + size, key, key_size);
    end_piece(beside, &(struct head){size, key_size, port});
    return true;
}

bool flow_beside_next(const struct flow_beside *beside, size_t *at, unsigned *port,
                      struct flow_piece *piece)
{
    struct head head;
    if (*at >= beside->size)
        return false;
    memcpy(&head, beside->bytes + *at, sizeof(head));
    const uint8_t *data = beside->bytes + *at + sizeof(head);
    *port = head.port;
    *piece = (struct flow_piece){
        .data = data,
        .size = (size_t)head.size,
        .key = head.key_size > 0 ? data + head.size : NULL,
        .key_size = (size_t)head.key_size,
    };
    *at += sizeof(head) + (size_t)(head.size + head.key_size);
    return true;
}

void flow_beside_empty(struct flow_beside *beside)
{
    beside->size = beside->count = beside->reserved = 0;
    if (beside->capacity > KEEP_BYTES)
        flow_beside_clear(beside);
}

void flow_beside_clear(struct flow_beside *beside)
{
    free(beside->bytes);
    *beside = (struct flow_beside){0};
}
