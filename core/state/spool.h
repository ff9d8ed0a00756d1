/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STATE_SPOOL_H
#define FLOW_STATE_SPOOL_H

/*
 * A spool: the log of what one replica of a producer has emitted, in the state folder.
 *
 *     spool-2-0            spool-2-16790112        spool-2-33561000
 *     ├ entry ┼ entry ┤    ├ entry ┼ … ┼ entry ┤   ├ entry ┼ …
 *             ^ position: a checkpoint holds what lies before               ^ end
 *
 * Offsets count bytes from the first entry that there ever was; a file, a segment, is named by the
 * replica and by the offset of its first byte.  An entry is a header, with its offset and a
 * checksum, and some records.  The last segment may end in half an entry, whose records nobody has
 * been told to be safe; a run that goes on begins a segment of its own where the last whole one
 * ends.  Anything else that is not whole is damage: each entry says how much was on the disk when
 * it was written, so what is not whole before such an entry is no half one.  Only damage to what
 * was brought to the disk last cannot be told from that.
 *
 * Threads: one owner.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flowrun/error.h"
#include "state/disk.h"

/* A record in an entry; `key` NULL: none. */
struct flow_spool_record {
    unsigned port;
    const uint8_t *data;
    size_t size;
    const uint8_t *key;
    size_t key_size;
};

struct flow_spool {
    const struct flow_disk *disk;
    int folder; /* a descriptor, borrowed */
    size_t replica;
    uint64_t position; /* what lies before has been emitted in this run, or needs not be */
    uint64_t end;      /* of the whole entries */
    uint64_t first;    /* where the oldest segment begins */
    uint64_t synced;   /* what lies before is on the disk */
    uint64_t torn;     /* bytes behind the whole entries that were there, and are left out */
    uint64_t segment;  /* where the one begins that is written to */
    int fd;            /* of it; -1: none yet */
    bool unnamed;      /* its name may not be on the disk */
    uint8_t *entry;    /* the open entry, its header first */
    size_t size, capacity, written;
    uint32_t count; /* records in it */
    bool sealed;    /* it is being written */
    uint8_t *past;  /* an entry that was read */
    size_t past_capacity;
};

#define FLOW_SPOOL_CLOSED                                                                          \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/*
 * Find what there is from spool->position on, which the caller has set, with disk, folder and
 * replica.  FLOW_EPROTO: it is damaged, or some of it is missing; FLOW_EIO, FLOW_ENOMEM.
 */
FLOW_NODISCARD enum flow_status flow_spool_open(struct flow_spool *spool, struct flow_error *err);
void flow_spool_close(struct flow_spool *spool);

/* Add a copy of a record to the open entry, which is not being written (flow_spool_write has not
 * returned FLOW_EAGAIN the last time).  False: no memory. */
bool flow_spool_add(struct flow_spool *spool, const struct flow_spool_record *record);

/*
 * Write the open entry; and have everything on the disk.  FLOW_EAGAIN: the disk is full; call it
 * again later.  FLOW_EIO: it is not to be called again, and what is not on the disk may be lost.
 */
FLOW_NODISCARD enum flow_status flow_spool_write(struct flow_spool *spool, struct flow_error *err);
FLOW_NODISCARD enum flow_status flow_spool_sync(struct flow_spool *spool, struct flow_error *err);

/* The entry at spool->position: its records, to be gone through by flow_spool_next, and where the
 * one behind it begins.  FLOW_EPROTO, FLOW_EIO, FLOW_ENOMEM. */
struct flow_spool_cursor {
    const uint8_t *at, *end;
    uint32_t left;
};

FLOW_NODISCARD enum flow_status flow_spool_read(struct flow_spool *spool,
                                                struct flow_spool_cursor *cursor, uint64_t *next,
                                                struct flow_error *err);
bool flow_spool_next(struct flow_spool_cursor *cursor, struct flow_spool_record *record);

/* What lies before the offset will not be asked for any more: remove the segments of it. */
void flow_spool_trim(struct flow_spool *spool, uint64_t before);

#endif /* FLOW_STATE_SPOOL_H */
