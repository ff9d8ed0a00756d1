/* SPDX-License-Identifier: MIT */
#include "simulate/table.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAITS_MOST 96

struct sim_table {
    struct sim_fd *fds;
    size_t count, room;
};

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                 const sigset_t *mask);
int __wrap_eventfd(unsigned initial, int flags);
int __wrap_socketpair(int domain, int type, int protocol, int ends[2]);
int __wrap_socket(int domain, int type, int protocol);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
int __wrap_epoll_create1(int flags);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms);
ssize_t __wrap_read(int fd, void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
int __wrap_close(int fd);

int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __real_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                 const sigset_t *mask);
int __real_eventfd(unsigned initial, int flags);
int __real_socketpair(int domain, int type, int protocol, int ends[2]);
int __real_socket(int domain, int type, int protocol);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
int __real_epoll_create1(int flags);
int __real_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __real_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms);
ssize_t __real_read(int fd, void *bytes, size_t size);
ssize_t __real_write(int fd, const void *bytes, size_t size);
int __real_close(int fd);

/* ---- the table ---- */

struct sim_table *sim_table_new(void)
{
    return sim_own_alloc(sizeof(struct sim_table));
}

int sim_fd_new(struct sim_world *world, enum sim_kind kind)
{
    struct sim_table *table = world->table;
    if (table->count == table->room) { /* waits are linked to their places, so nothing moves */
        if (table->room != 0) {
            errno = EMFILE;
            return -1;
        }
        table->room = 1 << 16;
        table->fds = sim_own_alloc(table->room * sizeof(*table->fds));
    }
    struct sim_fd *entry = &table->fds[table->count];
    *entry = (struct sim_fd){.kind = kind, .process = sim_process_now(), .peer = -1};
    entry->last = &entry->first;
    return SIM_FD_BASE + (int)table->count++;
}

struct sim_fd *sim_fd_get(const struct sim_world *world, int fd)
{
    if (world == NULL || fd < SIM_FD_BASE || (size_t)(fd - SIM_FD_BASE) >= world->table->count)
        return NULL;
    struct sim_fd *entry = &world->table->fds[fd - SIM_FD_BASE];
    return entry->kind != SIM_NOTHING ? entry : NULL;
}

void sim_fd_pass(struct sim_world *world, int fd, struct sim_process *process)
{
    sim_fd_get(world, fd)->process = process;
}

void sim_fd_changed(struct sim_world *world, int fd)
{
    struct sim_fd *entry = sim_fd_get(world, fd);
    if (entry != NULL)
        sim_wake_all(world, &entry->waits);
}

static struct sim_packet *take_packet(struct sim_fd *entry)
{
    struct sim_packet *packet = entry->first;
    entry->first = packet->next;
    if (entry->first == NULL)
        entry->last = &entry->first;
    return packet;
}

static void drop_packets(struct sim_world *world, struct sim_fd *entry)
{
    while (entry->first != NULL) {
        struct sim_packet *packet = take_packet(entry);
        sim_fd_release(world, packet->passed);
        sim_own_free(packet);
    }
}

static void close_channel(struct sim_world *world, struct sim_fd *entry)
{
    struct sim_fd *peer = sim_fd_get(world, entry->peer);
    if (peer != NULL) {
        peer->peer = -1;
        peer->reset = entry->first != NULL;
        sim_wake_all(world, &peer->waits);
    }
    drop_packets(world, entry);
}

void sim_fd_release(struct sim_world *world, int fd)
{
    struct sim_fd *entry = sim_fd_get(world, fd);
    if (entry == NULL)
        return;
    if (entry->kind == SIM_CHANNEL)
        close_channel(world, entry);
    if (entry->kind == SIM_FILE)
        sim_open_close(entry->open);
    entry->kind = SIM_NOTHING;
    sim_wake_all(world, &entry->waits);
}

void sim_table_drop(struct sim_world *world, const struct sim_process *process)
{
    for (size_t i = 0; i < world->table->count; i++) {
        if (world->table->fds[i].process == process)
            sim_fd_release(world, SIM_FD_BASE + (int)i);
    }
}

void sim_table_reset(struct sim_world *world)
{
    for (size_t i = 0; i < world->table->count; i++)
        sim_fd_release(world, SIM_FD_BASE + (int)i);
    world->table->count = 0;
}

/* ---- waiting ---- */

static short readiness(const struct sim_fd *entry)
{
    switch (entry->kind) {
    case SIM_EVENT:
        return entry->counter > 0 ? POLLIN : 0;
    case SIM_CHANNEL:
        return (short)((entry->first != NULL ? POLLIN : 0) |
                       (entry->peer < 0 ? POLLIN | POLLHUP : 0));
    case SIM_SOCKET:
        return sim_socket_signals(entry->socket) ? POLLIN : 0;
    case SIM_FILE:
        return POLLIN;
    case SIM_EPOLL: /* nothing is watched */
        return 0;
    case SIM_NOTHING:
        break;
    }
    return POLLNVAL;
}

static int look(struct sim_world *world, struct pollfd *fds, nfds_t count)
{
    int ready = 0;
    for (nfds_t i = 0; i < count; i++) {
        const struct sim_fd *entry = sim_fd_get(world, fds[i].fd);
        const short events = (short)(fds[i].events | POLLHUP | POLLERR | POLLNVAL);
        fds[i].revents = entry != NULL ? (short)(readiness(entry) & events) : 0;
        if (entry == NULL && fds[i].fd >= 0)
            fds[i].revents = POLLNVAL;
        ready += fds[i].revents != 0;
    }
    return ready;
}

static int poll_until(struct sim_world *world, struct pollfd *fds, nfds_t count, int64_t deadline)
{
    struct sim_wait waits[WAITS_MOST];
    sim_yield(world);
    for (;;) {
        const int ready = look(world, fds, count);
        if (ready > 0 || deadline <= world->now_ns)
            return ready;
        for (nfds_t i = 0; i < count && i < WAITS_MOST; i++) {
            struct sim_fd *entry = sim_fd_get(world, fds[i].fd);
            waits[i] = (struct sim_wait){.queue = entry != NULL ? &entry->waits : NULL};
        }
        (void)sim_wait_for(world, waits, count, NULL, deadline);
    }
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (sim_process_now() == NULL)
        return __real_poll(fds, count, timeout_ms);
    const int64_t deadline =
        timeout_ms < 0 ? SIM_NEVER : sim_world->now_ns + (int64_t)timeout_ms * 1000000;
    return poll_until(sim_world, fds, count, deadline);
}

int __wrap_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                 const sigset_t *mask)
{
    if (sim_process_now() == NULL)
        return __real_ppoll(fds, count, timeout, mask);
    const int64_t deadline =
        timeout == NULL
            ? SIM_NEVER
            : sim_world->now_ns + (int64_t)timeout->tv_sec * 1000000000 + timeout->tv_nsec;
    return poll_until(sim_world, fds, count, deadline);
}

/* ---- eventfds ---- */

int __wrap_eventfd(unsigned initial, int flags)
{
    if (sim_process_now() == NULL)
        return __real_eventfd(initial, flags);
    const int fd = sim_fd_new(sim_world, SIM_EVENT);
    if (fd >= 0)
        sim_fd_get(sim_world, fd)->counter = initial;
    return fd;
}

static ssize_t read_event(struct sim_world *world, int fd, void *bytes)
{
    struct sim_fd *entry = sim_fd_get(world, fd);
    if (entry->counter == 0) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(bytes, &entry->counter, sizeof(entry->counter));
    entry->counter = 0;
    return (ssize_t)sizeof(entry->counter);
}

static ssize_t write_event(struct sim_world *world, int fd, const void *bytes)
{
    uint64_t more;
    memcpy(&more, bytes, sizeof(more));
    sim_fd_get(world, fd)->counter += more;
    sim_fd_changed(world, fd);
    return (ssize_t)sizeof(more);
}

/* ---- channels ---- */

bool sim_channel_new(struct sim_world *world, int ends[2])
{
    for (int i = 0; i < 2; i++) {
        ends[i] = sim_fd_new(world, SIM_CHANNEL);
        if (ends[i] < 0)
            return false;
    }
    sim_fd_get(world, ends[0])->peer = ends[1];
    sim_fd_get(world, ends[1])->peer = ends[0];
    return true;
}

static struct sim_packet *put_packet(struct sim_world *world, int fd, const void *bytes,
                                     size_t size)
{
    const struct sim_fd *entry = sim_fd_get(world, fd);
    struct sim_fd *peer = sim_fd_get(world, entry->peer);
    if (peer == NULL)
        return NULL;
    struct sim_packet *packet = sim_own_alloc(sizeof(*packet) + size);
    packet->size = size;
    packet->passed = -1;
    memcpy(packet->bytes, bytes, size);
    *peer->last = packet;
    peer->last = &packet->next;
    sim_wake_all(world, &peer->waits);
    return packet;
}

bool sim_channel_put(struct sim_world *world, int fd, const void *bytes, size_t size)
{
    return put_packet(world, fd, bytes, size) != NULL;
}

int __wrap_socketpair(int domain, int type, int protocol, int ends[2])
{
    if (sim_process_now() == NULL)
        return __real_socketpair(domain, type, protocol, ends);
    return sim_channel_new(sim_world, ends) ? 0 : -1;
}

/* Whoever asks a live run is not of this world. */
int __wrap_socket(int domain, int type, int protocol)
{
    if (sim_process_now() == NULL)
        return __real_socket(domain, type, protocol);
    errno = EAFNOSUPPORT;
    return -1;
}

/* What is sent along is an end of a channel, and its sender has no more use for it than to close
 * it: what he keeps is an end of nothing. */
static int move_end(struct sim_world *world, int fd)
{
    struct sim_fd *old = sim_fd_get(world, fd);
    const int moved = sim_fd_new(world, SIM_CHANNEL);
    assert(old->kind == SIM_CHANNEL && old->first == NULL && moved >= 0);
    sim_fd_pass(world, moved, NULL);
    sim_fd_get(world, moved)->peer = old->peer;
    if (old->peer >= 0)
        sim_fd_get(world, old->peer)->peer = moved;
    old->peer = -1;
    return moved;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct sim_world *world = sim_world;
    if (sim_fd_get(world, fd) == NULL)
        return __real_sendmsg(fd, message, flags);
    sim_yield(world);
    const struct iovec *part = message->msg_iov;
    struct sim_packet *packet = put_packet(world, fd, part->iov_base, part->iov_len);
    if (packet == NULL) {
        errno = EPIPE;
        return -1;
    }
    if (message->msg_controllen > 0) {
        int passed;
        memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(message)), sizeof(passed));
        packet->passed = move_end(world, passed);
    }
    return (ssize_t)part->iov_len;
}

/* Who asks for no descriptor gets none, and it is closed. */
static void hand_over(struct sim_world *world, struct msghdr *message, int passed)
{
    struct cmsghdr *head = message->msg_controllen > 0 ? CMSG_FIRSTHDR(message) : NULL;
    if (head == NULL || passed < 0) {
        sim_fd_release(world, passed);
        message->msg_controllen = 0;
        return;
    }
    *head = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &passed, sizeof(passed));
    sim_fd_pass(world, passed, sim_process_now());
}

static ssize_t receive(struct sim_world *world, struct sim_fd *entry, void *bytes, size_t size,
                       struct msghdr *message)
{
    if (entry->reset) {
        entry->reset = false;
        errno = ECONNRESET;
        return -1;
    }
    if (entry->first == NULL && entry->peer < 0)
        return 0;
    if (entry->first == NULL) {
        errno = EAGAIN;
        return -1;
    }
    struct sim_packet *packet = take_packet(entry);
    const size_t got = packet->size < size ? packet->size : size;
    memcpy(bytes, packet->bytes, got);
    hand_over(world, message, packet->passed);
    sim_own_free(packet);
    return (ssize_t)got;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    struct sim_fd *entry = sim_fd_get(sim_world, fd);
    if (entry == NULL)
        return __real_recvmsg(fd, message, flags);
    sim_yield(sim_world);
    const struct iovec *part = message->msg_iov;
    return receive(sim_world, entry, part->iov_base, part->iov_len, message);
}

/* ---- epoll ---- */

/* Stages that hold records have one, and none of those that run here watches anything with it. */
int __wrap_epoll_create1(int flags)
{
    return sim_process_now() != NULL ? sim_fd_new(sim_world, SIM_EPOLL)
                                     : __real_epoll_create1(flags);
}

int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    if (sim_fd_get(sim_world, epoll) == NULL)
        return __real_epoll_ctl(epoll, what, fd, event);
    errno = EPERM;
    return -1;
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms)
{
    return sim_fd_get(sim_world, epoll) != NULL
               ? 0
               : __real_epoll_wait(epoll, events, most, timeout_ms);
}

/* ---- all kinds ---- */

ssize_t __wrap_read(int fd, void *bytes, size_t size)
{
    struct sim_fd *entry = sim_fd_get(sim_world, fd);
    if (entry == NULL)
        return __real_read(fd, bytes, size);
    sim_yield(sim_world);
    if (entry->kind == SIM_EVENT)
        return read_event(sim_world, fd, bytes);
    if (entry->kind == SIM_CHANNEL)
        return receive(sim_world, entry, bytes, size, &(struct msghdr){0});
    return sim_open_read(entry->open, bytes, size);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    struct sim_fd *entry = sim_fd_get(sim_world, fd);
    if (entry == NULL)
        return __real_write(fd, bytes, size);
    sim_yield(sim_world);
    if (entry->kind == SIM_EVENT)
        return write_event(sim_world, fd, bytes);
    return sim_open_write(sim_world, entry->open, bytes, size);
}

int __wrap_close(int fd)
{
    if (sim_fd_get(sim_world, fd) == NULL)
        return fd >= SIM_FD_BASE ? 0 : __real_close(fd);
    sim_yield(sim_world);
    sim_fd_release(sim_world, fd);
    return 0;
}
