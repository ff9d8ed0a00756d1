/* SPDX-License-Identifier: MIT */
#ifndef SIMULATE_TABLE_H
#define SIMULATE_TABLE_H

/* The descriptors of the simulated machine, of all its processes. */

#include <poll.h>

#include "simulate/world.h"

enum sim_kind { SIM_NOTHING, SIM_EVENT, SIM_CHANNEL, SIM_SOCKET, SIM_FILE, SIM_EPOLL };

struct sim_packet {
    struct sim_packet *next;
    size_t size;
    int passed; /* a descriptor that goes with it; -1: none */
    unsigned char bytes[];
};

struct sim_fd {
    enum sim_kind kind;
    struct sim_process *process;
    struct sim_queue waits;
    uint64_t counter;                 /* an eventfd's */
    int peer;                         /* a channel's other end; -1: it has gone */
    bool reset;                       /* ... leaving something unread */
    struct sim_packet *first, **last; /* what a channel has to be read */
    struct sim_socket *socket;        /* of simulate/zmq.c */
    struct sim_open *open;            /* of simulate/disk.c */
};

/* A new descriptor of the process that runs. */
int sim_fd_new(struct sim_world *world, enum sim_kind kind);

/* NULL: it is not one of this world. */
struct sim_fd *sim_fd_get(const struct sim_world *world, int fd);

/* Nothing more than that: who closes it has seen to the rest. */
void sim_fd_release(struct sim_world *world, int fd);

/* It is another process's from now on; NULL: on its way to one. */
void sim_fd_pass(struct sim_world *world, int fd, struct sim_process *process);

/* Two connected ends; false: no room in the table. */
bool sim_channel_new(struct sim_world *world, int ends[2]);

/* A packet for whoever reads at the other end of `fd`; false: nobody does. */
bool sim_channel_put(struct sim_world *world, int fd, const void *bytes, size_t size);

/* Whoever waits for the descriptor looks again. */
void sim_fd_changed(struct sim_world *world, int fd);

/* Of simulate/zmq.c: may there be something to be received? */
bool sim_socket_signals(const struct sim_socket *socket);

/* Of simulate/disk.c. */
void sim_open_close(struct sim_open *open);
ssize_t sim_open_read(struct sim_open *open, void *bytes, size_t size);
ssize_t sim_open_write(struct sim_world *world, struct sim_open *open, const void *bytes,
                       size_t size);

#endif /* SIMULATE_TABLE_H */
