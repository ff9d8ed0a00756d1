/* SPDX-License-Identifier: MIT */
#ifndef SIMULATE_SWITCH_H
#define SIMULATE_SWITCH_H

/* Stacks, and going from one to another. */

#include <stddef.h>

struct sim_stack {
    struct sim_stack *next; /* of the free ones */
    unsigned char *bottom;
    size_t size;
    void *fake;        /* what a sanitizer keeps of it while it is left */
    const void *other; /* the stack that was left for this one, and its size */
    size_t other_size;
};

/* Ends the program when there is no memory. */
struct sim_stack *sim_stack_new(void);

/* A context on the stack that, when it is entered, calls `entry`, which must not return. */
void *sim_context_new(struct sim_stack *stack, void (*entry)(void));

/* From the scheduler's stack to `to` on `stack`, until sim_context_leave there. */
void sim_context_enter(void **from, void *to, struct sim_stack *stack);

/* From `stack` back to the scheduler; with `last`, never to return. */
void sim_context_leave(void **from, void *to, struct sim_stack *stack, int last);

/* First thing on a new stack. */
void sim_context_arrive(struct sim_stack *stack);

#endif /* SIMULATE_SWITCH_H */
