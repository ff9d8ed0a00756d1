/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STATE_BLOB_H
#define FLOW_STATE_BLOB_H

/*
 * What one replica saves at a checkpoint: bytes.  A few of them travel with the news that they are
 * there and come to lie in the manifest; more of them become a file of their own, which is written
 * as they come and is on the disk, but for its name, before the news is sent.
 *
 * Threads: one owner.
 */

#include <stdbool.h>
#include <stdint.h>

#include "flowrun/error.h"
#include "flowrun/stage.h"
#include "state/disk.h"

#define FLOW_BLOB_INLINE 512u /* so many bytes at most go without a file */
#define FLOW_BLOB_NAME 48     /* bytes of a file's name, its zero included */

/* What has become of it: what a manifest says of it. */
struct flow_blob {
    uint64_t size;             /* bytes */
    uint64_t checksum;         /* of them */
    char file[FLOW_BLOB_NAME]; /* in the state folder; "": they are in `bytes` */
    uint8_t bytes[FLOW_BLOB_INLINE];
};

struct flow_blob_writer {
    struct flow_saver saver; /* first: what a stage is handed is the writer itself */
    const struct flow_disk *disk;
    int folder;
    int fd; /* -1: no file yet */
    struct flow_error *err;
    uint8_t *buffer;
    size_t used;
    struct flow_blob *blob;
};

/*
 * Begin.  `folder` is a descriptor of the state folder, and `name` what a file would be called
 * there.  `blob` and `err` are filled in as the writing goes on and must outlive it.  FLOW_ENOMEM.
 */
FLOW_NODISCARD enum flow_status flow_blob_begin(struct flow_blob_writer *writer,
                                                const struct flow_disk *disk, int folder,
                                                const char *name, struct flow_blob *blob,
                                                struct flow_error *err);

/* All has been saved: `blob` is whole, and a file is on the disk.  FLOW_EIO. */
FLOW_NODISCARD enum flow_status flow_blob_end(struct flow_blob_writer *writer);

/* Release what begin took; after end, or instead of it. */
void flow_blob_clear(struct flow_blob_writer *writer);

/*
 * The bytes of a blob, checked against its size and checksum, and to be freed.  FLOW_EPROTO: they
 * are not those; FLOW_EIO, FLOW_ENOMEM.
 */
FLOW_NODISCARD enum flow_status flow_blob_read(int folder, const struct flow_blob *blob,
                                               uint8_t **bytes, struct flow_error *err);

#define FLOW_CHECKSUM_START UINT64_C(0xcbf29ce484222325)
#define FLOW_CHECKSUM_STEP ((size_t)64 << 10)

/* Add bytes to a checksum.  All calls but the last have FLOW_CHECKSUM_STEP of them. */
uint64_t flow_checksum_add(uint64_t sum, const uint8_t *bytes, size_t size);

#endif /* FLOW_STATE_BLOB_H */
