/* SPDX-License-Identifier: MIT */
#include "record/frame.h"

#include <string.h>

#define MAGIC 0x31524c46u /* "FLR1" */
#define VERSION 1
#define FLAG_KEYED 0x80u /* beside enum flow_message_flag */
#define FLAG_LENT 0x40u
#define WORD sizeof(uint32_t)

struct header {
    uint32_t magic;
    uint16_t version;
    uint8_t kind;
    uint8_t flags;
    uint32_t link;
    uint32_t count;
    uint64_t run_id;
    union {
        struct {
            uint64_t sequence;
            uint64_t number;
        };
        struct {
            uint32_t received, done, acked, cost_ns;
        };
    };
    uint32_t data_size;
    uint32_t frame_size;
    uint32_t epoch;
    uint32_t incarnation;
    uint32_t reserved;
    uint32_t checksum;
};
_Static_assert(sizeof(struct header) == FLOW_FRAME_HEADER, "the header has its size");

/* What follows the header of a batch that is lent.  Positions are from the start of the memory. */
struct lease {
    uint64_t data;
    uint64_t top;
    uint32_t first;
    uint32_t slot;
    uint32_t tag;
    uint32_t reserved;
};
_Static_assert(sizeof(struct header) + sizeof(struct lease) == FLOW_FRAME_LEASE,
               "a lease has its size");

/* FNV-1a over the header before the checksum: against strangers and mix-ups, not against wire
 * noise, which a local socket does not have. */
static uint32_t checksum_of(const struct header *header)
{
    const uint8_t *bytes = (const uint8_t *)header;
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < offsetof(struct header, checksum); i++)
        sum = (sum ^ bytes[i]) * 16777619u;
    return sum;
}

static struct header header_of(const struct flow_message *message, const struct flow_wire *wire)
{
    struct header header = {
        .magic = MAGIC,
        .version = VERSION,
        .kind = message->kind,
        .flags = message->flags,
        .link = message->link,
        .run_id = wire->run_id,
        .frame_size = FLOW_FRAME_HEADER,
        .incarnation = wire->incarnation,
    };
    if (message->kind == FLOW_MESSAGE_CREDIT) {
        header.received = message->credit.received;
        header.done = message->credit.done;
        header.acked = message->credit.acked;
        header.cost_ns = message->credit.cost_ns;
    } else {
        header.sequence = message->sequence;
        header.number = message->batch.number;
    }
    return header;
}

static size_t word_aligned(size_t size)
{
    return (size + WORD - 1) & ~(WORD - 1);
}

size_t flow_frame_seal(const struct flow_message *message, const struct flow_wire *wire)
{
    const struct flow_block *block = message->batch.block;
    struct header header = header_of(message, wire);
    header.count = block->count;
    header.data_size = (uint32_t)block->size;
    header.frame_size = (uint32_t)(FLOW_FRAME_HEADER + (size_t)(block->top - block->data));
    if (block->keyed)
        header.flags |= FLAG_KEYED;
    header.checksum = checksum_of(&header);
    memcpy(block->frame, &header, sizeof(header));
    return header.frame_size;
}

void flow_frame_write(const struct flow_message *message, const struct flow_wire *wire,
                      uint8_t *frame)
{
    struct header header = header_of(message, wire);
    header.checksum = checksum_of(&header);
    memcpy(frame, &header, sizeof(header));
}

/* The flags that such a frame can have. */
static uint8_t flags_of(const struct header *header)
{
    if (header->kind != FLOW_MESSAGE_BATCH)
        return 0;
    return FLOW_MESSAGE_LAST | FLOW_MESSAGE_ASK | FLAG_KEYED | FLAG_LENT;
}

static enum flow_status check_header(const struct header *header, size_t size, uint64_t run_id,
                                     struct flow_error *err)
{
    if (header->magic != MAGIC)
        return flow_fail(err, FLOW_EPROTO, "a frame starts with %08x instead of %08x",
                         header->magic, MAGIC);
    if (header->version != VERSION)
        return flow_fail(err, FLOW_EPROTO, "a frame has version %u, this program speaks %u",
                         header->version, VERSION);
    if (header->checksum != checksum_of(header))
        return flow_fail(err, FLOW_EPROTO, "a frame's header has a wrong checksum");
    if (header->run_id != run_id)
        return flow_fail(err, FLOW_EPROTO, "a frame belongs to another run");
    if (header->frame_size != size)
        return flow_fail(err, FLOW_EPROTO, "a frame of %zu bytes says that it has %u", size,
                         header->frame_size);
    if (header->kind < FLOW_MESSAGE_BATCH || header->kind > FLOW_MESSAGE_BARRIER)
        return flow_fail(err, FLOW_EPROTO, "a frame has the unknown kind %u", header->kind);
    if ((header->flags & ~flags_of(header)) != 0)
        return flow_fail(err, FLOW_EPROTO, "a frame of kind %u has the flags %02x", header->kind,
                         header->flags);
    if (header->kind != FLOW_MESSAGE_CREDIT && header->sequence > UINT32_MAX)
        return flow_fail(err, FLOW_EPROTO, "a frame's sequence number has more than 32 bits");
    if (header->epoch != 0 || header->reserved != 0)
        return flow_fail(err, FLOW_EPROTO, "a frame uses reserved fields of its header");
    return FLOW_OK;
}

void flow_frame_write_lease(const struct flow_message *message, const struct flow_wire *wire,
                            const struct flow_block *view, uint8_t frame[FLOW_FRAME_LEASE])
{
    const uint8_t *map = wire->memory->map;
    const struct lease lease = {
        .data = (uint64_t)(view->lease.data - map),
        .top = (uint64_t)(view->lease.top - map),
        .first = view->lease.first,
        .slot = (uint32_t)(view->lease.slot - flow_memory_slots(wire->memory, message->link)),
        .tag = view->lease.tag,
    };
    struct header header = header_of(message, wire);
    header.count = view->count;
    header.data_size = (uint32_t)view->size;
    header.frame_size = FLOW_FRAME_LEASE;
    header.flags |= (uint8_t)(FLAG_LENT | (view->keyed ? FLAG_KEYED : 0));
    header.checksum = checksum_of(&header);
    memcpy(frame, &header, sizeof(header));
    memcpy(frame + sizeof(header), &lease, sizeof(lease));
}

/* Every end lies behind the one before it (the first: behind `start`), and each key inside its
 * record. */
static bool is_column_sound(const struct flow_block *view, uint32_t start)
{
    const size_t step = view->keyed ? 2 : 1;
    uint32_t before = start;
    for (size_t i = 0; i < view->count; i++) {
        const uint32_t end = flow_column_(view->top, i * step);
        if (end < before || (view->keyed && flow_column_(view->top, i * step + 1) > end - before))
            return false;
        before = end;
    }
    return before - start == view->size;
}

static enum flow_status refuse_column(struct flow_error *err)
{
    return flow_fail(err, FLOW_EPROTO, "a frame's record ends are out of order");
}

static enum flow_status read_records(const uint8_t *frame, const struct header *header,
                                     struct flow_block *view, struct flow_error *err)
{
    const bool keyed = (header->flags & FLAG_KEYED) != 0;
    const size_t column = (size_t)header->count * WORD * (keyed ? 2 : 1);
    if (header->count > FLOW_BATCH_RECORDS_MAX)
        return flow_fail(err, FLOW_EPROTO, "a frame has %u records, at most %u are possible",
                         header->count, FLOW_BATCH_RECORDS_MAX);
    if (FLOW_FRAME_HEADER + word_aligned(header->data_size) + column != header->frame_size)
        return flow_fail(err, FLOW_EPROTO,
                         "a frame of %u bytes cannot hold %u records with %u bytes of data",
                         header->frame_size, header->count, header->data_size);

    view->lease.data = NULL;
    view->data = frame + FLOW_FRAME_HEADER;
    view->top = frame + header->frame_size;
    view->size = header->data_size;
    view->count = header->count;
    view->keyed = keyed;
    return is_column_sound(view, 0) ? FLOW_OK : refuse_column(err);
}

/* Data and column lie among the arenas, and the slot is one of the link's. */
static enum flow_status read_lease(const uint8_t *frame, const struct header *header,
                                   const struct flow_memory *memory, struct flow_block *view,
                                   struct flow_error *err)
{
    struct lease lease;
    const bool keyed = (header->flags & FLAG_KEYED) != 0;
    if (memory == NULL || header->frame_size != FLOW_FRAME_LEASE)
        return flow_fail(err, FLOW_EPROTO, "a frame of %u bytes lends what it cannot",
                         header->frame_size);
    memcpy(&lease, frame + sizeof(*header), sizeof(lease));
    if (header->count > FLOW_BATCH_RECORDS_MAX ||
        lease.first > FLOW_BATCH_RECORDS_MAX - header->count)
        return flow_fail(err, FLOW_EPROTO,
                         "a frame lends records %u to %u, at most %u are possible", lease.first,
                         lease.first + header->count, FLOW_BATCH_RECORDS_MAX);
    const size_t column = ((size_t)lease.first + header->count) * WORD * (keyed ? 2 : 1);
    if (lease.data < memory->arenas_at || lease.data > memory->size ||
        header->data_size > memory->size - lease.data || lease.top < memory->arenas_at + column ||
        lease.top > memory->size || lease.top % WORD != 0)
        return flow_fail(err, FLOW_EPROTO,
                         "a frame lends %u bytes that do not lie in the run's shared memory",
                         header->data_size);
    if (header->link >= memory->links || lease.slot >= FLOW_SLOTS || lease.reserved != 0)
        return flow_fail(err, FLOW_EPROTO, "a frame lends by slot %u of link %u, which is none",
                         lease.slot, header->link);

    view->size = header->data_size;
    view->count = header->count;
    view->keyed = keyed;
    view->lease = (struct flow_lease){
        .data = memory->map + lease.data,
        .top = memory->map + lease.top,
        .first = lease.first,
        .tag = lease.tag,
        .slot = flow_memory_slots(memory, header->link) + lease.slot,
    };
    return FLOW_OK;
}

/* Make ends count from `start`. */
static void shift_ends(const struct flow_block *view, uint8_t *top, uint32_t start)
{
    const size_t step = view->keyed ? 2 : 1;
    for (size_t i = 0; i < view->count; i++) {
        const uint32_t end = flow_column_(top, i * step) - start;
        memcpy(top - (i * step + 1) * WORD, &end, WORD);
    }
}

enum flow_status flow_frame_copy_column(struct flow_block *view, const struct flow_memory *memory,
                                        uint8_t *top, struct flow_error *err)
{
    const struct flow_lease *lease = &view->lease;
    const size_t step = view->keyed ? 2 : 1;
    const size_t column = flow_frame_column(view);
    const uint32_t start =
        lease->first > 0 ? flow_column_(lease->top, (lease->first - 1) * step) : 0;
    memcpy(top - column, lease->top - lease->first * step * WORD - column, column);
    atomic_signal_fence(memory_order_seq_cst); /* nothing below is read from there once more */

    view->top = top;
    const size_t room = (size_t)(memory->map + memory->size - lease->data);
    if (start > room || view->size > room - start || !is_column_sound(view, start))
        return refuse_column(err);
    if (start > 0)
        shift_ends(view, top, start);
    view->data = lease->data + start;
    return FLOW_OK;
}

enum flow_status flow_frame_read(const uint8_t *frame, size_t size, const struct flow_wire *wire,
                                 struct flow_message *message, struct flow_block *view,
                                 struct flow_error *err)
{
    struct header header;
    if (size < sizeof(header))
        return flow_fail(err, FLOW_EPROTO, "a frame of %zu bytes is shorter than its header", size);
    memcpy(&header, frame, sizeof(header));
    enum flow_status rc = check_header(&header, size, wire->run_id, err);
    if (rc != FLOW_OK)
        return rc;

    *message = (struct flow_message){
        .kind = header.kind,
        .flags = header.flags & (uint8_t) ~(FLAG_KEYED | FLAG_LENT),
        .link = header.link,
    };
    if (header.kind == FLOW_MESSAGE_CREDIT) {
        message->credit.received = header.received;
        message->credit.done = header.done;
        message->credit.acked = header.acked;
        message->credit.cost_ns = header.cost_ns;
    } else {
        message->sequence = (uint32_t)header.sequence;
        message->batch.number = header.number;
    }
    if (header.kind == FLOW_MESSAGE_BATCH && header.count > 0) {
        message->count = (uint16_t)header.count;
        return (header.flags & FLAG_LENT) != 0 ? read_lease(frame, &header, wire->memory, view, err)
                                               : read_records(frame, &header, view, err);
    }
    if (header.count != 0 || size != FLOW_FRAME_HEADER || header.data_size != 0 ||
        (header.flags & (FLAG_KEYED | FLAG_LENT)) != 0)
        return flow_fail(err, FLOW_EPROTO, "a frame without records has %zu bytes", size);
    return FLOW_OK;
}

uint32_t flow_frame_incarnation(const uint8_t *frame)
{
    uint32_t incarnation;
    memcpy(&incarnation, frame + offsetof(struct header, incarnation), sizeof(incarnation));
    return incarnation;
}
