/* SPDX-License-Identifier: MIT */
#ifndef SIMULATE_NET_H
#define SIMULATE_NET_H

/*
 * How messages travel in the simulated machine: those of one connection in order, those of two in
 * any, each whenever it likes.
 *
 *     sender's memory ── unsent ──> wire ── arrived ──> receiver's memory
 *
 * between threads at once, between processes in two steps that the scheduler takes.  A process that
 * dies takes along what it has not sent and what has arrived at it; what is on the wire outlives
 * its sender.
 *
 * A socket signals what ZMQ_FD tells: that there is news for whoever has found nothing, and not
 * that there are messages.  A pipe whose reader has found it empty sleeps; the message that wakes
 * it signals, the ones behind it do not.
 */

#include "simulate/world.h"

#define SIM_ADDRESS 200

/* What a zmq_msg_t holds. */
struct sim_body {
    void *data;
    size_t size;
    void (*release)(void *data, void *hint);
    void *hint;
    bool own; /* data is to be freed */
};

struct sim_letter {
    struct sim_letter *next;
    struct sim_body body; /* until it is sent: the sender's memory */
    unsigned char *bytes; /* afterwards: a copy */
};

struct sim_letters {
    struct sim_letter *first, **last;
    size_t count;
};

struct sim_context {
    struct sim_process *process;
    struct sim_queue idle; /* who waits for what lingers */
    size_t lingering;      /* letters of closed sockets that are not sent */
    int64_t until;         /* when the last of them is given up */
};

struct sim_pipe {
    struct sim_pipe *next; /* of the world */
    struct sim_context *context;
    struct sim_process *from;
    struct sim_socket *to; /* NULL: nobody is bound there, or has gone */
    char address[SIM_ADDRESS];
    bool remote, closed, lost, asleep;
    struct sim_letters unsent, wire, arrived;
    size_t place; /* among those in which something can move; SIZE_MAX: nothing can */
};

struct sim_socket {
    struct sim_socket *next; /* of the world */
    struct sim_context *context;
    bool reads; /* a PULL */
    int fd;
    int linger;
    bool signal;
    char address[SIM_ADDRESS]; /* of a PULL that is bound */
    struct sim_pipe *out;      /* of a PUSH that is connected */
    struct sim_pipe **in;      /* of a PULL */
    size_t in_count, in_room;
};

struct sim_net {
    struct sim_socket *sockets;
    struct sim_pipe *pipes;
    struct sim_pipe **moving;
    size_t moving_count, moving_room;
};

/* With `returns`, the sender's memory is still there, and gets what it lent. */
void sim_letters_discard(struct sim_letters *letters, bool returns);

/* Whoever lent its bytes gets them back. */
void sim_body_release(const struct sim_body *body);

/* Send a body; what it points to is the sender's until the letter has left. */
void sim_pipe_post(struct sim_world *world, struct sim_pipe *pipe, const struct sim_body *body);

/* The next letter for a reader; NULL: there is none, and the pipes go to sleep. */
struct sim_letter *sim_socket_take(struct sim_world *world, struct sim_socket *socket);

/* Letters leave the memory of their sender, at most `count`. */
void sim_pipe_send(struct sim_world *world, struct sim_pipe *pipe, size_t count);

/* Is this who is bound where the pipe leads to? */
bool sim_pipe_meets(const struct sim_pipe *pipe, const struct sim_socket *socket);
void sim_pipe_attach(struct sim_world *world, struct sim_pipe *pipe, struct sim_socket *to);

/* Its letters have become more or fewer. */
void sim_pipe_moved(struct sim_net *net, struct sim_pipe *pipe);

/* Free it if nobody writes there any more, and all has been read. */
void sim_pipe_free_if_over(struct sim_world *world, struct sim_pipe *pipe);

/* Nobody reads any more what is under way to it. */
void sim_socket_close_inbox(struct sim_world *world, struct sim_socket *socket);
void sim_socket_free(struct sim_world *world, struct sim_socket *socket);

#endif /* SIMULATE_NET_H */
