/* SPDX-License-Identifier: MIT */
#include "state/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "flowrun/stage.h"
#include "state/blob.h"
#include "state/refuse.h"

#define MAGIC 0x4c505346u /* "FSPL" */
#define SEGMENT_BYTES ((uint64_t)16 << 20)
#define ENTRY_MOST ((uint64_t)1 << 30) /* far more than a record and what was open before it */

struct header {
    uint32_t magic;
    uint32_t count;
    uint64_t size; /* bytes behind the header */
    uint64_t offset;
    uint64_t synced;   /* what lies before was on the disk when this was written */
    uint64_t checksum; /* of what stands above, and of those bytes */
};

struct item { /* before the bytes and the key of a record */
    uint32_t size;
    uint32_t key_size;
    uint32_t port;
    uint32_t keyed;
};

static void name_segment(const struct flow_spool *spool, uint64_t start, char name[FLOW_BLOB_NAME])
{
    (void)snprintf(name, FLOW_BLOB_NAME, "spool-%zu-%" PRIu64, spool->replica, start);
}

/* The start of a segment of this replica; false: it is another file. */
static bool start_of(const struct flow_spool *spool, const char *name, uint64_t *start)
{
    char same[FLOW_BLOB_NAME];
    size_t replica;
    if (sscanf(name, "spool-%zu-%" SCNu64, &replica, start) != 2)
        return false;
    name_segment(spool, *start, same);
    return strcmp(name, same) == 0;
}

static uint64_t checksum_of(const struct header *header, const uint8_t *bytes)
{
    uint64_t sum = flow_checksum_add(FLOW_CHECKSUM_START, (const uint8_t *)header,
                                     offsetof(struct header, checksum));
    size_t left = (size_t)header->size;
    for (; left > FLOW_CHECKSUM_STEP; left -= FLOW_CHECKSUM_STEP, bytes += FLOW_CHECKSUM_STEP)
        sum = flow_checksum_add(sum, bytes, FLOW_CHECKSUM_STEP);
    return flow_checksum_add(sum, bytes, left);
}

/* ---- segments ---- */

/*
 * The start of the last segment at or before `offset`, and of the one behind that; UINT64_MAX:
 * there is none.
 */
static enum flow_status find_segments(const struct flow_spool *spool, uint64_t offset,
                                      uint64_t *here, uint64_t *behind, struct flow_error *err)
{
    const int fd = openat(spool->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (folder == NULL) {
        const enum flow_status rc = flow_state_refuse(err, errno, "cannot look for its spool");
        if (fd >= 0)
            (void)close(fd);
        return rc;
    }
    *here = *behind = UINT64_MAX;
    uint64_t start;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL; errno = 0) {
        if (!start_of(spool, entry->d_name, &start))
            continue;
        if (start <= offset && (*here == UINT64_MAX || start > *here))
            *here = start;
        if (start > offset && start < *behind)
            *behind = start;
    }
    const int cause = errno;
    (void)closedir(folder);
    return cause == 0 ? FLOW_OK : flow_state_refuse(err, cause, "cannot look for its spool");
}

/* A segment that is being read. */
struct segment {
    int fd;
    uint64_t start, end; /* offsets; the end of what lies in the file, whole or not */
};

static enum flow_status refuse_read(struct flow_error *err)
{
    return flow_state_refuse(err, errno, "cannot read its spool in the state folder");
}

/* As much as there is of it, up to `size` bytes. */
static enum flow_status read_at(const struct segment *segment, uint64_t offset, void *to,
                                size_t size, size_t *done, struct flow_error *err)
{
    *done = 0;
    while (*done < size) {
        const ssize_t got = pread(segment->fd, (uint8_t *)to + *done, size - *done,
                                  (off_t)(offset - segment->start + *done));
        if (got < 0 && errno != EINTR)
            return refuse_read(err);
        if (got == 0)
            break;
        *done += got > 0 ? (size_t)got : 0;
    }
    return FLOW_OK;
}

/* Could this be the header of an entry that lies there? */
static bool fits(const struct segment *segment, uint64_t offset, const struct header *header)
{
    const uint64_t body = offset + sizeof(*header);
    return header->magic == MAGIC && header->offset == offset && header->size <= ENTRY_MOST &&
           body <= segment->end && header->size <= segment->end - body;
}

/* The entry at `offset` into spool->past.  FLOW_ENOENT, without a message: there is no whole one;
 * FLOW_EIO, FLOW_ENOMEM. */
static enum flow_status read_entry(struct flow_spool *spool, const struct segment *segment,
                                   uint64_t offset, struct header *header, struct flow_error *err)
{
    size_t done = 0;
    enum flow_status rc = read_at(segment, offset, header, sizeof(*header), &done, err);
    if (rc != FLOW_OK)
        return rc;
    if (done < sizeof(*header) || !fits(segment, offset, header))
        return FLOW_ENOENT;
    const size_t size = (size_t)header->size;
    if (!flow_grow(&spool->past, &spool->past_capacity, size + 1, 1))
        return flow_fail(err, FLOW_ENOMEM, "no memory for an entry of its spool");
    rc = read_at(segment, offset + sizeof(*header), spool->past, size, &done, err);
    if (rc != FLOW_OK)
        return rc;
    return done == size && checksum_of(header, spool->past) == header->checksum ? FLOW_OK
                                                                                : FLOW_ENOENT;
}

static enum flow_status open_segment(const struct flow_spool *spool, uint64_t start,
                                     struct segment *segment, struct flow_error *err)
{
    char name[FLOW_BLOB_NAME];
    struct stat info;
    name_segment(spool, start, name);
    const int fd = openat(spool->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && fstat(fd, &info) == 0) {
        *segment = (struct segment){fd, start, start + (uint64_t)info.st_size};
        return FLOW_OK;
    }
    const enum flow_status rc = flow_state_refuse(err, errno, "cannot read its spool '%s'", name);
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

static enum flow_status refuse_damage(const struct flow_spool *spool, uint64_t offset,
                                      struct flow_error *err)
{
    return flow_fail(err, FLOW_EPROTO,
                     "its spool, files 'spool-%zu-*' in the state folder, is damaged, or lacks a "
                     "part, at offset %" PRIu64,
                     spool->replica, offset);
}

/*
 * At the end of the log there is no whole entry at spool->end.  Nobody has been told that it is
 * safe, unless an entry behind it says that it was on the disk.
 */
static enum flow_status check_torn(struct flow_spool *spool, const struct segment *segment,
                                   struct flow_error *err)
{
    const uint32_t magic = MAGIC;
    uint8_t window[4096];
    struct header header;
    enum flow_status rc = FLOW_OK;
    size_t got = sizeof(window);
    for (uint64_t at = spool->end + 1; rc == FLOW_OK && got == sizeof(window);
         at += sizeof(window) - sizeof(magic) + 1) {
        rc = read_at(segment, at, window, sizeof(window), &got, err);
        for (size_t i = 0; rc == FLOW_OK && i + sizeof(magic) <= got; i++) {
            if (memcmp(window + i, &magic, sizeof(magic)) != 0)
                continue;
            rc = read_entry(spool, segment, at + i, &header, err);
            if (rc == FLOW_OK && header.synced > spool->end)
                return refuse_damage(spool, spool->end, err);
            rc = rc == FLOW_ENOENT ? FLOW_OK : rc;
        }
    }
    return rc;
}

/*
 * What a disk has refused to take it need not offer again: a second try would say that all is well.
 * So there is none, even if there was no room.
 */
static enum flow_status refuse_sync(struct flow_error *err)
{
    return flow_state_refuse(err, errno, "cannot bring its spool in the state folder to the disk");
}

/* What the process before us has written need not be on the disk. */
static enum flow_status settle_last(struct flow_spool *spool, const struct segment *segment,
                                    struct flow_error *err)
{
    spool->torn = segment->end - spool->end;
    if (spool->torn > 0) {
        const enum flow_status rc = check_torn(spool, segment, err);
        if (rc != FLOW_OK)
            return rc;
    }
    if (spool->disk->sync(segment->fd) == 0 && spool->disk->sync(spool->folder) == 0)
        return FLOW_OK;
    return refuse_sync(err);
}

/* Look at all entries of a segment from spool->end on, to where the one behind begins; UINT64_MAX:
 * it is the last. */
static enum flow_status scan(struct flow_spool *spool, uint64_t start, uint64_t behind,
                             struct flow_error *err)
{
    struct segment segment;
    struct header header;
    enum flow_status rc = open_segment(spool, start, &segment, err);
    if (rc != FLOW_OK)
        return rc;
    while (rc == FLOW_OK && spool->end < behind) {
        rc = read_entry(spool, &segment, spool->end, &header, err);
        if (rc == FLOW_OK)
            spool->end += sizeof(header) + header.size;
    }
    if (rc == FLOW_ENOENT && behind == UINT64_MAX && segment.end >= spool->end)
        rc = settle_last(spool, &segment, err);
    else if (rc == FLOW_ENOENT || (rc == FLOW_OK && spool->end != behind))
        rc = refuse_damage(spool, spool->end, err);
    (void)close(segment.fd);
    return rc;
}

enum flow_status flow_spool_open(struct flow_spool *spool, struct flow_error *err)
{
    uint64_t here;
    uint64_t behind;
    spool->fd = -1;
    spool->end = spool->position;
    enum flow_status rc = find_segments(spool, 0, &here, &behind, err);
    if (rc != FLOW_OK)
        return rc;
    spool->first = here != UINT64_MAX ? here : behind != UINT64_MAX ? behind : 0;
    rc = find_segments(spool, spool->position, &here, &behind, err);
    if (rc == FLOW_OK && here == UINT64_MAX && (behind != UINT64_MAX || spool->position > 0))
        rc = refuse_damage(spool, spool->position, err);
    while (rc == FLOW_OK && here != UINT64_MAX) {
        rc = scan(spool, here, behind, err);
        if (rc != FLOW_OK || behind == UINT64_MAX)
            break;
        here = behind;
        rc = find_segments(spool, here, &here, &behind, err);
    }
    spool->synced = spool->end;
    return rc;
}

void flow_spool_close(struct flow_spool *spool)
{
    if (spool->fd >= 0)
        (void)spool->disk->close(spool->fd);
    free(spool->entry);
    free(spool->past);
    *spool = (struct flow_spool)FLOW_SPOOL_CLOSED;
}

/* ---- writing ---- */

bool flow_spool_add(struct flow_spool *spool, const struct flow_spool_record *record)
{
    const struct item item = {.size = (uint32_t)record->size,
                              .key_size = (uint32_t)record->key_size,
                              .port = record->port,
                              .keyed = record->key != NULL};
    const size_t start = spool->count == 0 ? sizeof(struct header) : spool->size;
    const size_t size = start + sizeof(item) + record->size + record->key_size;
    if (size > spool->capacity && !flow_grow(&spool->entry, &spool->capacity, size + size / 2, 1))
        return false;
    uint8_t *at = spool->entry + start;
    memcpy(at, &item, sizeof(item));
    memcpy(at + sizeof(item), record->data, record->size);
    if (record->key_size > 0)
        memcpy(at + sizeof(item) + record->size, record->key, record->key_size);
    spool->size = size;
    spool->count++;
    return true;
}

/* A call that has failed: is there no room? */
static enum flow_status refuse_write(struct flow_error *err)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return FLOW_EAGAIN;
    return flow_state_refuse(err, errno, "cannot write to its spool in the state folder");
}

static enum flow_status begin_segment(struct flow_spool *spool, struct flow_error *err)
{
    char name[FLOW_BLOB_NAME];
    if (spool->fd >= 0 && spool->end - spool->segment < SEGMENT_BYTES)
        return FLOW_OK;
    if (spool->fd >= 0 && spool->synced < spool->end) {
        if (spool->disk->sync(spool->fd) != 0)
            return refuse_sync(err);
        spool->synced = spool->end;
    }
    name_segment(spool, spool->end, name);
    const int fd = spool->disk->create(spool->folder, name);
    if (fd < 0)
        return refuse_write(err);
    if (spool->fd >= 0)
        (void)spool->disk->close(spool->fd);
    spool->fd = fd;
    spool->segment = spool->end;
    spool->unnamed = true;
    return FLOW_OK;
}

static void seal(struct flow_spool *spool)
{
    struct header header = {.magic = MAGIC,
                            .count = spool->count,
                            .size = spool->size - sizeof(header),
                            .offset = spool->end,
                            .synced = spool->synced};
    header.checksum = checksum_of(&header, spool->entry + sizeof(header));
    memcpy(spool->entry, &header, sizeof(header));
    spool->written = 0;
    spool->sealed = true;
}

enum flow_status flow_spool_write(struct flow_spool *spool, struct flow_error *err)
{
    if (spool->count == 0)
        return FLOW_OK;
    const enum flow_status rc = spool->sealed ? FLOW_OK : begin_segment(spool, err);
    if (rc != FLOW_OK)
        return rc;
    if (!spool->sealed)
        seal(spool);
    while (spool->written < spool->size) {
        const ssize_t done = spool->disk->write(spool->fd, spool->entry + spool->written,
                                                spool->size - spool->written);
        if (done < 0 && errno != EINTR)
            return refuse_write(err);
        spool->written += done > 0 ? (size_t)done : 0;
    }
    spool->end += spool->size;
    spool->position = spool->end; /* what is added has been emitted */
    spool->count = 0;
    spool->size = 0;
    spool->sealed = false;
    return FLOW_OK;
}

enum flow_status flow_spool_sync(struct flow_spool *spool, struct flow_error *err)
{
    const enum flow_status rc = flow_spool_write(spool, err);
    if (rc != FLOW_OK || spool->synced == spool->end)
        return rc;
    if (spool->disk->sync(spool->fd) != 0 ||
        (spool->unnamed && spool->disk->sync(spool->folder) != 0))
        return refuse_sync(err);
    spool->unnamed = false;
    spool->synced = spool->end;
    return FLOW_OK;
}

/* ---- reading ---- */

enum flow_status flow_spool_read(struct flow_spool *spool, struct flow_spool_cursor *cursor,
                                 uint64_t *next, struct flow_error *err)
{
    uint64_t here;
    uint64_t behind;
    struct segment segment = {.fd = -1};
    struct header header = {0};
    enum flow_status rc = find_segments(spool, spool->position, &here, &behind, err);
    if (rc == FLOW_OK && here == UINT64_MAX)
        rc = refuse_damage(spool, spool->position, err);
    if (rc == FLOW_OK)
        rc = open_segment(spool, here, &segment, err);
    if (rc != FLOW_OK)
        return rc;
    rc = read_entry(spool, &segment, spool->position, &header, err);
    (void)close(segment.fd);
    if (rc == FLOW_ENOENT)
        rc = refuse_damage(spool, spool->position, err);
    if (rc != FLOW_OK)
        return rc;
    *cursor = (struct flow_spool_cursor){
        .at = spool->past, .end = spool->past + header.size, .left = header.count};
    *next = spool->position + sizeof(header) + header.size;
    return FLOW_OK;
}

bool flow_spool_next(struct flow_spool_cursor *cursor, struct flow_spool_record *record)
{
    struct item item;
    if (cursor->left == 0 || (size_t)(cursor->end - cursor->at) < sizeof(item))
        return false;
    memcpy(&item, cursor->at, sizeof(item));
    const size_t rest = (size_t)(cursor->end - cursor->at) - sizeof(item);
    if (item.size > rest || item.key_size > rest - item.size ||
        (item.keyed == 0 && item.key_size > 0))
        return false;
    const uint8_t *data = cursor->at + sizeof(item);
    *record = (struct flow_spool_record){.port = item.port,
                                         .data = data,
                                         .size = item.size,
                                         .key = item.keyed != 0 ? data + item.size : NULL,
                                         .key_size = item.key_size};
    cursor->at = data + item.size + item.key_size;
    cursor->left--;
    return true;
}

void flow_spool_trim(struct flow_spool *spool, uint64_t before)
{
    uint64_t here;
    uint64_t behind;
    char name[FLOW_BLOB_NAME];
    while (find_segments(spool, spool->first, &here, &behind, NULL) == FLOW_OK &&
           here != UINT64_MAX && behind <= before) {
        name_segment(spool, here, name);
        if (spool->disk->remove(spool->folder, name) != 0)
            return; /* it does no harm */
        spool->first = behind;
    }
}
