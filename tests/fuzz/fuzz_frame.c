/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer plays the other process: it writes a frame and, in shared memory, what the frame lends.
 * Whatever the bytes, they must be refused, or every record must lie where it may be read.  The
 * header's magic and checksum are put right, but for inputs that begin with '!', or nothing would
 * ever get past them.
 *
 *     fuzz_frame -max_len=4096 CORPUS
 */
#include "record/frame.h"

#include "fuzz.h"

#define RUN 1
#define ARENA FLOW_MEMORY_GRAIN

static void mend(uint8_t *frame, size_t size)
{
    const uint32_t magic = 0x31524c46, frame_size = (uint32_t)size;
    const uint64_t run_id = RUN;
    memcpy(frame, &magic, sizeof(magic));
    frame[4] = 1; /* the version */
    frame[5] = 0;
    memcpy(frame + 16, &run_id, sizeof(run_id));
    memcpy(frame + 44, &frame_size, sizeof(frame_size));
    memset(frame + 48, 0, 12); /* epoch, incarnation, reserved */
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < 60; i++)
        sum = (sum ^ frame[i]) * 16777619u;
    memcpy(frame + 60, &sum, sizeof(sum));
}

/* Read every byte of every record, as a stage would. */
static unsigned read_all(const struct flow_block *view)
{
    unsigned sum = 0;
    const struct flow_batch batch = flow_block_view(view, 0, view->count);
    for (uint32_t i = 0; i < batch.count; i++) {
        const struct flow_record record = flow_batch_record(&batch, i);
        for (size_t k = 0; k < record.size; k++)
            sum += ((const uint8_t *)record.data)[k];
        for (size_t k = 0; k < record.key_size; k++)
            sum += ((const uint8_t *)record.key)[k];
    }
    return sum;
}

/* What was read says the same when it is written again. */
static void write_again(const struct flow_wire *wire, const uint8_t *frame,
                        const struct flow_message *message, const struct flow_block *view)
{
    uint8_t again[FLOW_FRAME_LEASE];
    if (view->lease.data != NULL) {
        flow_frame_write_lease(message, wire, view, again);
        MUST_HOLD(memcmp(frame, again, FLOW_FRAME_LEASE) == 0);
    } else if (view->count == 0) {
        flow_frame_write(message, wire, again);
        MUST_HOLD(memcmp(frame, again, FLOW_FRAME_HEADER) == 0);
    }
}

static void read_frame(const struct flow_wire *wire, const uint8_t *frame, size_t size)
{
    struct flow_message message;
    struct flow_block view = {0};
    struct flow_error err = {0};
    const enum flow_status rc = flow_frame_read(frame, size, wire, &message, &view, &err);
    MUST_HOLD((rc == FLOW_OK) == (err.text[0] == '\0'));
    if (rc != FLOW_OK)
        return;
    write_again(wire, frame, &message, &view);
    if (view.count == 0)
        return;
    uint8_t *column = NULL;
    if (view.lease.data != NULL) {
        const size_t room = flow_frame_column(&view);
        column = malloc(room);
        if (column == NULL || flow_frame_copy_column(&view, wire->memory, column + room, NULL)) {
            free(column);
            return;
        }
    }
    volatile unsigned sum = read_all(&view);
    (void)sum;
    free(column);
}

/* The first FLOW_FRAME_LEASE bytes are the frame of a lease, the rest lies where the arenas begin;
 * or all of it is a frame. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct flow_memory memory;
    static uint8_t *arena;
    if (memory.map == NULL) {
        const struct flow_memory_size sizes = {.links = 2, .arena_bytes = ARENA};
        if (flow_memory_new(&sizes, &memory, NULL) != FLOW_OK ||
            flow_memory_own(&memory, 0, ARENA, &arena, NULL) != FLOW_OK)
            abort();
    }
    const struct flow_wire wire = {.run_id = RUN, .memory = &memory};
    if (size < FLOW_FRAME_LEASE)
        return 0;

    const bool lends = (data[7] & 0x40) != 0;
    const size_t frame_size = lends ? FLOW_FRAME_LEASE : size;
    const size_t rest = size - frame_size;
    uint8_t *frame = malloc(frame_size);
    if (frame == NULL)
        return 0;
    memcpy(frame, data, frame_size);
    if (data[0] != '!')
        mend(frame, frame_size);
    memcpy(arena, data + frame_size, rest < ARENA ? rest : ARENA);
    read_frame(&wire, frame, frame_size);
    free(frame);
    return 0;
}
