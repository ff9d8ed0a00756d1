/* SPDX-License-Identifier: MIT */

/* The part of ZeroMQ that core/link/ uses, with what it promises and nothing beyond. */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "simulate/net.h"
#include "simulate/table.h"

/* A zmq_msg_t holds a body. */
_Static_assert(sizeof(struct sim_body) <= sizeof(zmq_msg_t), "a body fits");

void *__wrap_zmq_ctx_new(void);
int __wrap_zmq_ctx_set(void *context, int option, int value);
int __wrap_zmq_ctx_term(void *context);
void *__wrap_zmq_socket(void *context, int type);
int __wrap_zmq_close(void *socket);
int __wrap_zmq_bind(void *socket, const char *address);
int __wrap_zmq_connect(void *socket, const char *address);
int __wrap_zmq_setsockopt(void *socket, int option, const void *value, size_t size);
int __wrap_zmq_getsockopt(void *socket, int option, void *value, size_t *size);
int __wrap_zmq_send(void *socket, const void *bytes, size_t size, int flags);
int __wrap_zmq_recv(void *socket, void *bytes, size_t size, int flags);
int __wrap_zmq_msg_init(zmq_msg_t *message);
int __wrap_zmq_msg_init_data(zmq_msg_t *message, void *data, size_t size, zmq_free_fn *release,
                             void *hint);
int __wrap_zmq_msg_send(zmq_msg_t *message, void *socket, int flags);
int __wrap_zmq_msg_recv(zmq_msg_t *message, void *socket, int flags);
int __wrap_zmq_msg_move(zmq_msg_t *to, zmq_msg_t *from);
int __wrap_zmq_msg_close(zmq_msg_t *message);
void *__wrap_zmq_msg_data(zmq_msg_t *message);
size_t __wrap_zmq_msg_size(const zmq_msg_t *message);
int __wrap_zmq_msg_more(const zmq_msg_t *message);

/* ---- contexts and sockets ---- */

void *__wrap_zmq_ctx_new(void)
{
    struct sim_context *context = calloc(1, sizeof(*context));
    context->process = sim_process_now();
    return context;
}

int __wrap_zmq_ctx_set(void *context, int option, int value)
{
    (void)context;
    (void)option;
    (void)value;
    return 0;
}

/* Sockets linger for as long as they were told, in which all is sent that anybody takes. */
int __wrap_zmq_ctx_term(void *opaque)
{
    struct sim_world *world = sim_world;
    struct sim_context *context = opaque;
    while (context->lingering > 0) {
        struct sim_wait wait = {.queue = &context->idle};
        if (!sim_wait_for(world, &wait, 1, NULL, context->until))
            break;
    }
    for (struct sim_pipe *pipe = world->net->pipes, *next; pipe != NULL; pipe = next) {
        next = pipe->next;
        if (pipe->context != context)
            continue;
        if (pipe->to != NULL)
            sim_pipe_send(world, pipe, SIZE_MAX);
        pipe->lost = true;
        sim_letters_discard(&pipe->unsent, true);
        sim_pipe_moved(world->net, pipe);
        sim_pipe_free_if_over(world, pipe);
    }
    free(context);
    return 0;
}

void *__wrap_zmq_socket(void *context, int type)
{
    struct sim_world *world = sim_world;
    struct sim_socket *socket = sim_own_alloc(sizeof(*socket));
    socket->context = context;
    socket->reads = type == ZMQ_PULL;
    socket->fd = sim_fd_new(world, SIM_SOCKET);
    sim_fd_get(world, socket->fd)->socket = socket;
    socket->next = world->net->sockets;
    world->net->sockets = socket;
    return socket;
}

static void close_outbox(struct sim_world *world, struct sim_socket *socket)
{
    struct sim_pipe *pipe = socket->out;
    pipe->closed = true;
    if (socket->linger == 0)
        sim_letters_discard(&pipe->unsent, true);
    pipe->context->lingering += pipe->unsent.count;
    const int64_t until = world->now_ns + (int64_t)socket->linger * 1000000;
    if (pipe->unsent.count > 0 && until > pipe->context->until)
        pipe->context->until = until;
    sim_pipe_moved(world->net, pipe);
    sim_pipe_free_if_over(world, pipe);
}

int __wrap_zmq_close(void *opaque)
{
    struct sim_world *world = sim_world;
    struct sim_socket *socket = opaque;
    sim_yield(world);
    sim_socket_close_inbox(world, socket);
    if (socket->out != NULL)
        close_outbox(world, socket);
    sim_socket_free(world, socket);
    return 0;
}

int __wrap_zmq_bind(void *opaque, const char *address)
{
    struct sim_world *world = sim_world;
    struct sim_socket *socket = opaque;
    assert(strlen(address) < SIM_ADDRESS);
    strcpy(socket->address, address);
    for (struct sim_pipe *pipe = world->net->pipes; pipe != NULL; pipe = pipe->next) {
        if (pipe->to == NULL && sim_pipe_meets(pipe, socket))
            sim_pipe_attach(world, pipe, socket);
    }
    return 0;
}

int __wrap_zmq_connect(void *opaque, const char *address)
{
    struct sim_world *world = sim_world;
    struct sim_socket *socket = opaque;
    struct sim_pipe *pipe = sim_own_alloc(sizeof(*pipe));
    assert(strlen(address) < SIM_ADDRESS);
    strcpy(pipe->address, address);
    pipe->context = socket->context;
    pipe->from = socket->context->process;
    pipe->remote = strncmp(address, "inproc:", 7) != 0;
    pipe->place = SIZE_MAX;
    pipe->next = world->net->pipes;
    world->net->pipes = pipe;
    socket->out = pipe;
    for (struct sim_socket *to = world->net->sockets; to != NULL; to = to->next) {
        if (sim_pipe_meets(pipe, to)) {
            sim_pipe_attach(world, pipe, to);
            break;
        }
    }
    return 0;
}

int __wrap_zmq_setsockopt(void *opaque, int option, const void *value, size_t size)
{
    struct sim_socket *socket = opaque;
    if (option == ZMQ_LINGER && size == sizeof(int))
        memcpy(&socket->linger, value, size);
    return 0;
}

int __wrap_zmq_getsockopt(void *opaque, int option, void *value, size_t *size)
{
    const struct sim_socket *socket = opaque;
    assert(option == ZMQ_FD && *size == sizeof(int));
    (void)option;
    memcpy(value, &socket->fd, *size);
    return 0;
}

/* ---- sending and receiving ---- */

int __wrap_zmq_send(void *opaque, const void *bytes, size_t size, int flags)
{
    struct sim_socket *socket = opaque;
    (void)flags;
    sim_yield(sim_world);
    const struct sim_body body = {.data = (void *)(uintptr_t)bytes, .size = size};
    sim_pipe_post(sim_world, socket->out, &body);
    sim_yield(sim_world);
    return (int)size;
}

static int fail_empty(void)
{
    errno = EAGAIN;
    return -1;
}

int __wrap_zmq_recv(void *opaque, void *bytes, size_t size, int flags)
{
    (void)flags;
    struct sim_letter *letter = sim_socket_take(sim_world, opaque);
    if (letter == NULL)
        return fail_empty();
    const size_t whole = letter->body.size;
    memcpy(bytes, letter->bytes, whole < size ? whole : size);
    sim_own_free(letter->bytes);
    sim_own_free(letter);
    return (int)whole;
}

/* ---- messages ---- */

static struct sim_body *body_of(const zmq_msg_t *message)
{
    return (struct sim_body *)(uintptr_t)message;
}

int __wrap_zmq_msg_init(zmq_msg_t *message)
{
    *body_of(message) = (struct sim_body){0};
    return 0;
}

int __wrap_zmq_msg_init_data(zmq_msg_t *message, void *data, size_t size, zmq_free_fn *released,
                             void *hint)
{
    *body_of(message) =
        (struct sim_body){.data = data, .size = size, .release = released, .hint = hint};
    return 0;
}

int __wrap_zmq_msg_send(zmq_msg_t *message, void *opaque, int flags)
{
    const struct sim_socket *socket = opaque;
    (void)flags;
    sim_yield(sim_world);
    const int size = (int)body_of(message)->size;
    sim_pipe_post(sim_world, socket->out, body_of(message));
    sim_yield(sim_world);
    return size;
}

int __wrap_zmq_msg_recv(zmq_msg_t *message, void *opaque, int flags)
{
    (void)flags;
    struct sim_letter *letter = sim_socket_take(sim_world, opaque);
    if (letter == NULL)
        return fail_empty();
    struct sim_body body = {.size = letter->body.size, .own = true};
    body.data = malloc(body.size + 1); /* of the process that receives it */
    memcpy(body.data, letter->bytes, body.size);
    sim_own_free(letter->bytes);
    sim_own_free(letter);
    *body_of(message) = body;
    return (int)body.size;
}

int __wrap_zmq_msg_move(zmq_msg_t *to, zmq_msg_t *from)
{
    *body_of(to) = *body_of(from);
    *body_of(from) = (struct sim_body){0};
    return 0;
}

int __wrap_zmq_msg_close(zmq_msg_t *message)
{
    struct sim_body *body = body_of(message);
    if (body->own)
        free(body->data);
    else
        sim_body_release(body);
    *body = (struct sim_body){0};
    return 0;
}

void *__wrap_zmq_msg_data(zmq_msg_t *message)
{
    return body_of(message)->data;
}

size_t __wrap_zmq_msg_size(const zmq_msg_t *message)
{
    return body_of(message)->size;
}

int __wrap_zmq_msg_more(const zmq_msg_t *message)
{
    (void)message;
    return 0;
}
