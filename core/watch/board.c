/* SPDX-License-Identifier: MIT */
#include "watch/board.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC UINT64_C(0x6472616f62776f66) /* "fowboard": the first bytes of a board */

/* What the memory begins with; then the replicas, the links and the groups, each on a cache line,
 * and the words. */
struct header {
    uint64_t magic;
    uint64_t replica_size, link_size, group_size; /* sizeof: the same program wrote it */
    uint64_t replicas, links, groups, words;
};
_Static_assert(sizeof(struct header) == 64, "replicas begin on a cache line");

static enum flow_status system_error(struct flow_error *err, const char *what)
{
    char text[128];
    (void)flow_fail(err, FLOW_EIO, "cannot %s the board: %s", what,
                    strerror_r(errno, text, sizeof(text)));
    return FLOW_EIO;
}

static struct header expected_header(const struct flow_board_size *size)
{
    return (struct header){
        .magic = MAGIC,
        .replica_size = sizeof(struct flow_board_replica),
        .link_size = sizeof(struct flow_board_link),
        .group_size = sizeof(struct flow_board_group),
        .replicas = size->replicas,
        .links = size->links,
        .groups = size->groups,
        .words = size->words,
    };
}

/* Bytes of a board of this size; false when no memory could hold it. */
static bool board_bytes(const struct flow_board_size *size, size_t *bytes)
{
    const size_t most = SIZE_MAX / 64 / sizeof(struct flow_board_link);
    _Static_assert(sizeof(struct flow_board_replica) <= 8 * sizeof(struct flow_board_link) &&
                       sizeof(struct flow_board_group) <= 8 * sizeof(struct flow_board_link),
                   "five terms of at most an eighth of SIZE_MAX do not overflow");
    if (size->replicas > most || size->links > most || size->groups > most || size->words > most)
        return false;
    *bytes = sizeof(struct header) + size->replicas * sizeof(struct flow_board_replica) +
             size->links * sizeof(struct flow_board_link) +
             size->groups * sizeof(struct flow_board_group) + size->words * sizeof(flow_counter);
    return true;
}

/* Map `bytes` of `fd` (-1: anonymous) and lay `board` out over them. */
static enum flow_status map_board(int fd, size_t bytes, const struct flow_board_size *size,
                                  struct flow_board *board, struct flow_error *err)
{
    const int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    uint8_t *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (map == MAP_FAILED)
        return system_error(err, "map");

    struct flow_board laid = {.map = map, .map_size = bytes, .fd = fd};
    laid.replicas = (void *)(map + sizeof(struct header));
    laid.links = (void *)(laid.replicas + size->replicas);
    laid.groups = (void *)(laid.links + size->links);
    laid.words = (void *)(laid.groups + size->groups);
    laid.replica_count = size->replicas;
    laid.link_count = size->links;
    laid.group_count = size->groups;
    laid.word_count = size->words;
    *board = laid;
    return FLOW_OK;
}

enum flow_status flow_board_new(const struct flow_board_size *size, bool shared,
                                struct flow_board *board, struct flow_error *err)
{
    size_t bytes = 0;
    if (!board_bytes(size, &bytes))
        return flow_fail(err, FLOW_ENOMEM, "no memory could hold a board of that size");

    enum flow_status rc;
    int fd = -1;
    if (shared) {
        /* Not MFD_CLOEXEC: the processes of the run inherit it.  None of them may cut it short. */
        fd = memfd_create("flowrun-board", MFD_ALLOW_SEALING);
        if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
            rc = system_error(err, "make");
            goto fail;
        }
    }
    rc = map_board(fd, bytes, size, board, err);
    if (rc != FLOW_OK)
        goto fail;
    const struct header header = expected_header(size);
    memcpy(board->map, &header, sizeof(header));
    return FLOW_OK;

fail:
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

enum flow_status flow_board_open(int fd, const struct flow_board_size *size,
                                 struct flow_board *board, struct flow_error *err)
{
    size_t bytes = 0;
    struct stat status;
    if (!board_bytes(size, &bytes))
        return flow_fail(err, FLOW_EPROTO, "no board can have that size");
    if (fstat(fd, &status) != 0)
        return system_error(err, "open");
    if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size != bytes) {
        return flow_fail(err, FLOW_EPROTO,
                         "descriptor %d is no board of this run: %lld bytes, not %zu", fd,
                         (long long)status.st_size, bytes);
    }

    struct flow_board opened = {.fd = -1};
    const enum flow_status rc = map_board(fd, bytes, size, &opened, err);
    if (rc != FLOW_OK)
        return rc;
    const struct header header = expected_header(size);
    if (memcmp(opened.map, &header, sizeof(header)) != 0) {
        (void)munmap(opened.map, opened.map_size);
        return flow_fail(err, FLOW_EPROTO, "descriptor %d is no board of this run: another header",
                         fd);
    }
    *board = opened;
    return FLOW_OK;
}

void flow_board_close(struct flow_board *board)
{
    if (board->map == NULL)
        return;
    (void)munmap(board->map, board->map_size);
    if (board->fd >= 0)
        (void)close(board->fd);
    *board = (struct flow_board){.fd = -1};
}
