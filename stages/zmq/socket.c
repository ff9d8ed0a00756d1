/* SPDX-License-Identifier: MIT */
#include "socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define KEY_SIZE 40 /* characters of Z85 */

static enum flow_status fail(struct flow_stage *stage, const char *what)
{
    return flow_stage_fail(stage, errno == ENOMEM ? FLOW_ENOMEM : FLOW_EIO, "cannot %s: %s", what,
                           zmq_strerror(errno));
}

static enum flow_status refuse_key(struct flow_stage *stage, const char *name)
{
    return flow_stage_fail(stage, FLOW_EINVAL,
                           "'%s' is not a key of CURVE: 40 characters of Z85, as curve_keygen "
                           "prints them",
                           name);
}

static enum flow_status set_curve(struct zmq_door *door, struct flow_stage *stage,
                                  const struct zmq_settings *settings)
{
    char public_key[KEY_SIZE + 1];
    const char *secret = settings->secret_key;
    const char *server = settings->server_key;
    const int serve = 1;
    if (secret == NULL && server == NULL)
        return FLOW_OK;
    if (secret == NULL)
        return flow_stage_fail(stage, FLOW_EINVAL, "'server_key' needs a 'secret_key' beside it");
    if (strlen(secret) != KEY_SIZE || zmq_curve_public(public_key, secret) != 0)
        return refuse_key(stage, "secret_key");
    if (server != NULL && strlen(server) != KEY_SIZE)
        return refuse_key(stage, "server_key");
    int rc = zmq_setsockopt(door->socket, ZMQ_CURVE_SECRETKEY, secret, KEY_SIZE + 1);
    if (rc == 0)
        rc = zmq_setsockopt(door->socket, ZMQ_CURVE_PUBLICKEY, public_key, KEY_SIZE + 1);
    if (rc == 0)
        rc = server != NULL
                 ? zmq_setsockopt(door->socket, ZMQ_CURVE_SERVERKEY, server, KEY_SIZE + 1)
                 : zmq_setsockopt(door->socket, ZMQ_CURVE_SERVER, &serve, sizeof(serve));
    return rc == 0 ? FLOW_OK : fail(stage, "use the keys of CURVE");
}

enum flow_status zmq_door_open(struct zmq_door *door, struct flow_stage *stage, int type,
                               const struct zmq_settings *settings)
{
    const int hwm = (int)settings->hwm;
    size_t size = sizeof(door->fd);
    if (settings->bind.count + settings->connect.count == 0)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "neither 'bind' nor 'connect' says where the other end is");
    door->context = zmq_ctx_new();
    door->socket = door->context != NULL ? zmq_socket(door->context, type) : NULL;
    if (door->socket == NULL)
        return fail(stage, "make a socket");
    if (zmq_setsockopt(door->socket, ZMQ_RCVHWM, &hwm, sizeof(hwm)) != 0 ||
        zmq_setsockopt(door->socket, ZMQ_SNDHWM, &hwm, sizeof(hwm)) != 0 ||
        zmq_getsockopt(door->socket, ZMQ_FD, &door->fd, &size) != 0)
        return fail(stage, "prepare its socket");
    return set_curve(door, stage, settings);
}

static enum flow_status refuse_endpoint(struct flow_stage *stage, const char *how,
                                        const char *endpoint)
{
    return flow_stage_fail(stage, FLOW_EIO, "cannot %s '%s': %s", how, endpoint,
                           errno == EINVAL || errno == EPROTONOSUPPORT
                               ? "an endpoint is tcp://HOST:PORT or ipc://PATH"
                               : zmq_strerror(errno));
}

enum flow_status zmq_door_join(struct zmq_door *door, struct flow_stage *stage,
                               const struct zmq_settings *settings)
{
    for (size_t i = 0; i < settings->bind.count; i++) {
        char where[256] = "";
        size_t size = sizeof(where);
        if (zmq_bind(door->socket, settings->bind.items[i]) != 0)
            return refuse_endpoint(stage, "listen at", settings->bind.items[i]);
        (void)zmq_getsockopt(door->socket, ZMQ_LAST_ENDPOINT, where, &size);
        flow_log(stage, "listens on %s", where);
    }
    for (size_t i = 0; i < settings->connect.count; i++) {
        if (zmq_connect(door->socket, settings->connect.items[i]) != 0)
            return refuse_endpoint(stage, "connect to", settings->connect.items[i]);
    }
    return FLOW_OK;
}

void zmq_door_close(struct zmq_door *door, int linger_ms)
{
    if (door->socket != NULL) {
        (void)zmq_setsockopt(door->socket, ZMQ_LINGER, &linger_ms, sizeof(linger_ms));
        (void)zmq_close(door->socket);
    }
    while (door->context != NULL && zmq_ctx_term(door->context) != 0 && errno == EINTR) {
    }
    *door = (struct zmq_door){.fd = -1};
}

enum flow_status zmq_door_wait(const struct zmq_door *door, struct flow_stage *stage, int cause,
                               int64_t timeout_ns)
{
    if (cause == EINTR)
        return FLOW_OK;
    if (cause != EAGAIN)
        return flow_stage_fail(stage, FLOW_EIO, "its socket fails: %s", zmq_strerror(cause));
    return flow_wait(stage, door->fd, POLLIN, timeout_ns);
}
