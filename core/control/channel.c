/* SPDX-License-Identifier: MIT */
#include "control/channel.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "control/system.h"

#define MAGIC_0 0xF1
#define MAGIC_1 0x0E
#define VERSION 1

static bool is_control(uint8_t c)
{
    return c < 0x20 || c == 0x7F;
}

/* How much of `text` fits, without half a UTF-8 character at the end. */
static size_t fitting_size(const char *text)
{
    size_t size = strnlen(text, FLOW_NOTICE_TEXT + 1);
    if (size <= FLOW_NOTICE_TEXT)
        return size;

    size = FLOW_NOTICE_TEXT;
    while (size > 0 && ((uint8_t)text[size] & 0xC0) == 0x80)
        size--;
    return size;
}

size_t flow_notice_encode(enum flow_notice_kind kind, enum flow_status status, const char *text,
                          uint8_t *bytes)
{
    const size_t size = text != NULL ? fitting_size(text) : 0;
    bytes[0] = MAGIC_0;
    bytes[1] = MAGIC_1;
    bytes[2] = VERSION;
    bytes[3] = (uint8_t)kind;
    bytes[4] = (uint8_t)status;
    bytes[5] = 0;
    bytes[6] = (uint8_t)(size & 0xFF);
    bytes[7] = (uint8_t)(size >> 8);
    for (size_t i = 0; i < size; i++) {
        const uint8_t c = (uint8_t)text[i];
        bytes[FLOW_NOTICE_HEAD + i] = is_control(c) ? ' ' : c;
    }
    return FLOW_NOTICE_HEAD + size;
}

static enum flow_status check_head(const uint8_t *bytes, size_t size, struct flow_error *err)
{
    if (size < FLOW_NOTICE_HEAD || bytes[0] != MAGIC_0 || bytes[1] != MAGIC_1)
        return flow_fail(err, FLOW_EPROTO, "not a control message (%zu bytes)", size);
    if (bytes[2] != VERSION)
        return flow_fail(err, FLOW_EPROTO, "a control message of version %u, not %d", bytes[2],
                         VERSION);
    if (bytes[3] < FLOW_SAY_NEW || bytes[3] > FLOW_SAY_ENDED)
        return flow_fail(err, FLOW_EPROTO, "a control message of unknown kind %u", bytes[3]);
    if (bytes[4] > FLOW_EABORT || bytes[5] != 0)
        return flow_fail(err, FLOW_EPROTO, "a control message of unknown status %u", bytes[4]);

    const size_t text_size = (size_t)bytes[6] | (size_t)bytes[7] << 8;
    if (text_size > FLOW_NOTICE_TEXT || size != FLOW_NOTICE_HEAD + text_size)
        return flow_fail(err, FLOW_EPROTO, "a control message of %zu bytes that claims %zu of text",
                         size, text_size);
    return FLOW_OK;
}

enum flow_status flow_notice_decode(const uint8_t *bytes, size_t size, struct flow_notice *notice,
                                    struct flow_error *err)
{
    const enum flow_status rc = check_head(bytes, size, err);
    if (rc != FLOW_OK)
        return rc;
    for (size_t i = FLOW_NOTICE_HEAD; i < size; i++) {
        if (is_control(bytes[i]))
            return flow_fail(err, FLOW_EPROTO, "a control message with byte 0x%02x in its text",
                             bytes[i]);
    }

    notice->kind = (enum flow_notice_kind)bytes[3];
    notice->status = (enum flow_status)bytes[4];
    memcpy(notice->text, bytes + FLOW_NOTICE_HEAD, size - FLOW_NOTICE_HEAD);
    notice->text[size - FLOW_NOTICE_HEAD] = '\0';
    return FLOW_OK;
}

enum flow_status flow_channel_new(int ends[2], struct flow_error *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return flow_system_fail(err, errno, "cannot make a control channel");
    return FLOW_OK;
}

static enum flow_status send_whole(int fd, const struct msghdr *message)
{
    ssize_t sent;
    do {
        sent = sendmsg(fd, message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return FLOW_OK;
    return errno == EPIPE || errno == ECONNRESET ? FLOW_ECLOSED : FLOW_EIO;
}

enum flow_status flow_channel_send(int fd, enum flow_notice_kind kind, enum flow_status status,
                                   const char *text)
{
    uint8_t bytes[FLOW_NOTICE_MAX];
    struct iovec part = {bytes, flow_notice_encode(kind, status, text, bytes)};
    return send_whole(fd, &(struct msghdr){.msg_iov = &part, .msg_iovlen = 1});
}

/* Room for one descriptor beside a message. */
union beside {
    struct cmsghdr head;
    uint8_t bytes[CMSG_SPACE(sizeof(int))];
};

enum flow_status flow_channel_pass(int fd, enum flow_notice_kind kind, int passed)
{
    uint8_t bytes[FLOW_NOTICE_HEAD];
    union beside beside = {0};
    struct iovec part = {bytes, flow_notice_encode(kind, FLOW_OK, NULL, bytes)};
    const struct msghdr message = {.msg_iov = &part,
                                   .msg_iovlen = 1,
                                   .msg_control = &beside,
                                   .msg_controllen = sizeof(beside.bytes)};
    beside.head = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&beside.head), &passed, sizeof(passed));
    return send_whole(fd, &message);
}

static enum flow_status receive_whole(int fd, struct msghdr *message, struct flow_notice *notice,
                                      struct flow_error *err)
{
    uint8_t bytes[FLOW_NOTICE_MAX + 1]; /* one more, so that a message too long is seen to be */
    struct iovec part = {bytes, sizeof(bytes)};
    message->msg_iov = &part;
    message->msg_iovlen = 1;
    ssize_t got;
    /* An end that goes with messages unread resets the other.  That is told once and comes before
     * what it has said itself, which is still to be had. */
    do {
        got = recvmsg(fd, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return FLOW_EAGAIN;
    if (got <= 0)
        return FLOW_ECLOSED;
    return flow_notice_decode(bytes, (size_t)got, notice, err);
}

enum flow_status flow_channel_receive(int fd, struct flow_notice *notice, struct flow_error *err)
{
    struct msghdr message = {0}; /* a descriptor that comes along is closed by the system */
    return receive_whole(fd, &message, notice, err);
}

enum flow_status flow_channel_receive_passed(int fd, struct flow_notice *notice, int *passed,
                                             struct flow_error *err)
{
    union beside beside = {0};
    struct msghdr message = {.msg_control = &beside, .msg_controllen = sizeof(beside.bytes)};
    *passed = -1;
    const enum flow_status rc = receive_whole(fd, &message, notice, err);
    const struct cmsghdr *head = rc != FLOW_EAGAIN ? CMSG_FIRSTHDR(&message) : NULL;
    if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
        memcpy(passed, CMSG_DATA(head), sizeof(*passed));
    return rc;
}
