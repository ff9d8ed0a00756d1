/* SPDX-License-Identifier: MIT */
#include "control/door.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 8

int flow_door_open(uint64_t run_id)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int size = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
                              FLOW_DOOR_PREFIX "%lu-%ld-%016" PRIx64, (unsigned long)geteuid(),
                              (long)getpid(), run_id);
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const socklen_t length =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)size;
    if (fd < 0)
        return -1;
    if (bind(fd, (const struct sockaddr *)&address, length) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    close(fd);
    return -1;
}

bool flow_door_is_of(int connection, uid_t uid)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == uid || peer.uid == 0);
}

int flow_door_accept(int door)
{
    const int fd = accept4(door, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 || flow_door_is_of(fd, geteuid()))
        return fd;
    close(fd);
    return -1;
}

/* A file in memory with the text; -1: there can be none. */
static int make_file(const char *text)
{
    const int fd = memfd_create("flowrun-why", MFD_CLOEXEC);
    size_t left = strlen(text);
    while (fd >= 0 && left > 0) {
        const ssize_t got = write(fd, text, left);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            close(fd);
            return -1;
        }
        text += got;
        left -= (size_t)got;
    }
    return fd;
}

static void send_file(int connection, int file)
{
    union {
        struct cmsghdr head; /* aligns the bytes */
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    char byte = '!';
    struct iovec piece = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &file, sizeof(file));
    (void)sendmsg(connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void flow_door_answer(int connection, const char *text)
{
    const int file = make_file(text);
    if (file >= 0) {
        send_file(connection, file);
        close(file);
    }
    close(connection);
}
