/* SPDX-License-Identifier: MIT */
#include "control/facts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

/* System calls that threads are found in.  Of some the first argument is a descriptor. */
struct call {
    long number;
    const char *name;
    bool takes_descriptor;
};

static const struct call calls[] = {
    {SYS_read, "read", true},
    {SYS_pread64, "pread", true},
    {SYS_readv, "readv", true},
    {SYS_write, "write", true},
    {SYS_pwrite64, "pwrite", true},
    {SYS_writev, "writev", true},
    {SYS_fsync, "fsync", true},
    {SYS_fdatasync, "fdatasync", true},
    {SYS_ioctl, "ioctl", true},
    {SYS_connect, "connect", true},
    {SYS_accept4, "accept", true},
    {SYS_recvfrom, "recv", true},
    {SYS_recvmsg, "recvmsg", true},
    {SYS_sendto, "send", true},
    {SYS_sendmsg, "sendmsg", true},
    {SYS_flock, "flock", true},
    {SYS_fcntl, "fcntl", true},
    {SYS_openat, "open", false},
    {SYS_ppoll, "poll", false},
#ifdef SYS_poll
    {SYS_poll, "poll", false},
#endif
#ifdef SYS_accept
    {SYS_accept, "accept", true},
#endif
    {SYS_pselect6, "select", false},
    {SYS_epoll_pwait, "epoll_wait", false},
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, "epoll_wait", false},
#endif
    {SYS_nanosleep, "nanosleep", false},
    {SYS_clock_nanosleep, "nanosleep", false},
    {SYS_futex, "futex, as one that waits for a lock", false},
    {SYS_wait4, "wait", false},
    {SYS_rt_sigsuspend, "sigsuspend", false},
#ifdef SYS_pause
    {SYS_pause, "pause", false},
#endif
};

/* The beginning of a file of /proc as text; false: it cannot be read. */
static bool read_text(const char *path, char *text, size_t size)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd >= 0 ? read(fd, text, size - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* "pipe:[17]" or a path: what a descriptor of a process is; "" when that may not be seen. */
static void name_descriptor(uint64_t pid, uint64_t fd, char *name, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%" PRIu64 "/fd/%" PRIu64, pid, fd);
    const ssize_t got = readlink(path, name, size - 1);
    name[got > 0 ? got : 0] = '\0';
}

static void note_call(uint64_t pid, const struct call *call, uint64_t fd, char *note, size_t size)
{
    if (!call->takes_descriptor) {
        (void)snprintf(note, size, "in the system call %s", call->name);
        return;
    }
    char name[64];
    name_descriptor(pid, fd, name, sizeof(name));
    (void)snprintf(note, size, "in the system call %s on descriptor %" PRIu64 "%s%s%s", call->name,
                   fd, name[0] != '\0' ? " (" : "", name, name[0] != '\0' ? ")" : "");
}

/* The state is the first letter after the name, which stands in parentheses and may hold some. */
static char read_state(uint64_t pid, uint64_t thread)
{
    char path[80];
    char text[256];
    (void)snprintf(path, sizeof(path), "/proc/%" PRIu64 "/task/%" PRIu64 "/stat", pid, thread);
    if (!read_text(path, text, sizeof(text)))
        return access("/proc/self/stat", R_OK) == 0 ? 'X' : '\0';
    const char *end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' ? end[2] : '\0';
}

/* What one that is in a callback is in: a system call, or on the CPU. */
static void read_note(uint64_t pid, uint64_t thread, struct flow_why_thread *fact)
{
    char path[80];
    char text[128];
    (void)snprintf(path, sizeof(path), "/proc/%" PRIu64 "/task/%" PRIu64 "/syscall", pid, thread);
    if (!read_text(path, text, sizeof(text)))
        return;
    if (strncmp(text, "running", 7) == 0) {
        (void)snprintf(fact->note, sizeof(fact->note), "on the CPU");
        return;
    }
    char *end = text;
    const long number = strtol(text, &end, 10);
    const uint64_t first = strtoull(end, NULL, 16);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i].number == number) {
            note_call(pid, &calls[i], first, fact->note, sizeof(fact->note));
            return;
        }
    }
}

static void read_fact(const struct flow_board *board, size_t group, size_t replica,
                      struct flow_why_thread *fact)
{
    const struct flow_board_replica *slot = &board->replicas[replica];
    const uint64_t pid = flow_read(&board->groups[group].pid);
    const uint64_t thread = flow_read(&slot->thread);
    const uint64_t state = flow_read(&slot->state);
    if (pid == 0 || thread == 0)
        return;
    fact->state = read_state(pid, thread);
    if (state == FLOW_STATE_BUSY || state == FLOW_STATE_OPENING)
        read_note(pid, thread, fact);
    const uint64_t fd = flow_read(&slot->wait_fd);
    if (state == FLOW_STATE_WAIT_SELF && fd != 0)
        name_descriptor(pid, fd - 1, fact->waited, sizeof(fact->waited));
}

struct flow_why_thread *flow_facts_new(const struct flow_plan *plan, const struct flow_board *board)
{
    struct flow_why_thread *facts = flow_calloc(plan->replica_count + 1, sizeof(*facts));
    for (size_t i = 0; facts != NULL && i < plan->replica_count; i++)
        if (flow_why_is_live(board, i))
            read_fact(board, plan->replicas[i].group, i, &facts[i]);
    return facts;
}
