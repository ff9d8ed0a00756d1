/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_ASIDE_H
#define FLOW_ENGINE_ASIDE_H

/*
 * Records that have killed their worker, or hung in it, as often as is tried: the coordinator has
 * put them on the board (control/revive.h), and the next process handles them by the error policy
 * without calling the stage.
 *
 * Threads: the replica's own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch/board.h"

struct flow_fatal {
    uint64_t number; /* of the record */
    unsigned tries;
    uint64_t cause; /* see struct flow_board_aside */
    uint64_t print; /* what it looks like; 0: it goes by its number */
    struct flow_board_aside *entry;
};

struct flow_aside {
    struct flow_fatal records[2 * FLOW_ASIDE_MOST];
    size_t count;     /* 0: the usual */
    uint64_t careful; /* the batch whose records are handed out one by one, and 1 more; 0: none */
};

/* What the board says for a process that begins: `orders` of its own group, and of the one that has
 * what is said of all replicas of `stage`. */
void flow_aside_read(struct flow_aside *aside, struct flow_board_group *orders,
                     struct flow_board_group *common, size_t stage);

/* The first record set aside, by its number, among `count` from `number` on; NULL: none. */
const struct flow_fatal *flow_aside_find(const struct flow_aside *aside, uint64_t number,
                                         uint64_t count);

/* "it killed its worker by signal 11 (Segmentation fault)" */
void flow_fatal_describe(const struct flow_fatal *fatal, char *text, size_t size);

/* The signal of the last death; 0: it was none. */
int flow_fatal_signal(const struct flow_fatal *fatal);

#endif /* FLOW_ENGINE_ASIDE_H */
