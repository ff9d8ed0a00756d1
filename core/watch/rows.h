/* SPDX-License-Identifier: MIT */
#ifndef FLOW_WATCH_ROWS_H
#define FLOW_WATCH_ROWS_H

/*
 * Where on the board the progress of replicas stands that may be replaced: for each of the last
 * batches of one a row, a ring of them (engine/keep.h says what is in it and how it is used).
 *
 *     stamp │ next batch │ counts of the replica │ for each link: records, bytes │ ...
 *
 * Threads: pure.
 */

#include "plan/plan.h"
#include "watch/board.h"

enum flow_row_word {
    FLOW_ROW_STAMP, /* which row it is, counted from 1; 0: none, or half of one */
    FLOW_ROW_NEXT,  /* the sequence of the batch that a successor would begin with */
    FLOW_ROW_COUNTS,
    FLOW_ROW_LINKS = FLOW_ROW_COUNTS + FLOW_KEPT,
};

struct flow_rows {
    flow_counter *words;
    size_t stride; /* words in a row */
    size_t count;  /* rows, a power of two */
};

/* The size of the board of a plan. */
struct flow_board_size flow_board_size_of(const struct flow_plan *plan);

/* Those of a replica whose stage recovers; words NULL: the board has no room for them. */
struct flow_rows flow_rows_of(const struct flow_plan *plan, const struct flow_board *board,
                              size_t replica);

#endif /* FLOW_WATCH_ROWS_H */
