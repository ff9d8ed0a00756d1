/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_TEST_ENDS_H
#define FLOW_CONTROL_TEST_ENDS_H

/*
 * The ends of a graph while one of its tests runs: a producer that reads records from a file and a
 * consumer that writes them to one, each with a parameter "path".  In the file a record is its size
 * as a u32 of this machine, and its bytes.  They are stage types like any other, but in no
 * catalogue.
 */

#include <jansson.h>

#include "flowrun/error.h"
#include "flowrun/stage.h"

extern const struct flow_stage_type flow_test_feed;
extern const struct flow_stage_type flow_test_take;

/* Write the file for a feed: texts as their bytes, other values as compact JSON. */
FLOW_NODISCARD enum flow_status flow_test_write(const char *path, const json_t *records,
                                                struct flow_error *err);

/* What a consumer has written, or a list of records: bytes, one behind the other. */
struct flow_test_records {
    char *bytes;
    struct flow_test_record {
        const char *data;
        size_t size;
    } * items;
    size_t count;
};

/* A file that is missing has no records.  FLOW_EIO, FLOW_EPROTO, FLOW_ENOMEM. */
FLOW_NODISCARD enum flow_status flow_test_read(const char *path, struct flow_test_records *records,
                                               struct flow_error *err);
void flow_test_records_clear(struct flow_test_records *records);

#endif /* FLOW_CONTROL_TEST_ENDS_H */
