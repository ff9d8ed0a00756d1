/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer writes a log, as it may lie in a state folder, in one file or two: it is refused, or it
 * is read to its end, and goes on from there.  Headers are put right, but for inputs that begin
 * with '!' and entries whose count begins with 0xff.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "fuzz.h"
#include "state/blob.h"
#include "state/spool.h"

#define HEADER 40 /* bytes: magic, count, size, offset, synced, checksum */
#define SIZE_AT 8
#define SUM_AT 32

static char path[64];
static int folder = -1;

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static int create(int where, const char *name)
{
    return flow_disk_real.create(where, name);
}

static ssize_t write_some(int fd, const void *data, size_t size)
{
    return flow_disk_real.write(fd, data, size);
}

static int remove_file(int where, const char *name)
{
    return flow_disk_real.remove(where, name);
}

static const struct flow_disk disk = {
    .create = create, .write = write_some, .sync = no_sync, .close = close, .remove = remove_file};

static void name_of(uint64_t start, char name[64])
{
    (void)snprintf(name, 64, "spool-0-%llu", (unsigned long long)start);
}

static void remove_segment(uint64_t start)
{
    char name[64];
    name_of(start, name);
    (void)unlinkat(folder, name, 0);
}

static void remove_folder(void)
{
    (void)close(folder);
    (void)rmdir(path);
}

static void write_segment(uint64_t start, const uint8_t *bytes, size_t size)
{
    char name[64];
    name_of(start, name);
    const int fd = flow_disk_real.create(folder, name);
    MUST_HOLD(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    (void)close(fd);
}

/* One header behind the other, as far as there are bytes; where the second one stands. */
static size_t mend(uint8_t *log, size_t size)
{
    static const uint32_t magic = 0x4c505346u;
    size_t second = 0;
    for (uint64_t at = 0; at + HEADER <= size;) {
        uint64_t body;
        memcpy(&body, log + at + SIZE_AT, sizeof(body));
        if (body > size - at - HEADER)
            body %= size - at - HEADER + 1;
        memcpy(log + at, &magic, sizeof(magic));
        memcpy(log + at + SIZE_AT, &body, sizeof(body));
        memcpy(log + at + SIZE_AT + 8, &at, sizeof(at));
        uint64_t sum = flow_checksum_add(FLOW_CHECKSUM_START, log + at, SUM_AT);
        sum = flow_checksum_add(sum, log + at + HEADER, (size_t)body);
        if (log[at + 7] != 0xff)
            memcpy(log + at + SUM_AT, &sum, sizeof(sum));
        at += HEADER + body;
        second = second == 0 ? (size_t)at : second;
    }
    return second;
}

static enum flow_status open_log(struct flow_spool *spool, uint64_t position)
{
    struct flow_error err = {0};
    *spool = (struct flow_spool){.disk = &disk, .folder = folder, .position = position, .fd = -1};
    const enum flow_status rc = flow_spool_open(spool, &err);
    MUST_HOLD((rc == FLOW_OK) == (err.text[0] == '\0'));
    return rc;
}

/* Every byte of every record, to the end of the log. */
static enum flow_status read_all(struct flow_spool *spool, unsigned *sum)
{
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && spool->position < spool->end) {
        struct flow_spool_cursor cursor;
        struct flow_spool_record record;
        uint64_t next = 0;
        rc = flow_spool_read(spool, &cursor, &next, NULL);
        while (rc == FLOW_OK && flow_spool_next(&cursor, &record)) {
            for (size_t i = 0; i < record.size; i++)
                *sum += record.data[i];
            for (size_t i = 0; i < record.key_size; i++)
                *sum += record.key[i];
        }
        MUST_HOLD(rc != FLOW_OK || (next > spool->position && next <= spool->end));
        spool->position = rc == FLOW_OK ? next : spool->position;
    }
    return rc;
}

/* Another entry behind what is there, which the next run finds as it finds the others. */
static void go_on(struct flow_spool *spool)
{
    static const uint8_t key = 'k';
    const struct flow_spool_record record = {
        .port = 1, .data = (const uint8_t *)"more", .size = 4, .key = &key, .key_size = 1};
    const uint64_t end = spool->end;
    MUST_HOLD(flow_spool_add(spool, &record));
    MUST_HOLD(flow_spool_sync(spool, NULL) == FLOW_OK && spool->end > end);
    const uint64_t now = spool->end;
    flow_spool_close(spool);
    MUST_HOLD(open_log(spool, 0) == FLOW_OK && spool->end == now && spool->torn == 0);
    unsigned sum = 0;
    MUST_HOLD(read_all(spool, &sum) == FLOW_OK);
    flow_spool_trim(spool, end);
    flow_spool_close(spool);
    MUST_HOLD(open_log(spool, end) == FLOW_OK);
    remove_segment(end);
}

/* The first byte: '!', or an odd one for two segments. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (folder < 0) {
        (void)snprintf(path, sizeof(path), "/tmp/flowrun-fuzz-XXXXXX");
        MUST_HOLD(mkdtemp(path) != NULL && atexit(remove_folder) == 0);
        folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        MUST_HOLD(folder >= 0);
    }
    if (size == 0)
        return 0;
    uint8_t *log = malloc(size);
    MUST_HOLD(log != NULL);
    memcpy(log, data + 1, size - 1);
    const size_t second = data[0] != '!' ? mend(log, size - 1) : 0;
    const bool two = (data[0] & 1) != 0 && second > 0;
    write_segment(0, log, two ? second : size - 1);
    if (two)
        write_segment(second, log + second, size - 1 - second);

    struct flow_spool spool;
    volatile unsigned sum = 0;
    unsigned counted = 0;
    fuzz_short_memory(data, size);
    enum flow_status rc = open_log(&spool, 0);
    if (rc == FLOW_OK)
        rc = read_all(&spool, &counted);
    flow_mem_fail_at(-1);
    MUST_HOLD(rc == FLOW_OK || rc == FLOW_EPROTO || rc == FLOW_ENOMEM);
    sum = counted;
    (void)sum;
    if (rc == FLOW_OK)
        go_on(&spool);
    flow_spool_close(&spool);
    remove_segment(0);
    if (two)
        remove_segment(second);
    free(log);
    return 0;
}
