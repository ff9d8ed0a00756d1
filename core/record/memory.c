/* SPDX-License-Identifier: MIT */
#include "record/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

_Static_assert(sizeof(_Atomic uint32_t) == sizeof(uint32_t), "a slot is a word");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "slots work between processes");

static enum flow_status system_error(struct flow_error *err, const char *what)
{
    char text[128];
    return flow_fail(err, FLOW_EIO, "cannot %s the run's shared memory: %s", what,
                     strerror_r(errno, text, sizeof(text)));
}

/* Where the arenas begin, and where all ends; false when no memory could be that large. */
static bool lay_out(const struct flow_memory_size *size, struct flow_memory *memory)
{
    if (size->links > UINT32_MAX || size->arena_bytes > SIZE_MAX / 4)
        return false;
    const size_t slots = (size_t)size->links * FLOW_SLOTS * sizeof(uint32_t);
    const size_t arenas_at = (slots + FLOW_MEMORY_GRAIN - 1) & ~(FLOW_MEMORY_GRAIN - 1);
    *memory = (struct flow_memory){
        .size = arenas_at + (size_t)size->arena_bytes,
        .arenas_at = arenas_at,
        .links = size->links,
        .fd = -1,
    };
    return memory->size > 0;
}

/* All of it to read; the slots to write too, since every process gives back what it was lent. */
static enum flow_status map_memory(int fd, struct flow_memory *memory, struct flow_error *err)
{
    void *map = mmap(NULL, memory->size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return system_error(err, "map");
    if (memory->arenas_at > 0 && mprotect(map, memory->arenas_at, PROT_READ | PROT_WRITE) != 0) {
        const enum flow_status rc = system_error(err, "map");
        (void)munmap(map, memory->size);
        return rc;
    }
    memory->map = map;
    return FLOW_OK;
}

/* A file beyond the limit would cost the process a signal. */
static bool file_may_have(size_t size)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur >= size;
}

enum flow_status flow_memory_new(const struct flow_memory_size *size, struct flow_memory *memory,
                                 struct flow_error *err)
{
    struct flow_memory made;
    if (!lay_out(size, &made) || !file_may_have(made.size))
        return flow_fail(err, FLOW_EIO, "shared memory of that size is not allowed");

    enum flow_status rc;
    const int fd = memfd_create("flowrun-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)made.size) != 0 || fcntl(fd, F_ADD_SEALS, SEALS) != 0)
        rc = system_error(err, "make");
    else
        rc = map_memory(fd, &made, err);
    if (rc != FLOW_OK) {
        if (fd >= 0)
            (void)close(fd);
        return rc;
    }
    made.fd = fd;
    *memory = made;
    return FLOW_OK;
}

enum flow_status flow_memory_open(int fd, const struct flow_memory_size *size,
                                  struct flow_memory *memory, struct flow_error *err)
{
    struct flow_memory opened;
    struct stat status;
    const int seals = fcntl(fd, F_GET_SEALS);
    if (!lay_out(size, &opened) || seals < 0 || (seals & SEALS) != SEALS ||
        fstat(fd, &status) != 0 || (uint64_t)status.st_size != opened.size)
        return flow_fail(err, FLOW_EPROTO, "descriptor %d is not the shared memory of this run",
                         fd);
    const enum flow_status rc = map_memory(fd, &opened, err);
    if (rc == FLOW_OK)
        *memory = opened;
    return rc;
}

void flow_memory_close(struct flow_memory *memory)
{
    if (memory->map == NULL)
        return;
    (void)munmap(memory->map, memory->size);
    if (memory->fd >= 0)
        (void)close(memory->fd);
    *memory = (struct flow_memory){.fd = -1};
}

enum flow_status flow_memory_own(const struct flow_memory *memory, uint64_t at, uint64_t size,
                                 uint8_t **base, struct flow_error *err)
{
    const size_t room = memory->size - memory->arenas_at;
    if (at > room || size > room - at || at % FLOW_MEMORY_GRAIN != 0 ||
        size % FLOW_MEMORY_GRAIN != 0)
        return flow_fail(err, FLOW_EPROTO, "the run's shared memory has no such part");
    uint8_t *start = memory->map + memory->arenas_at + at;
    if (size > 0 && mprotect(start, (size_t)size, PROT_READ | PROT_WRITE) != 0)
        return system_error(err, "write");
    *base = start;
    return FLOW_OK;
}
