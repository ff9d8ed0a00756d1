/* SPDX-License-Identifier: MIT */
#include "simulate/net.h"

#include <string.h>

#include "simulate/table.h"

/* ---- letters ---- */

static void push(struct sim_letters *letters, struct sim_letter *letter)
{
    letter->next = NULL;
    if (letters->first == NULL)
        letters->last = &letters->first;
    *letters->last = letter;
    letters->last = &letter->next;
    letters->count++;
}

static struct sim_letter *pop(struct sim_letters *letters)
{
    struct sim_letter *letter = letters->first;
    letters->first = letter->next;
    letters->count--;
    return letter;
}

void sim_body_release(const struct sim_body *body)
{
    if (body->release == NULL)
        return;
    sim_world->quiet = true; /* as little can come between as in the thread of ZeroMQ */
    body->release(body->data, body->hint);
    sim_world->quiet = false;
}

/* With `returns`, the sender's memory is still there, and gets what it lent. */
void sim_letters_discard(struct sim_letters *letters, bool returns)
{
    while (letters->first != NULL) {
        struct sim_letter *letter = pop(letters);
        if (letter->bytes == NULL && returns)
            sim_body_release(&letter->body);
        sim_own_free(letter->bytes);
        sim_own_free(letter);
    }
}

/* Its bytes leave the sender's memory. */
static void copy_out(struct sim_letter *letter)
{
    if (letter->bytes != NULL)
        return;
    letter->bytes = sim_own_alloc(letter->body.size + 1);
    memcpy(letter->bytes, letter->body.data, letter->body.size);
    sim_body_release(&letter->body);
}

/* ---- pipes ---- */

static bool can_move(const struct sim_pipe *pipe)
{
    return pipe->to != NULL && pipe->unsent.count + pipe->wire.count > 0;
}

void sim_pipe_moved(struct sim_net *net, struct sim_pipe *pipe)
{
    const bool moves = can_move(pipe);
    if (moves && pipe->place == SIZE_MAX) {
        if (net->moving_count == net->moving_room) {
            net->moving_room = net->moving_room * 2 + 64;
            net->moving =
                sim_own_realloc(net->moving, net->moving_room * sizeof(struct sim_pipe *));
        }
        pipe->place = net->moving_count;
        net->moving[net->moving_count++] = pipe;
    } else if (!moves && pipe->place != SIZE_MAX) {
        struct sim_pipe *last = net->moving[--net->moving_count];
        net->moving[pipe->place] = last;
        last->place = pipe->place;
        pipe->place = SIZE_MAX;
    }
}

/* Something can be read there. */
static void signal_socket(struct sim_world *world, struct sim_pipe *pipe)
{
    if (!pipe->asleep || pipe->arrived.count == 0)
        return;
    pipe->asleep = false;
    pipe->to->signal = true;
    sim_fd_changed(world, pipe->to->fd);
}

static void detach(struct sim_pipe *pipe)
{
    struct sim_socket *to = pipe->to;
    pipe->to = NULL;
    for (size_t i = 0; to != NULL && i < to->in_count; i++) {
        if (to->in[i] == pipe)
            to->in[i] = to->in[--to->in_count];
    }
}

/* Nobody writes there any more, and all has been read. */
void sim_pipe_free_if_over(struct sim_world *world, struct sim_pipe *pipe)
{
    if (!pipe->closed || pipe->unsent.count + pipe->wire.count + pipe->arrived.count > 0)
        return;
    detach(pipe);
    sim_pipe_moved(world->net, pipe);
    struct sim_pipe **at = &world->net->pipes;
    while (*at != pipe)
        at = &(*at)->next;
    *at = pipe->next;
    sim_own_free(pipe);
}

void sim_pipe_attach(struct sim_world *world, struct sim_pipe *pipe, struct sim_socket *to)
{
    if (to->in_count == to->in_room) {
        to->in_room = to->in_room * 2 + 8;
        to->in = sim_own_realloc(to->in, to->in_room * sizeof(struct sim_pipe *));
    }
    to->in[to->in_count++] = pipe;
    pipe->to = to;
    pipe->asleep = true;
    signal_socket(world, pipe);
    sim_pipe_moved(world->net, pipe);
}

/* Who is bound there, as this context sees it. */
bool sim_pipe_meets(const struct sim_pipe *pipe, const struct sim_socket *socket)
{
    return socket->reads && strcmp(pipe->address, socket->address) == 0 &&
           (pipe->remote || pipe->context == socket->context);
}

/* What was unsent in a socket that is closed was waited for. */
static void settle_linger(struct sim_world *world, struct sim_pipe *pipe, size_t count)
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

void sim_pipe_send(struct sim_world *world, struct sim_pipe *pipe, size_t count)
{
    for (; count > 0 && pipe->unsent.count > 0; count--) {
        struct sim_letter *letter = pop(&pipe->unsent);
        copy_out(letter);
        push(&pipe->wire, letter);
        settle_linger(world, pipe, 1);
    }
}

static void bring_some(struct sim_world *world, struct sim_pipe *pipe, size_t count)
{
    for (; count > 0 && pipe->wire.count > 0; count--)
        push(&pipe->arrived, pop(&pipe->wire));
    signal_socket(world, pipe);
}

bool sim_net_step(struct sim_world *world)
{
    struct sim_net *net = world->net;
    struct sim_pipe *pipe = net->moving[sim_pick(&world->chance, net->moving_count)];
    const size_t count = 1 + (sim_percent(&world->chance, 30) ? sim_pick(&world->chance, 8) : 0);
    const bool can_send = pipe->unsent.count > 0 && pipe->from->stopped_until <= world->now_ns;
    const bool can_bring = pipe->wire.count > 0;
    if (can_send && (!can_bring || sim_percent(&world->chance, 50)))
        sim_pipe_send(world, pipe, count);
    else
        bring_some(world, pipe, count);
    sim_pipe_moved(net, pipe);
    return can_send || can_bring;
}

void sim_net_send(struct sim_world *world)
{
    struct sim_net *net = world->net;
    for (size_t i = 0; i < net->moving_count; i++) {
        if (net->moving[i]->from->stopped_until <= world->now_ns)
            sim_pipe_send(world, net->moving[i], SIZE_MAX);
    }
}

bool sim_socket_signals(const struct sim_socket *socket)
{
    return socket->signal;
}

/* ---- sending and receiving ---- */

void sim_pipe_post(struct sim_world *world, struct sim_pipe *pipe, const struct sim_body *body)
{
    struct sim_letter *letter = sim_own_alloc(sizeof(*letter));
    letter->body = *body;
    if (world->first_send == 0)
        world->first_send = world->steps;
    if (!pipe->remote || body->release == NULL)
        copy_out(letter);
    push(pipe->remote ? &pipe->unsent : &pipe->arrived, letter);
    if (pipe->to != NULL && !pipe->remote)
        signal_socket(world, pipe);
    sim_pipe_moved(world->net, pipe);
}

struct sim_letter *sim_socket_take(struct sim_world *world, struct sim_socket *socket)
{
    sim_yield(world);
    socket->signal = false;
    const size_t count = socket->in_count;
    const size_t first = count > 0 ? sim_pick(&world->chance, count) : 0;
    for (size_t i = 0; i < count; i++) {
        struct sim_pipe *pipe = socket->in[(first + i) % count];
        if (pipe->arrived.count == 0) {
            pipe->asleep = true;
            continue;
        }
        struct sim_letter *letter = pop(&pipe->arrived);
        sim_pipe_free_if_over(world, pipe);
        return letter;
    }
    return NULL;
}

/* ---- the end of things ---- */

void sim_socket_free(struct sim_world *world, struct sim_socket *socket)
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
void sim_socket_close_inbox(struct sim_world *world, struct sim_socket *socket)
{
    while (socket->in_count > 0) {
        struct sim_pipe *pipe = socket->in[0];
        detach(pipe);
        sim_letters_discard(&pipe->wire, false);
        sim_letters_discard(&pipe->arrived, false);
        sim_pipe_moved(world->net, pipe);
        sim_pipe_free_if_over(world, pipe);
    }
}

void sim_net_drop(struct sim_world *world, const struct sim_process *process)
{
    for (struct sim_socket *socket = world->net->sockets, *next; socket != NULL; socket = next) {
        next = socket->next;
        if (socket->context->process != process)
            continue;
        sim_socket_close_inbox(world, socket);
        sim_socket_free(world, socket);
    }
    for (struct sim_pipe *pipe = world->net->pipes, *next; pipe != NULL; pipe = next) {
        next = pipe->next;
        if (pipe->from != process)
            continue;
        pipe->closed = true;
        pipe->lost = true;
        sim_letters_discard(&pipe->unsent, false);
        sim_pipe_moved(world->net, pipe);
        sim_pipe_free_if_over(world, pipe);
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
        struct sim_pipe *pipe = net->pipes;
        pipe->closed = pipe->lost = true;
        sim_letters_discard(&pipe->unsent, false);
        sim_letters_discard(&pipe->wire, false);
        sim_letters_discard(&pipe->arrived, false);
        sim_pipe_free_if_over(world, pipe);
    }
}
