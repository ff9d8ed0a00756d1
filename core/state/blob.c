/* SPDX-License-Identifier: MIT */
#include "state/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "state/refuse.h"

/* FNV-1a over words of eight bytes, with a turn, so that high bits reach the low ones too. */
uint64_t flow_checksum_add(uint64_t sum, const uint8_t *bytes, size_t size)
{
    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof(word));
        sum = (sum ^ word) * UINT64_C(0x100000001b3);
        sum ^= sum >> 29;
    }
    for (; size > 0; size--, bytes++)
        sum = (sum ^ *bytes) * UINT64_C(0x100000001b3);
    return sum ^ sum >> 32;
}

static enum flow_status fail(const struct flow_blob_writer *writer, const char *what)
{
    return flow_state_refuse(writer->err, errno, "cannot %s '%s' in the state folder", what,
                             writer->blob->file);
}

/* Write out what the buffer holds. */
static enum flow_status empty(struct flow_blob_writer *writer)
{
    if (writer->fd < 0)
        writer->fd = writer->disk->create(writer->folder, writer->blob->file);
    if (writer->fd < 0)
        return fail(writer, "create");
    writer->blob->checksum =
        flow_checksum_add(writer->blob->checksum, writer->buffer, writer->used);
    for (size_t at = 0; at < writer->used;) {
        const ssize_t done =
            writer->disk->write(writer->fd, writer->buffer + at, writer->used - at);
        if (done < 0 && errno != EINTR)
            return fail(writer, "write");
        at += done > 0 ? (size_t)done : 0;
    }
    writer->used = 0;
    return FLOW_OK;
}

static enum flow_status put(struct flow_saver *to, const void *data, size_t size)
{
    struct flow_blob_writer *writer = (struct flow_blob_writer *)to;
    const uint8_t *from = data;
    writer->blob->size += size;
    while (size > 0) {
        const size_t room = FLOW_CHECKSUM_STEP - writer->used;
        const size_t part = size < room ? size : room;
        memcpy(writer->buffer + writer->used, from, part);
        writer->used += part;
        from += part;
        size -= part;
        if (writer->used < FLOW_CHECKSUM_STEP)
            continue;
        const enum flow_status rc = empty(writer);
        if (rc != FLOW_OK)
            return rc;
    }
    return FLOW_OK;
}

enum flow_status flow_blob_begin(struct flow_blob_writer *writer, const struct flow_disk *disk,
                                 int folder, const char *name, struct flow_blob *blob,
                                 struct flow_error *err)
{
    *blob = (struct flow_blob){.checksum = FLOW_CHECKSUM_START};
    (void)snprintf(blob->file, sizeof(blob->file), "%s", name);
    *writer = (struct flow_blob_writer){
        .saver = {put},
        .disk = disk,
        .folder = folder,
        .fd = -1,
        .err = err,
        .buffer = flow_alloc(FLOW_CHECKSUM_STEP),
        .blob = blob,
    };
    return writer->buffer != NULL ? FLOW_OK
                                  : flow_fail(err, FLOW_ENOMEM, "no memory to save a state");
}

enum flow_status flow_blob_end(struct flow_blob_writer *writer)
{
    struct flow_blob *blob = writer->blob;
    if (writer->fd < 0 && writer->used <= FLOW_BLOB_INLINE) {
        memcpy(blob->bytes, writer->buffer, writer->used);
        blob->checksum = flow_checksum_add(blob->checksum, blob->bytes, writer->used);
        blob->file[0] = '\0';
        return FLOW_OK;
    }
    const enum flow_status rc = writer->used > 0 ? empty(writer) : FLOW_OK;
    if (rc != FLOW_OK)
        return rc;
    if (writer->disk->sync(writer->fd) != 0)
        return fail(writer, "write");
    const int fd = writer->fd;
    writer->fd = -1;
    return writer->disk->close(fd) == 0 ? FLOW_OK : fail(writer, "write");
}

void flow_blob_clear(struct flow_blob_writer *writer)
{
    if (writer->fd >= 0)
        (void)writer->disk->close(writer->fd);
    free(writer->buffer);
    writer->fd = -1;
    writer->buffer = NULL;
}

static uint64_t checksum_of(const uint8_t *bytes, size_t size)
{
    uint64_t sum = FLOW_CHECKSUM_START;
    while (size > FLOW_CHECKSUM_STEP) {
        sum = flow_checksum_add(sum, bytes, FLOW_CHECKSUM_STEP);
        bytes += FLOW_CHECKSUM_STEP;
        size -= FLOW_CHECKSUM_STEP;
    }
    return size > 0 || sum == FLOW_CHECKSUM_START ? flow_checksum_add(sum, bytes, size) : sum;
}

/* As many bytes as there are of the `size` that are wanted. */
static size_t read_all(int fd, uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (at < size) {
        const ssize_t got = read(fd, bytes + at, size - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        at += (size_t)got;
    }
    return at;
}

static enum flow_status read_file(int folder, const struct flow_blob *blob, uint8_t *bytes,
                                  struct flow_error *err)
{
    const int fd = openat(folder, blob->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return flow_state_refuse(err, errno, "cannot read '%s' in the state folder", blob->file);
    struct stat st;
    const bool whole = fstat(fd, &st) == 0 && (uint64_t)st.st_size == blob->size &&
                       read_all(fd, bytes, (size_t)blob->size) == blob->size;
    close(fd);
    if (whole)
        return FLOW_OK;
    return flow_fail(err, FLOW_EPROTO, "'%s' in the state folder is not of %llu bytes", blob->file,
                     (unsigned long long)blob->size);
}

enum flow_status flow_blob_read(int folder, const struct flow_blob *blob, uint8_t **bytes,
                                struct flow_error *err)
{
    uint8_t *read = blob->size < SIZE_MAX ? flow_alloc((size_t)blob->size + 1) : NULL;
    if (read == NULL)
        return flow_fail(err, FLOW_ENOMEM, "no memory for a saved state of %llu bytes",
                         (unsigned long long)blob->size);
    enum flow_status rc = FLOW_OK;
    if (blob->file[0] != '\0')
        rc = read_file(folder, blob, read, err);
    else if (blob->size <= FLOW_BLOB_INLINE)
        memcpy(read, blob->bytes, (size_t)blob->size);
    else
        rc = flow_fail(err, FLOW_EPROTO, "a saved state has no file");
    if (rc == FLOW_OK && checksum_of(read, (size_t)blob->size) != blob->checksum)
        rc = flow_fail(err, FLOW_EPROTO, "the saved state %s%s%shas another checksum",
                       blob->file[0] != '\0' ? "in '" : "", blob->file,
                       blob->file[0] != '\0' ? "' " : "");
    if (rc != FLOW_OK) {
        free(read);
        return rc;
    }
    *bytes = read;
    return FLOW_OK;
}
