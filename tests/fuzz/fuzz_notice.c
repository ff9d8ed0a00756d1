/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer plays the other end of a control channel: what is decoded has a text that can be
 * printed, and says the same when it is encoded again; the rest is refused with a reason.
 */
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/channel.h"
#include "fuzz.h"

static void check_decoded(const struct flow_notice *notice, const uint8_t *bytes, size_t size)
{
    uint8_t again[FLOW_NOTICE_MAX];
    for (const char *at = notice->text; *at != '\0'; at++)
        MUST_HOLD((uint8_t)*at >= 0x20 && *at != 0x7F);
    const size_t got = flow_notice_encode(notice->kind, notice->status, notice->text, again);
    MUST_HOLD(got == size && memcmp(bytes, again, size) == 0);
}

/* The same bytes through a real channel are taken or refused alike. */
static void check_channel(const uint8_t *data, size_t size, enum flow_status expected)
{
    int ends[2];
    struct flow_notice notice;
    MUST_HOLD(flow_channel_new(ends, NULL) == FLOW_OK);
    MUST_HOLD(send(ends[0], data, size, 0) == (ssize_t)size);
    MUST_HOLD(flow_channel_receive(ends[1], &notice, NULL) == expected);
    MUST_HOLD(flow_channel_receive(ends[1], &notice, NULL) == FLOW_EAGAIN);
    MUST_HOLD(flow_channel_send(ends[0], FLOW_SAY_LOG, FLOW_OK, (const char *)data) == FLOW_OK);
    MUST_HOLD(flow_channel_receive(ends[1], &notice, NULL) == FLOW_OK);
    close(ends[0]);
    struct pollfd end = {.fd = ends[1], .events = POLLIN};
    MUST_HOLD(poll(&end, 1, 10000) == 1);
    MUST_HOLD(flow_channel_receive(ends[1], &notice, NULL) == FLOW_ECLOSED);
    MUST_HOLD(flow_channel_send(ends[1], FLOW_SAY_LOG, FLOW_OK, "?") == FLOW_ECLOSED);
    close(ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct flow_notice notice;
    struct flow_error err = {0};
    const enum flow_status rc = flow_notice_decode(data, size, &notice, &err);
    if (rc == FLOW_OK)
        check_decoded(&notice, data, size);
    else
        MUST_HOLD(rc == FLOW_EPROTO && err.text[0] != '\0');
    if (size == 0 || size > FLOW_NOTICE_MAX)
        return 0;
    char *text = fuzz_text(data, size);
    check_channel((const uint8_t *)text, size, rc);
    free(text);
    return 0;
}
