/* SPDX-License-Identifier: MIT */
#ifndef STAGES_EXEC_PROGRAM_H
#define STAGES_EXEC_PROGRAM_H

/*
 * The program that a stage of type exec runs: given records, listened to, begun again.
 *
 * Threads: the stage's own.
 */

#include <flowrun/stage.h>

#include "child.h"
#include "frames.h"

struct exec {
    struct flow_list command, env, exit_codes;
    char *cwd;
    int framing, checkpoint;
    int64_t window, restart, end_within;
    uint64_t max_size;
    struct child child;
    char **argv, **environment;
    struct buffer send, got, said;
    size_t searched;         /* so many bytes of `got` have no end of a record among them */
    struct flow_token **out; /* a ring: given to the program and not answered */
    size_t out_first, out_count;
    int epoll;          /* its pipes, for waiting in `process` */
    int64_t heard_ns;   /* when it last gave an answer */
    bool gathers;       /* TIMER_SEND is set */
    bool waits_to_send; /* the pipe is full */
    bool deaf;          /* it has closed its input, or ended well: it wants no more */
    bool flushing, warned;
};

/* Start it; it has been given nothing. */
enum flow_status program_start(struct exec *e, struct flow_stage *stage);

/* Start it, and give it all that the one before has not answered. */
enum flow_status program_go_on(struct exec *e, struct flow_stage *stage);

/* Add a record to what it is given.  False: no memory. */
bool program_take(struct exec *e, const struct flow_record *record);

/* Write what goes out at once. */
enum flow_status program_tell(struct exec *e, struct flow_stage *stage);

/* What it has written to its errors, line by line, for the operator. */
enum flow_status program_hear_errors(struct exec *e, struct flow_stage *stage);

/* Take what it has written, there and to its output, and see to its end. */
enum flow_status program_listen(struct exec *e, struct flow_stage *stage);

/* Close one of its pipes, or all. */
void program_close(struct flow_stage *stage, int *fd);
void program_leave(struct exec *e, struct flow_stage *stage);

const char *program_name(const struct exec *e);
enum flow_status program_no_memory(struct flow_stage *stage);
int64_t program_now_ns(void);

#endif /* STAGES_EXEC_PROGRAM_H */
