/* SPDX-License-Identifier: MIT */

/*
 * The part of ZeroMQ that core/link/ uses, with what it promises and nothing beyond: messages of
 * one connection arrive in order, those of two in any, each whenever it likes.
 *
 *     sender's memory ── unsent ──> wire ── arrived ──> receiver's memory
 *
 * between threads at once, between processes in two steps that the scheduler takes.  A process that
 * dies takes along what it has not sent and what has arrived at it; what is on the wire outlives
 * its sender.
 *
 * The descriptor of a socket tells what ZMQ_FD tells: that there is news for whoever has seen
 * FLOW_EAGAIN, and not that there are messages.  A pipe whose reader has found it empty sleeps; the
 * message that wakes it signals, the ones behind it do not.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "simulate/table.h"

#define ADDRESS 200

/* What a zmq_msg_t holds. */
struct body {
    void *data;
    size_t size;
    void (*release)(void *data, void *hint);
    void *hint;
    bool own; /* data is to be freed */
};
_Static_assert(sizeof(struct body) <= sizeof(zmq_msg_t), "a body fits");

struct letter {
    struct letter *next;
    struct body body;     /* until it is sent: the sender's memory */
    unsigned char *bytes; /* afterwards: a copy */
};

struct letters {
    struct letter *first, **last;
    size_t count;
};

struct context {
    struct sim_process *process;
    struct sim_queue idle; /* who waits for what lingers */
    size_t lingering;      /* letters of closed sockets that are not sent */
};

struct pipe {
    struct pipe *next; /* of the world */
    struct context *context;
    struct sim_process *from;
    struct sim_socket *to; /* NULL: nobody is bound there, or has gone */
    char address[ADDRESS];
    bool remote, closed, lost, asleep;
    struct letters unsent, wire, arrived;
    size_t place; /* among those in which something can move; SIZE_MAX: nothing can */
};

struct sim_socket {
    struct sim_socket *next; /* of the world */
    struct context *context;
    int type;
    int fd;
    int linger;
    bool signal;
    char address[ADDRESS]; /* of a PULL that is bound */
    struct pipe *out;      /* of a PUSH that is connected */
    struct pipe **in;      /* of a PULL */
    size_t in_count, in_room;
};

struct sim_net {
    struct sim_socket *sockets;
    struct pipe *pipes;
    struct pipe **moving;
    size_t moving_count, moving_room;
};

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

/* ---- letters ---- */

static void push(struct letters *letters, struct letter *letter)
{
    letter->next = NULL;
    if (letters->first == NULL)
        letters->last = &letters->first;
    *letters->last = letter;
    letters->last = &letter->next;
    letters->count++;
}

static struct letter *pop(struct letters *letters)
{
    struct letter *letter = letters->first;
    letters->first = letter->next;
    letters->count--;
    return letter;
}

static void release(const struct body *body)
{
    if (body->release == NULL)
        return;
    sim_world->quiet = true; /* as little can come between as in the thread of ZeroMQ */
    body->release(body->data, body->hint);
    sim_world->quiet = false;
}

/* With `returns`, the sender's memory is still there, and gets what it lent. */
static void discard(struct letters *letters, bool returns)
{
    while (letters->first != NULL) {
        struct letter *letter = pop(letters);
        if (letter->bytes == NULL && returns)
            release(&letter->body);
        sim_own_free(letter->bytes);
        sim_own_free(letter);
    }
}

/* Its bytes leave the sender's memory. */
static void copy_out(struct letter *letter)
{
    if (letter->bytes != NULL)
        return;
    letter->bytes = sim_own_alloc(letter->body.size + 1);
    memcpy(letter->bytes, letter->body.data, letter->body.size);
    release(&letter->body);
}

/* ---- pipes ---- */

static bool can_move(const struct pipe *pipe)
{
    return pipe->to != NULL && pipe->unsent.count + pipe->wire.count > 0;
}

static void note_moving(struct sim_net *net, struct pipe *pipe)
{
    const bool moves = can_move(pipe);
    if (moves && pipe->place == SIZE_MAX) {
        if (net->moving_count == net->moving_room) {
            net->moving_room = net->moving_room * 2 + 64;
            net->moving = sim_own_realloc(net->moving, net->moving_room * sizeof(struct pipe *));
        }
        pipe->place = net->moving_count;
        net->moving[net->moving_count++] = pipe;
    } else if (!moves && pipe->place != SIZE_MAX) {
        struct pipe *last = net->moving[--net->moving_count];
        net->moving[pipe->place] = last;
        last->place = pipe->place;
        pipe->place = SIZE_MAX;
    }
}

/* Something can be read there. */
static void signal_socket(struct sim_world *world, struct pipe *pipe)
{
    if (!pipe->asleep || pipe->arrived.count == 0)
        return;
    pipe->asleep = false;
    pipe->to->signal = true;
    sim_fd_changed(world, pipe->to->fd);
}

static void detach(struct pipe *pipe)
{
    struct sim_socket *to = pipe->to;
    pipe->to = NULL;
    for (size_t i = 0; to != NULL && i < to->in_count; i++) {
        if (to->in[i] == pipe)
            to->in[i] = to->in[--to->in_count];
    }
}

/* Nobody writes there any more, and all has been read. */
static void free_if_over(struct sim_world *world, struct pipe *pipe)
{
    if (!pipe->closed || pipe->unsent.count + pipe->wire.count + pipe->arrived.count > 0)
        return;
    detach(pipe);
    note_moving(world->net, pipe);
    struct pipe **at = &world->net->pipes;
    while (*at != pipe)
        at = &(*at)->next;
    *at = pipe->next;
    sim_own_free(pipe);
}

static void attach(struct sim_world *world, struct pipe *pipe, struct sim_socket *to)
{
    if (to->in_count == to->in_room) {
        to->in_room = to->in_room * 2 + 8;
        to->in = sim_own_realloc(to->in, to->in_room * sizeof(struct pipe *));
    }
    to->in[to->in_count++] = pipe;
    pipe->to = to;
    pipe->asleep = true;
    signal_socket(world, pipe);
    note_moving(world->net, pipe);
}

/* Who is bound there, as this context sees it. */
static bool meets(const struct pipe *pipe, const struct sim_socket *socket)
{
    return socket->type == ZMQ_PULL && strcmp(pipe->address, socket->address) == 0 &&
           (pipe->remote || pipe->context == socket->context);
}

/* What was unsent in a socket that is closed was waited for. */
static void settle_linger(struct sim_world *world, struct pipe *pipe, size_t count)
{
    if (!pipe->closed || pipe->lost)
        return;
    pipe->context->lingering -= count;
    if (pipe->context->lingering == 0)
        sim_wake_all(world, &pipe->context->idle);
}

/* ---- what moves by itself ---- */

bool sim_net_has_more(const struct sim_world *world)
{
    return world->net->moving_count > 0;
}

static void send_some(struct sim_world *world, struct pipe *pipe, size_t count)
{
    for (; count > 0 && pipe->unsent.count > 0; count--) {
        struct letter *letter = pop(&pipe->unsent);
        copy_out(letter);
        push(&pipe->wire, letter);
        settle_linger(world, pipe, 1);
    }
}

static void bring_some(struct sim_world *world, struct pipe *pipe, size_t count)
{
    for (; count > 0 && pipe->wire.count > 0; count--)
        push(&pipe->arrived, pop(&pipe->wire));
    signal_socket(world, pipe);
}

bool sim_net_step(struct sim_world *world)
{
    struct sim_net *net = world->net;
    struct pipe *pipe = net->moving[sim_pick(&world->chance, net->moving_count)];
    const size_t count = 1 + (sim_percent(&world->chance, 30) ? sim_pick(&world->chance, 8) : 0);
    const bool can_send = pipe->unsent.count > 0 && pipe->from->stopped_until <= world->now_ns;
    const bool can_bring = pipe->wire.count > 0;
    if (can_send && (!can_bring || sim_percent(&world->chance, 50)))
        send_some(world, pipe, count);
    else
        bring_some(world, pipe, count);
    note_moving(net, pipe);
    return can_send || can_bring;
}

void sim_net_send(struct sim_world *world)
{
    struct sim_net *net = world->net;
    for (size_t i = 0; i < net->moving_count; i++) {
        if (net->moving[i]->from->stopped_until <= world->now_ns)
            send_some(world, net->moving[i], SIZE_MAX);
    }
}

bool sim_socket_signals(const struct sim_socket *socket)
{
    return socket->signal;
}

/* ---- the end of things ---- */

static void free_socket(struct sim_world *world, struct sim_socket *socket)
{
    struct sim_socket **at = &world->net->sockets;
    while (*at != socket)
        at = &(*at)->next;
    *at = socket->next;
    sim_fd_release(world, socket->fd);
    sim_own_free(socket->in);
    sim_own_free(socket);
}

/* Nobody reads any more what is under way to it. */
static void close_inbox(struct sim_world *world, struct sim_socket *socket)
{
    while (socket->in_count > 0) {
        struct pipe *pipe = socket->in[0];
        detach(pipe);
        discard(&pipe->wire, false);
        discard(&pipe->arrived, false);
        note_moving(world->net, pipe);
        free_if_over(world, pipe);
    }
}

void sim_net_drop(struct sim_world *world, const struct sim_process *process)
{
    for (struct sim_socket *socket = world->net->sockets, *next; socket != NULL; socket = next) {
        next = socket->next;
        if (socket->context->process != process)
            continue;
        close_inbox(world, socket);
        free_socket(world, socket);
    }
    for (struct pipe *pipe = world->net->pipes, *next; pipe != NULL; pipe = next) {
        next = pipe->next;
        if (pipe->from != process)
            continue;
        pipe->closed = true;
        pipe->lost = true;
        discard(&pipe->unsent, false);
        note_moving(world->net, pipe);
        free_if_over(world, pipe);
    }
}

struct sim_net *sim_net_new(void)
{
    return sim_own_alloc(sizeof(struct sim_net));
}

/* All processes have gone, but something may still be on the wire to them. */
void sim_net_reset(struct sim_world *world)
{
    struct sim_net *net = world->net;
    while (net->pipes != NULL) {
        struct pipe *pipe = net->pipes;
        pipe->closed = pipe->lost = true;
        discard(&pipe->unsent, false);
        discard(&pipe->wire, false);
        discard(&pipe->arrived, false);
        free_if_over(world, pipe);
    }
}

/* ---- contexts and sockets ---- */

void *__wrap_zmq_ctx_new(void)
{
    struct context *context = calloc(1, sizeof(*context));
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
    struct context *context = opaque;
    const int64_t until = world->now_ns + INT64_C(2000) * 1000000;
    while (context->lingering > 0) {
        struct sim_wait wait = {.queue = &context->idle};
        if (!sim_wait_for(world, &wait, 1, NULL, until))
            break;
    }
    for (struct pipe *pipe = world->net->pipes, *next; pipe != NULL; pipe = next) {
        next = pipe->next;
        if (pipe->context != context)
            continue;
        if (pipe->to != NULL)
            send_some(world, pipe, SIZE_MAX);
        pipe->lost = true;
        discard(&pipe->unsent, true);
        note_moving(world->net, pipe);
        free_if_over(world, pipe);
    }
    free(context);
    return 0;
}

void *__wrap_zmq_socket(void *context, int type)
{
    struct sim_world *world = sim_world;
    struct sim_socket *socket = sim_own_alloc(sizeof(*socket));
    socket->context = context;
    socket->type = type;
    socket->fd = sim_fd_new(world, SIM_SOCKET);
    sim_fd_get(world, socket->fd)->socket = socket;
    socket->next = world->net->sockets;
    world->net->sockets = socket;
    return socket;
}

static void close_outbox(struct sim_world *world, struct sim_socket *socket)
{
    struct pipe *pipe = socket->out;
    pipe->closed = true;
    if (socket->linger == 0)
        discard(&pipe->unsent, true);
    pipe->context->lingering += pipe->unsent.count;
    note_moving(world->net, pipe);
    free_if_over(world, pipe);
}

int __wrap_zmq_close(void *opaque)
{
    struct sim_world *world = sim_world;
    struct sim_socket *socket = opaque;
    sim_yield(world);
    close_inbox(world, socket);
    if (socket->out != NULL)
        close_outbox(world, socket);
    free_socket(world, socket);
    return 0;
}

int __wrap_zmq_bind(void *opaque, const char *address)
{
    struct sim_world *world = sim_world;
    struct sim_socket *socket = opaque;
    assert(strlen(address) < ADDRESS);
    strcpy(socket->address, address);
    for (struct pipe *pipe = world->net->pipes; pipe != NULL; pipe = pipe->next) {
        if (pipe->to == NULL && meets(pipe, socket))
            attach(world, pipe, socket);
    }
    return 0;
}

int __wrap_zmq_connect(void *opaque, const char *address)
{
    struct sim_world *world = sim_world;
    struct sim_socket *socket = opaque;
    struct pipe *pipe = sim_own_alloc(sizeof(*pipe));
    assert(strlen(address) < ADDRESS);
    strcpy(pipe->address, address);
    pipe->context = socket->context;
    pipe->from = socket->context->process;
    pipe->remote = strncmp(address, "inproc:", 7) != 0;
    pipe->place = SIZE_MAX;
    pipe->next = world->net->pipes;
    world->net->pipes = pipe;
    socket->out = pipe;
    for (struct sim_socket *to = world->net->sockets; to != NULL; to = to->next) {
        if (meets(pipe, to)) {
            attach(world, pipe, to);
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

static void post(struct sim_world *world, struct pipe *pipe, const struct body *body)
{
    struct letter *letter = sim_own_alloc(sizeof(*letter));
    letter->body = *body;
    if (world->first_send == 0)
        world->first_send = world->steps;
    if (!pipe->remote || body->release == NULL)
        copy_out(letter);
    push(pipe->remote ? &pipe->unsent : &pipe->arrived, letter);
    if (pipe->to != NULL && !pipe->remote)
        signal_socket(world, pipe);
    note_moving(world->net, pipe);
}

int __wrap_zmq_send(void *opaque, const void *bytes, size_t size, int flags)
{
    struct sim_socket *socket = opaque;
    (void)flags;
    sim_yield(sim_world);
    const struct body body = {.data = (void *)(uintptr_t)bytes, .size = size};
    post(sim_world, socket->out, &body);
    return (int)size;
}

/* The next letter for a reader; NULL: there is none, and the pipes go to sleep. */
static struct letter *receive(struct sim_world *world, struct sim_socket *socket)
{
    sim_yield(world);
    socket->signal = false;
    const size_t count = socket->in_count;
    const size_t first = count > 0 ? sim_pick(&world->chance, count) : 0;
    for (size_t i = 0; i < count; i++) {
        struct pipe *pipe = socket->in[(first + i) % count];
        if (pipe->arrived.count == 0) {
            pipe->asleep = true;
            continue;
        }
        struct letter *letter = pop(&pipe->arrived);
        free_if_over(world, pipe);
        return letter;
    }
    return NULL;
}

static int fail_empty(void)
{
    errno = EAGAIN;
    return -1;
}

int __wrap_zmq_recv(void *opaque, void *bytes, size_t size, int flags)
{
    (void)flags;
    struct letter *letter = receive(sim_world, opaque);
    if (letter == NULL)
        return fail_empty();
    const size_t whole = letter->body.size;
    memcpy(bytes, letter->bytes, whole < size ? whole : size);
    sim_own_free(letter->bytes);
    sim_own_free(letter);
    return (int)whole;
}

/* ---- messages ---- */

static struct body *body_of(const zmq_msg_t *message)
{
    return (struct body *)(uintptr_t)message;
}

int __wrap_zmq_msg_init(zmq_msg_t *message)
{
    *body_of(message) = (struct body){0};
    return 0;
}

int __wrap_zmq_msg_init_data(zmq_msg_t *message, void *data, size_t size, zmq_free_fn *released,
                             void *hint)
{
    *body_of(message) =
        (struct body){.data = data, .size = size, .release = released, .hint = hint};
    return 0;
}

int __wrap_zmq_msg_send(zmq_msg_t *message, void *opaque, int flags)
{
    const struct sim_socket *socket = opaque;
    (void)flags;
    sim_yield(sim_world);
    const int size = (int)body_of(message)->size;
    post(sim_world, socket->out, body_of(message));
    return size;
}

int __wrap_zmq_msg_recv(zmq_msg_t *message, void *opaque, int flags)
{
    (void)flags;
    struct letter *letter = receive(sim_world, opaque);
    if (letter == NULL)
        return fail_empty();
    struct body body = {.size = letter->body.size, .own = true};
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
    *body_of(from) = (struct body){0};
    return 0;
}

int __wrap_zmq_msg_close(zmq_msg_t *message)
{
    struct body *body = body_of(message);
    if (body->own)
        free(body->data);
    else
        release(body);
    *body = (struct body){0};
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
