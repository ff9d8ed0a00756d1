/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTING_HARNESS_H
#define FLOW_TESTING_HARNESS_H

/* What the files of the harness share. */

#include "flowrun/testing.h"

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
};

/* Unless `holds`, the test is over: flow_harness_broken gets the type's name and this. */
FLOW_PRINTF(3, 4)
void flow_harness_require(const struct flow_harness *h, bool holds, const char *fmt, ...);

/* `memory`, unless it is NULL: then the test is over. */
void *flow_harness_must(void *memory);

/* A copy with a zero after it. */
char *flow_harness_copy(const void *data, size_t size);

/* Append a copy of the record. */
void flow_harness_add(struct flow_harness_record **list, size_t *count,
                      const struct flow_harness_record *record);

/* Give the stage its next batch of what was fed. */
enum flow_status flow_harness_give(struct flow_harness *h);

/* The batch in hand is done with. */
void flow_harness_drop(struct flow_harness *h);

#endif /* FLOW_TESTING_HARNESS_H */
