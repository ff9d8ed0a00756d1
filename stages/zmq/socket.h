/* SPDX-License-Identifier: MIT */
#ifndef STAGES_ZMQ_SOCKET_H
#define STAGES_ZMQ_SOCKET_H

/*
 * One socket of ZeroMQ, with a context of its own, that is waited for by flow_wait.
 *
 * Its descriptor is edge-triggered: it says that something has happened, not that there is
 * something to read or room to write, and says so once.  So it may be waited for only after a call
 * on the socket has returned EAGAIN: that call has taken in all that had happened before.
 *
 * Threads: the stage's own.
 */

#include <flowrun/stage.h>
#include <zmq.h>

struct zmq_settings {
    struct flow_list bind, connect;
    char *secret_key, *server_key;
    int64_t hwm;
};

/* clang-format off */
#define ZMQ_SETTINGS_PARAMS \
    FLOW_PARAM_LIST(struct zmq_settings, bind, NULL, "endpoints to listen at, as tcp://127.0.0.1:5555"), \
    FLOW_PARAM_LIST(struct zmq_settings, connect, NULL, "endpoints to connect to"), \
    FLOW_PARAM_I64(struct zmq_settings, hwm, "1000", 0, 1000000000, "messages queued for each peer; 0: no bound"), \
    FLOW_PARAM_STR(struct zmq_settings, secret_key, NULL, "CURVE: our key, 40 characters of Z85"), \
    FLOW_PARAM_STR(struct zmq_settings, server_key, NULL, "CURVE: the server's public key; none: we serve")
/* clang-format on */

struct zmq_door {
    void *context;
    void *socket;
    int fd;
};

/* Make the socket; its own options may be set before zmq_door_join.  FLOW_OK, or what
 * flow_stage_fail returned. */
enum flow_status zmq_door_open(struct zmq_door *door, struct flow_stage *stage, int type,
                               const struct zmq_settings *settings);

/* Bind and connect, and say where it listens. */
enum flow_status zmq_door_join(struct zmq_door *door, struct flow_stage *stage,
                               const struct zmq_settings *settings);

/* Close it; what has not gone out may take so long [ms]. */
void zmq_door_close(struct zmq_door *door, int linger_ms);

/* The call on the socket failed with this errno: wait, as flow_wait does, or fail.  FLOW_OK: try
 * again. */
enum flow_status zmq_door_wait(const struct zmq_door *door, struct flow_stage *stage, int cause,
                               int64_t timeout_ns);

#endif /* STAGES_ZMQ_SOCKET_H */
