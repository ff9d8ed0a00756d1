/* SPDX-License-Identifier: MIT */
#include "socket.h"

#include <errno.h>

enum kind { KIND_PUSH, KIND_PUB };
enum parts { PARTS_RECORD, PARTS_KEY };

struct out {
    struct zmq_settings settings; /* first: parameters are of it */
    int kind, parts;
    int64_t wait_for, linger;
    bool drop;
    char *end;

    struct zmq_door door;
    int64_t subscribers;
    bool finished;
};

/* clang-format off */
static const struct flow_param params[] = {
    FLOW_PARAM_ENUM(struct out, kind, "push", "push|pub", "the socket: to a PULL each, or to all SUBs"),
    ZMQ_SETTINGS_PARAMS,
    FLOW_PARAM_ENUM(struct out, parts, "record", "record|key", "key: the record's key is a part before it"),
    FLOW_PARAM_I64(struct out, wait_for, "0", 0, 1000000, "pub: subscriptions to wait for at the start"),
    FLOW_PARAM_BOOL(struct out, drop, "false", "pub: drop for subscribers whose queue is full"),
    FLOW_PARAM_DURATION(struct out, linger, "10s", 0, 3600e9, "for what is still queued at the end"),
    FLOW_PARAM_STR(struct out, end, NULL, "a last message, which says that no more come"),
    FLOW_PARAM_END,
};
/* clang-format on */

static enum flow_status out_open(void *self, struct flow_stage *stage)
{
    struct out *out = self;
    const bool pub = out->kind == KIND_PUB;
    const int one = 1;
    const int keep = !out->drop;
    enum flow_status rc =
        zmq_door_open(&out->door, stage, pub ? ZMQ_XPUB : ZMQ_PUSH, &out->settings);
    if (rc != FLOW_OK)
        return rc;
    /* A peer that is not there has no queue: what was put into one might never go out. */
    int failed = zmq_setsockopt(out->door.socket, ZMQ_IMMEDIATE, &one, sizeof(one));
    if (failed == 0 && pub)
        failed = zmq_setsockopt(out->door.socket, ZMQ_XPUB_NODROP, &keep, sizeof(keep));
    if (failed == 0 && pub) /* each one counts, also for a topic that there was already */
        failed = zmq_setsockopt(out->door.socket, ZMQ_XPUB_VERBOSER, &one, sizeof(one));
    if (failed != 0)
        return flow_stage_fail(stage, FLOW_EIO, "cannot prepare its socket: %s",
                               zmq_strerror(errno));
    return zmq_door_join(&out->door, stage, &out->settings);
}

/* Subscriptions come as messages: a byte, 1 for one more and 0 for one less, and the topic. */
static bool take_subscription(struct out *out)
{
    uint8_t first = 2;
    const int size = zmq_recv(out->door.socket, &first, sizeof(first), ZMQ_DONTWAIT);
    if (size > 0 && first < 2)
        out->subscribers += first == 1 ? 1 : -1;
    return size >= 0;
}

static enum flow_status wait_for_subscribers(struct out *out, struct flow_stage *stage)
{
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && out->kind == KIND_PUB) {
        if (take_subscription(out))
            continue;
        if (out->subscribers >= out->wait_for)
            break;
        rc = zmq_door_wait(&out->door, stage, errno, -1);
    }
    out->wait_for = 0; /* from now on some may go */
    return rc;
}

/* Subscriptions would keep the descriptor readable.  To take them takes in everything that has
 * happened, also that there is room again, so the socket must be asked once more after that. */
static void take_subscriptions(struct out *out)
{
    while (out->kind == KIND_PUB && take_subscription(out)) {
    }
}

static enum flow_status send_part(struct out *out, struct flow_stage *stage, const void *data,
                                  size_t size, int flags)
{
    enum flow_status rc = FLOW_OK;
    bool asked = out->kind != KIND_PUB;
    while (rc == FLOW_OK && zmq_send(out->door.socket, data, size, ZMQ_DONTWAIT | flags) < 0) {
        if (errno == EAGAIN && !asked) {
            take_subscriptions(out);
            asked = true;
            continue;
        }
        rc = zmq_door_wait(&out->door, stage, errno, -1);
        asked = out->kind != KIND_PUB;
    }
    return rc;
}

static enum flow_status out_process_batch(void *self, struct flow_stage *stage,
                                          const struct flow_batch *batch)
{
    struct out *out = self;
    enum flow_status rc = wait_for_subscribers(out, stage);
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);) {
        if (out->parts == PARTS_KEY)
            rc = send_part(out, stage, c.record.key != NULL ? c.record.key : "", c.record.key_size,
                           ZMQ_SNDMORE);
        if (rc == FLOW_OK)
            rc = send_part(out, stage, c.record.data, c.record.size, 0);
    }
    return rc;
}

static enum flow_status out_finish(void *self, struct flow_stage *stage)
{
    struct out *out = self;
    enum flow_status rc = wait_for_subscribers(out, stage);
    if (rc == FLOW_OK && out->end != NULL)
        rc = send_part(out, stage, out->end, strlen(out->end), 0);
    out->finished = rc == FLOW_OK;
    return rc;
}

static void out_close(void *self, struct flow_stage *stage)
{
    struct out *out = self;
    (void)stage;
    zmq_door_close(&out->door, out->finished ? (int)(out->linger / 1000000) : 0);
}

static const char *out_weakness(const void *self)
{
    (void)self;
    return "what was sent cannot be taken back";
}

static const struct flow_stage_type out_type = {
    .name = "zmq.out",
    .help = "sends records to other programs over ZeroMQ",
    .role = FLOW_CONSUMER,
    .traits = FLOW_OUTSIDE,
    .params = params,
    .state_size = sizeof(struct out),
    .open = out_open,
    .process_batch = out_process_batch,
    .finish = out_finish,
    .close = out_close,
    .weakness = out_weakness,
};

FLOW_PLUGIN(&out_type);
