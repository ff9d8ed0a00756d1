/* SPDX-License-Identifier: MIT */
#include "contenders/ring.h"

#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPINS 64 /* looks before a thread sleeps; more only takes the core from the others */

static struct block end_mark; /* never read nor written: its address says that a link has ended */

static void ring_push(struct ring *ring, void *item)
{
    const size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    ring->slots[tail % RING_SLOTS] = item;
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

static void *ring_pop(struct ring *ring)
{
    const size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (head == ring->seen_tail) {
        ring->seen_tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (head == ring->seen_tail)
            return NULL;
    }
    void *item = ring->slots[head % RING_SLOTS];
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return item;
}

static bool ring_has(const struct ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_relaxed) !=
           atomic_load_explicit(&ring->tail, memory_order_acquire);
}

/* The fence orders the push before the look at the bell, as the sleeper's orders its mark before
 * its last look at the rings: one of the two sees the other. */
static void wake(struct node *node)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&node->bell, memory_order_relaxed) == 1 &&
        atomic_exchange(&node->bell, 0) == 1)
        (void)syscall(SYS_futex, &node->bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool has_back(const struct node *node)
{
    for (size_t i = 0; i < node->out_count; i++) {
        if (ring_has(&node->out[i]->back))
            return true;
    }
    return false;
}

bool node_has_input(const struct node *node)
{
    for (size_t i = 0; i < node->in_count; i++) {
        if (ring_has(&node->in[i]->data))
            return true;
    }
    return false;
}

/* What a node may wait for: a block to take from `link` or, if that is NULL, from any; or one that
 * comes back. */
static bool is_ready(const struct node *node, const struct link *link, bool takes)
{
    if (has_back(node))
        return true;
    return takes && (link != NULL ? ring_has(&link->data) : node_has_input(node));
}

static void sleep_until_ready(struct node *node, const struct link *link, bool takes)
{
    for (int i = 0; i < SPINS; i++) {
        if (is_ready(node, link, takes))
            return;
        __builtin_ia32_pause();
    }
    for (;;) {
        atomic_store(&node->bell, 1);
        atomic_thread_fence(memory_order_seq_cst);
        if (is_ready(node, link, takes)) {
            atomic_store(&node->bell, 0);
            return;
        }
        (void)syscall(SYS_futex, &node->bell, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
    }
}

void node_init(struct node *node, size_t size, size_t limit)
{
    *node = (struct node){.block_size = size, .block_limit = limit};
}

void node_clear(struct node *node)
{
    while (node->made != NULL) {
        struct block *next = node->made->made;
        free(node->made);
        node->made = next;
    }
    free(node->in);
    free(node->out);
}

static void *or_die(void *memory)
{
    if (memory == NULL) {
        (void)fprintf(stderr, "rings: no memory\n");
        exit(1);
    }
    return memory;
}

void node_link(struct node *from, struct node *to, struct link *link)
{
    from->out = or_die(realloc(from->out, (from->out_count + 1) * sizeof(struct link *)));
    to->in = or_die(realloc(to->in, (to->in_count + 1) * sizeof(struct link *)));
    from->out[from->out_count++] = link;
    to->in[to->in_count++] = link;
    link->from = from;
    link->to = to;
}

void link_send_back(struct link *link, struct block *block)
{
    ring_push(&link->back, block);
    wake(link->from);
}

/* Blocks of others came on the first link in: nodes that pass blocks on have only one. */
static void collect(struct node *node)
{
    for (size_t i = 0; i < node->out_count; i++) {
        struct link *link = node->out[i];
        for (struct block *block; (block = ring_pop(&link->back)) != NULL;) {
            link->under_way--;
            if (block->owner != node) {
                link_send_back(node->in[0], block);
            } else if (--block->readers == 0) {
                block->next = node->free;
                node->free = block;
            }
        }
    }
}

struct block *node_new_block(struct node *node)
{
    collect(node);
    struct block *block = node->free;
    if (block == NULL && node->block_count < node->block_limit) {
        block = or_die(malloc(node->block_size));
        *block = (struct block){.owner = node,
                                .made = node->made,
                                .top = (uint8_t *)block + node->block_size / 64 * 64};
        node->made = block;
        node->block_count++;
        return block;
    }
    for (; block == NULL; block = node->free) {
        sleep_until_ready(node, NULL, false);
        collect(node);
    }
    node->free = block->next;
    block->count = 0;
    block->used = 0;
    return block;
}

static bool all_ended(const struct node *node)
{
    for (size_t i = 0; i < node->in_count; i++) {
        if (!node->in[i]->ended)
            return false;
    }
    return true;
}

struct block *node_take(struct node *node, struct link **link)
{
    while (!all_ended(node)) {
        for (size_t i = 0; i < node->in_count; i++) {
            *link = node->in[node->turn];
            node->turn = (node->turn + 1) % node->in_count;
            struct block *block = ring_pop(&(*link)->data);
            if (block == &end_mark)
                (*link)->ended = true;
            else if (block != NULL)
                return block;
        }
        collect(node);
        if (!all_ended(node))
            sleep_until_ready(node, NULL, true);
    }
    return NULL;
}

struct block *node_take_from(struct node *node, struct link *link)
{
    while (!link->ended) {
        struct block *block = ring_pop(&link->data);
        if (block == &end_mark)
            link->ended = true;
        else if (block != NULL)
            return block;
        else
            sleep_until_ready(node, link, true);
    }
    return NULL;
}

struct link *node_choose(struct node *node, size_t limit)
{
    for (;;) {
        collect(node);
        struct link *best = node->out[0];
        for (size_t i = 1; i < node->out_count; i++) {
            if (node->out[i]->under_way < best->under_way)
                best = node->out[i];
        }
        if (best->under_way < limit)
            return best;
        sleep_until_ready(node, NULL, false);
    }
}

void link_send(struct link *link, struct block *block)
{
    if (block->owner == link->from)
        block->readers++;
    link->under_way++;
    ring_push(&link->data, block);
    wake(link->to);
}

void node_send(struct node *node, struct block *block)
{
    for (size_t i = 0; i < node->out_count; i++)
        link_send(node->out[i], block);
}

void node_end(struct node *node)
{
    for (size_t i = 0; i < node->out_count; i++) {
        ring_push(&node->out[i]->data, &end_mark);
        wake(node->out[i]->to);
    }
}
