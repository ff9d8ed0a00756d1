/* SPDX-License-Identifier: MIT */
#ifndef STAGES_POSTGRES_DATABASE_H
#define STAGES_POSTGRES_DATABASE_H

/*
 * A connection to PostgreSQL: statements, and COPY ... FROM STDIN of rows in memory.  It waits by
 * poll in the callbacks that may not be interrupted, and the server's answer is the end of each.
 *
 * Threads: the stage's own.
 */

#include <flowrun/stage.h>
#include <libpq-fe.h>

struct pg {
    PGconn *link;
    int64_t timeout; /* for one answer, ns */
    char state[6];   /* SQLSTATE of what was refused last; "": it was not the server */
    long line;     /* of COPY, from 1, where the server found something wrong; 0: it did not say */
    char why[512]; /* what went wrong last, one line */
};

/* False: `why`. */
bool pg_open(struct pg *pg, const char *connection);
void pg_close(struct pg *pg);

/* Run statements.  False: `why`. */
bool pg_run(struct pg *pg, const char *sql);

/* The first value that a statement gives, as a number; -1: it gives none.  False: `why`. */
bool pg_number(struct pg *pg, const char *sql, int64_t *number);

/* Give `size` bytes to a statement COPY ... FROM STDIN.  False: `why`, `state` and `line`. */
bool pg_copy(struct pg *pg, const char *sql, const char *data, size_t size);

/* Is what was refused last due to the rows, not to the table or the server? */
bool pg_blames_rows(const struct pg *pg);

/* The stage cannot go on, since `why`. */
enum flow_status pg_fail(const struct pg *pg, struct flow_stage *stage, const char *what);

#endif /* STAGES_POSTGRES_DATABASE_H */
