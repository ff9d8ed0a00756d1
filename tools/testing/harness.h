/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTING_HARNESS_H
#define FLOW_TESTING_HARNESS_H

/* What the files of the harness share. */

#include <poll.h>

#include "flowrun/testing.h"

#define FLOW_HARNESS_PATIENCE_MS 20000 /* for a descriptor that never gets ready */
#define FLOW_HARNESS_WATCHED 256       /* descriptors, and timers */

/* A record in flight. */
struct flow_flight {
    struct flow_token token; /* first: what the stage is handed */
    struct flow_flight *next;
    uint32_t index; /* among those fed */
    size_t emitted; /* how many records there were when it was taken in hand */
};

struct flow_timer {
    uint64_t tag;
    int64_t due_ns; /* by the clock and what was added to it */
};

struct flow_harness {
    struct flow_stage stage; /* first: callbacks hand its address back */
    struct flow_info info;
    struct flow_room_ no_room; /* so that every record comes by a call */
    struct flow_room_ *rooms[1];
    struct flow_harness_options options;
    const struct flow_stage_type *type;
    void *state;
    bool closed;
    struct flow_harness_record *fed;
    size_t fed_count;
    size_t given;   /* of them, to the stage */
    uint8_t *bytes; /* of the batch in hand, and its column; NULL: none */
    uint32_t *column;
    struct flow_harness_record *emitted;
    size_t emitted_count;
    char *reserved; /* NULL: nothing */
    size_t reserved_size;
    unsigned reserved_port;
    char **rejects;
    size_t reject_count;
    char **logs;
    size_t log_count;
    uint32_t in_hand; /* records that the stage may refuse */
    char failure[1024];
    int64_t waited_ns;
    char *text;
    bool by_batch;               /* the stage takes whole batches */
    struct flow_flight *flights; /* of which none is done */
    size_t flight_count, most;
    struct flow_flight *resumed;
    const struct flow_record *taken; /* by `process`; NULL: none */
    uint32_t taken_index;
    struct flow_flight *holds; /* what it holds of it */
    struct flow_timer timers[FLOW_HARNESS_WATCHED];
    size_t timer_count;
    struct pollfd watched[FLOW_HARNESS_WATCHED];
    uint64_t tags[FLOW_HARNESS_WATCHED];
    size_t watched_count;
};

/* Unless `holds`, the test is over: flow_harness_broken gets the type's name and this. */
FLOW_PRINTF(3, 4)
void flow_harness_require(const struct flow_harness *h, bool holds, const char *fmt, ...);

/* `memory`, unless it is NULL: then the test is over. */
void *flow_harness_must(void *memory);

/* The stage is the head of its harness. */
struct flow_harness *flow_harness_of(struct flow_stage *stage);

/* Have as many records been emitted as `limit` says (0: no limit)? */
bool flow_harness_reached(const struct flow_harness *h, size_t limit);

/* Calls of the stage about records in flight, see flight.c. */
struct flow_token *flow_harness_on_hold(struct flow_stage *stage, const struct flow_record *record);
enum flow_status flow_harness_on_resume(struct flow_stage *stage, struct flow_token *token);
enum flow_status flow_harness_on_done(struct flow_stage *stage, struct flow_token *token,
                                      enum flow_status status);
void flow_harness_on_hold_most(struct flow_stage *stage, size_t count);
enum flow_status flow_harness_on_watch(struct flow_stage *stage, int fd, unsigned events,
                                       uint64_t tag);
void flow_harness_on_unwatch(struct flow_stage *stage, int fd);
enum flow_status flow_harness_on_timer(struct flow_stage *stage, uint64_t tag, int64_t after_ns);

/* It is no longer in flight. */
void flow_harness_forget(struct flow_harness *h, struct flow_flight *flight);

/* A copy with a zero after it. */
char *flow_harness_copy(const void *data, size_t size);

/* Append a copy of the record. */
void flow_harness_add(struct flow_harness_record **list, size_t *count,
                      const struct flow_harness_record *record);

/* Give the stage its next batch of what was fed. */
enum flow_status flow_harness_give(struct flow_harness *h);

/* The batch in hand is done with. */
void flow_harness_clear_batch(struct flow_harness *h);

#endif /* FLOW_TESTING_HARNESS_H */
