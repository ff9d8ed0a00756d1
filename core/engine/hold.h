/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_HOLD_H
#define FLOW_ENGINE_HOLD_H

/*
 * Records in flight: what a stage with `ready` has been given and has not done yet.  See
 * docs/waiting.md for what is promised.
 *
 *              flow_hold              flow_done, good ──────────> OK ──┐ its turn
 *   process ───────────────> WAITING ─────┬───────────> BAD ───────────┼─────────> emitted,
 *      ^                                  │ refused, tries left         │           counted, gone
 *      └───────── back-off over ────── RETRY                            │
 *
 * Turns.  Where results keep the order of the input, have numbers, or may have to be made once more
 * (a process that is replaced), a record's turn is when all before it are gone: until then what is
 * emitted for it is kept beside it (engine/beside.h), and a record that is not even held gets in
 * line behind those that are.  Elsewhere it is always a record's turn, and only those that are held
 * or to be tried again have a token.
 *
 * Batches.  A batch is done for its writer, which gets credit for it, when all its records have
 * been handed to the stage: what is in flight has a bound of its own.  It is settled, and
 * acknowledged from then on, when the last of them is gone; batches settle in the order in which
 * they came, and in that order go their results' ends, the counts of what came in, and what is kept
 * for a successor.
 *
 * Memory: a record in flight is copied, so that no batch is kept for one of its records.
 *
 * Threads: the replica's own.
 */

#include "engine/beside.h"
#include "engine/input.h"
#include "engine/timers.h"
#include "flowrun/stage.h"

struct flow_fatal;
struct flow_replica;

enum flow_held_state {
    FLOW_HELD_IN_HAND, /* `process` has it */
    FLOW_HELD_WAITING, /* in flight */
    FLOW_HELD_RETRY,   /* its time to be tried again will come */
    FLOW_HELD_OK,      /* done: waits for its turn */
    FLOW_HELD_BAD,     /* given up: waits for its turn */
};

struct flow_held {
    struct flow_token token; /* first: what the stage is handed */
    enum flow_held_state state;
    struct flow_held *prev, *next; /* in the order of the input */
    uint64_t batch;                /* its place among the hold's batches */
    uint8_t *bytes;                /* of the record and its key */
    size_t capacity;
    struct flow_beside beside; /* what was emitted for it before its turn */
    uint64_t emitted;          /* records that were emitted in its turn */
    unsigned tries;            /* that were refused */
    char *reason;              /* of the last one */
    const struct flow_fatal *fatal;
    size_t timer; /* its place among the timers, and 1 more; 0: none */
};

/* A batch of which records may be in flight. */
struct flow_held_batch {
    uint32_t link;
    uint32_t count;
    uint64_t bytes;
    uint64_t sequence;
    uint64_t pending; /* records with a token */
    bool handed;      /* all its records have been handed to the stage */
};

/* The record that emissions are for. */
struct flow_hand {
    bool active;
    bool direct;            /* it is its turn */
    struct flow_held *held; /* NULL: it has no token */
    uint64_t sequence;      /* of its batch */
    uint64_t mark;          /* what had been emitted when it was taken in hand */
    struct flow_beside_mark beside;
};

struct flow_watched {
    bool active;
    uint64_t tag;
};

struct flow_hold {
    bool in_order;       /* records have turns */
    bool finishing;      /* no more records come until nothing is in flight */
    bool ended;          /* nothing is in flight any more, and nothing comes */
    bool by_batch;       /* the stage holds nothing, and takes whole batches */
    size_t most;         /* records with the stage */
    size_t waiting;      /* ... now, and those to be tried again */
    size_t count;        /* tokens */
    size_t beside_bytes; /* of all that waits for its turn */
    struct flow_held *first, *last, *spare;
    struct flow_held_batch *batches; /* a ring */
    size_t batch_mask;
    uint64_t batch_first, batch_next;
    struct flow_hand hand;
    bool processing;       /* in `process`, */
    struct flow_held *own; /* ... of this one; NULL: it has no token */
    const struct flow_record *own_record;
    uint64_t own_sequence;      /* ... of its batch */
    uint64_t own_emitted;       /* ... records, while it had no token */
    bool own_held, own_done;    /* ... which it holds, or has even done already */
    struct flow_room_ **closed; /* as the stage's rooms, but none has room */
    struct flow_timers stage_timers, held_timers;
    int epoll;
    struct flow_watched *watched; /* by descriptor */
    size_t watched_capacity, watched_count;
};

/* Make it, if the type has `ready`. */
FLOW_NODISCARD enum flow_status flow_hold_init(struct flow_replica *replica);
void flow_hold_free(struct flow_hold *hold);

/* A batch begins; all of it has been handed to the stage. */
FLOW_NODISCARD enum flow_status flow_hold_begin_batch(struct flow_replica *replica);
FLOW_NODISCARD enum flow_status flow_hold_end_batch(struct flow_replica *replica);

/* Have `process` take a record: of the batch in hand, or `held`, which is tried again. */
FLOW_NODISCARD enum flow_status flow_hold_process(struct flow_replica *replica,
                                                  const struct flow_record *record,
                                                  struct flow_held *held);

/* The record, of the batch in hand, is given up without being tried. */
FLOW_NODISCARD enum flow_status flow_hold_give_up(struct flow_replica *replica,
                                                  const struct flow_record *record,
                                                  const struct flow_fatal *fatal);

/* The stage had to drop it. */
FLOW_NODISCARD enum flow_status flow_hold_refuse(struct flow_replica *replica,
                                                 struct flow_held *held, const char *reason);

/* See flow_hold, flow_resume and flow_done. */
struct flow_held *flow_hold_keep(struct flow_replica *replica, const struct flow_record *record);
FLOW_NODISCARD enum flow_status flow_hold_resume(struct flow_replica *replica,
                                                 struct flow_held *held);
FLOW_NODISCARD enum flow_status flow_hold_done(struct flow_replica *replica, struct flow_held *held,
                                               enum flow_status status);

/* No record is in hand any more, whatever the callback left. */
void flow_hold_let_go(struct flow_replica *replica);

/* ---- tokens; see tokens.c ---- */

/* A token for a copy of a record, behind all others; NULL: no memory. */
struct flow_held *flow_hold_add(struct flow_hold *hold, const struct flow_record *record,
                                uint64_t batch);
void flow_hold_remove(struct flow_hold *hold, struct flow_held *held);
void flow_hold_free_tokens(struct flow_hold *hold);

/* False: no memory. */
bool flow_hold_arm(struct flow_hold *hold, struct flow_held *held, int64_t due_ns);
void flow_hold_disarm(struct flow_hold *hold, struct flow_held *held);

static inline struct flow_held_batch *flow_hold_batch(const struct flow_hold *hold, uint64_t batch)
{
    return &hold->batches[batch & hold->batch_mask];
}

/* What callbacks of such a stage may call. */
extern const struct flow_calls flow_hold_calls;

#endif /* FLOW_ENGINE_HOLD_H */
