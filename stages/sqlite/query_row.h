/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_SQLITE_QUERY_ROW_H
#define FLOW_STAGES_SQLITE_QUERY_ROW_H

#include <flowrun/stage.h>

#include <sqlite3.h>

#include "shared/text.h"

/* A row of a query, and how it is written. */
struct flow_sqlite_row {
    sqlite3_stmt *from;     /* it stands at the row */
    uint64_t number;        /* of the row, from 1, for messages */
    bool tsv;               /* values between tabs, \N for NULL; else a JSON object */
    struct flow_text *text; /* what was in it is replaced */
};

/* Write the row as the text that `row` points to.  A blob is base64 in JSON.  Fails, with the
 * reason given to `stage`: FLOW_EINVAL, a value that JSON cannot hold; FLOW_ENOMEM, no memory, or
 * longer than a record. */
enum flow_status flow_sqlite_row_put(const struct flow_sqlite_row *row, struct flow_stage *stage);

#endif /* FLOW_STAGES_SQLITE_QUERY_ROW_H */
