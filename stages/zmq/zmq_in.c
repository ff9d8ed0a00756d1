/* SPDX-License-Identifier: MIT */
#include "socket.h"

#include <errno.h>
#include <stdlib.h>

#include "shared/pace.h"

#define ROUND 256 /* messages that one call of produce takes */

enum kind { KIND_PULL, KIND_SUB };
enum parts { PARTS_EACH, PARTS_KEY, PARTS_JOIN };

struct in {
    struct zmq_settings settings; /* first: parameters are of it */
    int kind, parts;
    struct flow_list topics;
    uint64_t max_size;
    int64_t idle, count;
    char *end;

    struct zmq_door door;
    zmq_msg_t part, key; /* initialised while the door is open */
    uint8_t *joined;     /* PARTS_JOIN: the parts so far */
    size_t joined_size, joined_capacity;
    uint64_t messages; /* those of the runs before this one included */
    int64_t last_ns;   /* when the last one came; 0: no call yet */
};

/* clang-format off */
static const struct flow_param params[] = {
    FLOW_PARAM_ENUM(struct in, kind, "pull", "pull|sub", "the socket: from a PUSH, or from a PUB"),
    ZMQ_SETTINGS_PARAMS,
    FLOW_PARAM_LIST(struct in, topics, "[\"\"]", "sub: what messages begin with"),
    FLOW_PARAM_ENUM(struct in, parts, "each", "each|key|join", "what the parts of one message become"),
    FLOW_PARAM_SIZE(struct in, max_size, "64MiB", 1, 268000000.0, "largest part; peers that send more are cut off"),
    FLOW_PARAM_DURATION(struct in, idle, "0s", 0, 86400e9, "end when nothing comes for so long; 0: never"),
    FLOW_PARAM_I64(struct in, count, "0", 0, (int64_t)1 << 53, "end after so many messages; 0: never"),
    FLOW_PARAM_STR(struct in, end, NULL, "the message that says that no more come"),
    FLOW_PARAM_END,
};
/* clang-format on */

static const struct flow_port outputs[] = {
    {"out", "bytes", "a record for each part, or for each message"},
    {NULL, NULL, NULL},
};

static enum flow_status in_open(void *self, struct flow_stage *stage)
{
    struct in *in = self;
    const int64_t most = (int64_t)in->max_size;
    (void)zmq_msg_init(&in->part);
    (void)zmq_msg_init(&in->key);
    enum flow_status rc =
        zmq_door_open(&in->door, stage, in->kind == KIND_SUB ? ZMQ_SUB : ZMQ_PULL, &in->settings);
    if (rc != FLOW_OK)
        return rc;
    bool good = zmq_setsockopt(in->door.socket, ZMQ_MAXMSGSIZE, &most, sizeof(most)) == 0;
    for (size_t i = 0; i < in->topics.count && in->kind == KIND_SUB && good; i++)
        good = zmq_setsockopt(in->door.socket, ZMQ_SUBSCRIBE, in->topics.items[i],
                              strlen(in->topics.items[i])) == 0;
    if (!good)
        return flow_stage_fail(stage, FLOW_EIO, "cannot prepare its socket: %s",
                               zmq_strerror(errno));
    return zmq_door_join(&in->door, stage, &in->settings);
}

static bool add_joined(struct in *in, const void *data, size_t size)
{
    if (in->joined_capacity - in->joined_size < size) {
        const size_t capacity = (in->joined_size + size) * 2 + 64;
        uint8_t *wider = realloc(in->joined, capacity);
        if (wider == NULL)
            return false;
        in->joined = wider;
        in->joined_capacity = capacity;
    }
    if (size > 0)
        memcpy(in->joined + in->joined_size, data, size);
    in->joined_size += size;
    return true;
}

static enum flow_status emit_joined(struct in *in, struct flow_stage *stage, bool more)
{
    if (in->joined_size + zmq_msg_size(&in->part) > in->max_size)
        return flow_stage_fail(stage, FLOW_ERANGE,
                               "the parts of a message have more than 'max_size' together, %llu "
                               "bytes; 'parts': 'each' makes a record of each",
                               (unsigned long long)in->max_size);
    if (!add_joined(in, zmq_msg_data(&in->part), zmq_msg_size(&in->part)))
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a message");
    if (more)
        return FLOW_OK;
    const enum flow_status rc = flow_emit(stage, in->joined, in->joined_size);
    in->joined_size = 0;
    return rc;
}

/* The first part of several is the key of the others. */
static enum flow_status emit_keyed(struct in *in, struct flow_stage *stage, bool first, bool more)
{
    if (first)
        (void)zmq_msg_close(&in->key);
    if (first && more) {
        (void)zmq_msg_init(&in->key);
        return zmq_msg_move(&in->key, &in->part) == 0
                   ? FLOW_OK
                   : flow_stage_fail(stage, FLOW_EIO, "cannot keep a key: %s", zmq_strerror(errno));
    }
    if (first)
        (void)zmq_msg_init(&in->key);
    const size_t size = zmq_msg_size(&in->key);
    const struct flow_target to = {.key = size > 0 ? zmq_msg_data(&in->key) : NULL,
                                   .key_size = size};
    return flow_emit_to(stage, &to, zmq_msg_data(&in->part), zmq_msg_size(&in->part));
}

static bool is_end(struct in *in)
{
    return in->end != NULL && zmq_msg_size(&in->part) == strlen(in->end) &&
           memcmp(zmq_msg_data(&in->part), in->end, zmq_msg_size(&in->part)) == 0;
}

/* The part in hand, and those behind it, which are here too: a message comes whole. */
static enum flow_status take_message(struct in *in, struct flow_stage *stage)
{
    enum flow_status rc = FLOW_OK;
    bool first = true;
    bool more = zmq_msg_more(&in->part) != 0;
    if (!more && is_end(in))
        return FLOW_ECLOSED;
    in->messages++;
    for (;; first = false) {
        if (in->parts == PARTS_EACH)
            rc = flow_emit(stage, zmq_msg_data(&in->part), zmq_msg_size(&in->part));
        else
            rc = in->parts == PARTS_KEY ? emit_keyed(in, stage, first, more)
                                        : emit_joined(in, stage, more);
        if (rc != FLOW_OK || !more)
            return rc;
        if (zmq_msg_recv(&in->part, in->door.socket, ZMQ_DONTWAIT) < 0)
            return flow_stage_fail(stage, FLOW_EIO, "a message ends in its middle: %s",
                                   zmq_strerror(errno));
        more = zmq_msg_more(&in->part) != 0;
    }
}

/* Nothing is there. */
static enum flow_status wait_for_more(struct in *in, struct flow_stage *stage, int cause)
{
    const int64_t now = flow_pace_now();
    const int64_t left = in->idle > 0 ? in->last_ns + in->idle - now : -1;
    if (in->idle > 0 && left <= 0)
        return FLOW_ECLOSED;
    const enum flow_status rc = zmq_door_wait(&in->door, stage, cause, left);
    return rc == FLOW_EAGAIN ? FLOW_OK : rc;
}

static enum flow_status in_produce(void *self, struct flow_stage *stage)
{
    struct in *in = self;
    if (in->last_ns == 0)
        in->last_ns = flow_pace_now();
    for (int i = 0; i < ROUND; i++) {
        if (in->count > 0 && in->messages >= (uint64_t)in->count)
            return FLOW_ECLOSED;
        if (zmq_msg_recv(&in->part, in->door.socket, ZMQ_DONTWAIT) < 0)
            return i > 0 && errno == EAGAIN ? FLOW_OK : wait_for_more(in, stage, errno);
        const enum flow_status rc = take_message(in, stage);
        if (rc != FLOW_OK)
            return rc;
        if (in->idle > 0)
            in->last_ns = flow_pace_now();
    }
    return FLOW_OK;
}

static enum flow_status in_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct in *in = self;
    (void)stage;
    return flow_save_number(to, in->messages);
}

static enum flow_status in_restore(void *self, struct flow_stage *stage, struct flow_loader *from)
{
    struct in *in = self;
    (void)stage;
    return flow_load_number(from, &in->messages);
}

static void in_close(void *self, struct flow_stage *stage)
{
    struct in *in = self;
    (void)stage;
    (void)zmq_msg_close(&in->part);
    (void)zmq_msg_close(&in->key);
    zmq_door_close(&in->door, 0);
    free(in->joined);
}

static const char *in_weakness(const void *self)
{
    (void)self;
    return "what has come out of a socket does not come again";
}

static const struct flow_stage_type in_type = {
    .name = "zmq.in",
    .help = "takes what other programs send over ZeroMQ",
    .role = FLOW_PRODUCER,
    .traits = FLOW_SINGLE,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct in),
    .open = in_open,
    .produce = in_produce,
    .close = in_close,
    .save = in_save,
    .restore = in_restore,
    .weakness = in_weakness,
};

FLOW_PLUGIN(&in_type);
