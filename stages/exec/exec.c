/* SPDX-License-Identifier: MIT */

/*
 * exec: a program as a stage.  Two ways:
 *
 *   free       records go in and others come out, in any number: nothing says which came of which.
 *              A record is done when it is in the program's hands.
 *   windowed   one record comes out for each that went in, in the same order: up to `window` are in
 *              flight, and one is done when its answer is here.  What a program has not answered
 *              when it dies is given to the next one.
 *
 * Everything is read and written without blocking: what is to be written is collected (`send`),
 * what has been read is cut into records (`got`).
 */

#include <inttypes.h>
#include <sys/epoll.h>

#include "program.h"

#define GATHER_NS 1000000   /* how long little is collected before it is written */
#define QUIET_NS 1000000000 /* without an answer for so long, something is said */
#define LAST_MS 200         /* for a program to end when the stage is closed */

enum { TIMER_SEND = 1, TIMER_QUIET };
enum { AT_CHECKPOINT_REFUSE, AT_CHECKPOINT_RESTART };

static const struct flow_param params[] = {
    FLOW_PARAM_LIST(struct exec, command, FLOW_REQUIRED,
                    "the program and its arguments; one string: for the shell"),
    FLOW_PARAM_ENUM(struct exec, framing, "lines", "lines|nul|length",
                    "how records are told apart; length: u32, little end first"),
    FLOW_PARAM_I64(struct exec, window, "0", 0, 100000,
                   "one answer each, so many records at a time; 0: no such rule"),
    FLOW_PARAM_LIST(struct exec, env, NULL, "added to the environment, as 'NAME=value'"),
    FLOW_PARAM_STR(struct exec, cwd, NULL, "the folder that it runs in"),
    FLOW_PARAM_I64(struct exec, restart, "2", 0, 1000,
                   "with a window: times that one record may end the program"),
    FLOW_PARAM_LIST(struct exec, exit_codes, "[\"0\"]", "with which a program ends well"),
    FLOW_PARAM_DURATION(struct exec, end_within, "60s", 1e6, 86400e9,
                        "for it to end once its input has"),
    FLOW_PARAM_SIZE(struct exec, max_size, "16MiB", 1, 268000000.0, "largest output [bytes]"),
    FLOW_PARAM_ENUM(struct exec, checkpoint, "refuse", "refuse|restart",
                    "without a window, at a checkpoint; restart: it keeps no state"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "what the program reads"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "what it writes; with a window, under the key of the record"},
    {NULL, NULL, NULL},
};

/* For a second nothing has come back. */
static enum flow_status be_quiet(struct exec *e, struct flow_stage *stage)
{
    const int64_t quiet = program_now_ns() - e->heard_ns;
    if (e->out_count == 0)
        return FLOW_OK;
    if (quiet >= QUIET_NS && !e->warned) {
        e->warned = true;
        flow_log(
            stage,
            "'%s' has written nothing for 1 s while %zu records are out; it may buffer its "
            "output: try stdbuf -oL, jq --unbuffered, grep --line-buffered, sed -u, python3 -u",
            program_name(e), e->out_count);
    }
    if (quiet >= QUIET_NS && (e->flushing || flow_stopping(stage))) /* it writes what it has */
        program_close(stage, &e->child.in);
    return flow_timer(stage, TIMER_QUIET, QUIET_NS);
}

static enum flow_status exec_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                   unsigned events)
{
    struct exec *e = self;
    if (events == 0 && tag == TIMER_QUIET)
        return be_quiet(e, stage);
    if (events == 0) {
        e->gathers = false;
        return e->child.pid == 0 && e->out_count > 0 ? program_go_on(e, stage)
                                                     : program_tell(e, stage);
    }
    if ((int)tag == e->child.in)
        return program_tell(e, stage);
    if ((int)tag == e->child.err)
        return program_hear_errors(e, stage);
    return (int)tag == e->child.out ? program_listen(e, stage) : FLOW_OK;
}

/* Write all of it, and read meanwhile, as the program may wait for that. */
static enum flow_status tell_all(struct exec *e, struct flow_stage *stage)
{
    enum flow_status rc = program_tell(e, stage);
    while (rc == FLOW_OK && e->child.in >= 0 && e->send.first < e->send.size) {
        struct epoll_event events[3];
        rc = program_listen(e, stage);
        if (rc == FLOW_OK && e->child.in >= 0)
            rc = program_tell(e, stage);
        if (rc != FLOW_OK || e->send.first == e->send.size || e->child.in < 0)
            return rc;
        rc = flow_wait(stage, e->epoll, POLLIN, -1);
        (void)epoll_wait(e->epoll, events, 3, 0); /* room is told of once */
    }
    return rc;
}

/* Without a window: little is collected for a moment. */
static enum flow_status tell_if_much(struct exec *e, struct flow_stage *stage)
{
    if (e->send.size - e->send.first >= STEP)
        return tell_all(e, stage);
    if (e->gathers)
        return FLOW_OK;
    e->gathers = true;
    return flow_timer(stage, TIMER_SEND, GATHER_NS);
}

/* Why the program cannot be given the record; NULL: it can. */
static const char *trouble_with(const struct exec *e, const struct flow_record *record)
{
    if (e->framing == LENGTH)
        return record->size <= UINT32_MAX ? NULL : "it is too large";
    if (memchr(record->data, frame_mark(e->framing), record->size) == NULL)
        return NULL;
    return e->framing == LINES ? "it has a line end in it, which ends a record for the program; "
                                 "\"framing\": \"nul\" or \"length\" lets it"
                               : "it has a byte 0 in it, which ends a record for the program; "
                                 "\"framing\": \"length\" lets it";
}

/* Nobody knows what came of a record: it only has to be one for the program. */
static enum flow_status take_each(struct exec *e, struct flow_stage *stage,
                                  const struct flow_batch *batch)
{
    uint32_t index = 0;
    for (struct flow_cursor c = flow_batch_begin(batch); flow_batch_next(&c); index++) {
        enum flow_status rc = FLOW_OK;
        const char *trouble = trouble_with(e, &c.record);
        if (trouble != NULL)
            rc = flow_batch_reject(stage, index, "%s", trouble);
        else if (!e->deaf && !program_take(e, &c.record))
            rc = program_no_memory(stage);
        if (rc != FLOW_OK)
            return rc;
    }
    return FLOW_OK;
}

/* Almost always nothing is wrong with any of them, which is seen at a glance. */
static enum flow_status take_all(struct exec *e, struct flow_stage *stage,
                                 const struct flow_batch *batch)
{
    size_t size = 0;
    const uint8_t *bytes = batch->keyed || e->framing == LENGTH ? NULL : frame_span(batch, &size);
    if (bytes == NULL || memchr(bytes, frame_mark(e->framing), size) != NULL)
        return take_each(e, stage, batch);
    return e->deaf || frame_add_all(&e->send, e->framing, batch) ? FLOW_OK
                                                                 : program_no_memory(stage);
}

static enum flow_status process_windowed(struct exec *e, struct flow_stage *stage,
                                         const struct flow_record *record)
{
    struct flow_token *token = flow_hold(stage, record);
    if (token == NULL)
        return FLOW_EABORT;
    if (e->out_count == 0)
        e->heard_ns = program_now_ns();
    e->out[(e->out_first + e->out_count++) % (size_t)e->window] = token;
    enum flow_status rc = FLOW_OK;
    if (e->out_count == 1)
        rc = flow_timer(stage, TIMER_QUIET, QUIET_NS);
    if (rc != FLOW_OK || e->deaf) /* its end is on the way, and after it the next one's start */
        return rc;
    if (!program_take(e, record))
        return program_no_memory(stage);
    if (e->gathers || e->send.size - e->send.first >= STEP)
        return e->send.size - e->send.first >= STEP ? program_tell(e, stage) : FLOW_OK;
    e->gathers = true;
    return flow_timer(stage, TIMER_SEND, 0);
}

static enum flow_status exec_process(void *self, struct flow_stage *stage,
                                     const struct flow_record *record)
{
    struct exec *e = self;
    const char *trouble = trouble_with(e, record);
    enum flow_status rc = trouble == NULL ? FLOW_OK : flow_reject(stage, "%s", trouble);
    e->flushing = false;
    if (rc == FLOW_OK && e->child.pid == 0 && (e->window > 0 || !e->deaf))
        rc = program_go_on(e, stage);
    if (rc != FLOW_OK || (e->deaf && e->window == 0))
        return rc;
    if (e->window > 0)
        return process_windowed(e, stage, record);
    return program_take(e, record) ? tell_if_much(e, stage) : program_no_memory(stage);
}

/* Freely; with a window records are taken one by one. */
static enum flow_status exec_process_batch(void *self, struct flow_stage *stage,
                                           const struct flow_batch *batch)
{
    struct exec *e = self;
    enum flow_status rc = FLOW_OK;
    e->flushing = false;
    if (e->child.pid == 0 && !e->deaf)
        rc = program_go_on(e, stage);
    if (rc == FLOW_OK)
        rc = take_all(e, stage, batch);
    return rc == FLOW_OK && !e->deaf ? tell_if_much(e, stage) : rc;
}

/* Its input ends: read the rest, until it has ended. */
static enum flow_status exec_flush(void *self, struct flow_stage *stage)
{
    struct exec *e = self;
    e->flushing = true;
    if (e->window > 0)
        return program_tell(e, stage);
    enum flow_status rc = tell_all(e, stage);
    program_close(stage, &e->child.in);
    const int64_t until = program_now_ns() + e->end_within;
    while (rc == FLOW_OK && e->child.out >= 0) {
        rc = flow_wait(stage, e->epoll, POLLIN,
                       until - program_now_ns() > 0 ? until - program_now_ns() : 0);
        if (rc == FLOW_EAGAIN)
            return flow_stage_fail(stage, FLOW_EIO,
                                   "'%s' has not ended within %" PRId64
                                   " s of its input (\"end_within\")",
                                   program_name(e), e->end_within / 1000000000);
        if (rc == FLOW_OK)
            rc = program_listen(e, stage);
    }
    e->deaf = false;
    return rc;
}

/* It hangs: another program gets what else is out. */
static void exec_drop(void *self, struct flow_stage *stage, struct flow_token *token)
{
    struct exec *e = self;
    size_t kept = 0;
    for (size_t i = 0; i < e->out_count; i++) {
        struct flow_token *other = e->out[(e->out_first + i) % (size_t)e->window];
        if (other != token)
            e->out[(e->out_first + kept++) % (size_t)e->window] = other;
    }
    e->out_count = kept;
    program_leave(e, stage);
    child_kill(&e->child);
    (void)flow_timer(stage, TIMER_SEND, 0); /* which starts the next one */
    e->gathers = true;
}

static enum flow_status make_command(struct exec *e, struct flow_stage *stage)
{
    static const char *const shell[] = {"/bin/sh", "-c"};
    const size_t first = e->command.count == 1 ? 2 : 0;
    size_t variables = 0;
    while (environ[variables] != NULL)
        variables++;
    e->argv = calloc(e->command.count + 3, sizeof(*e->argv));
    e->environment = calloc(variables + e->env.count + 1, sizeof(*e->environment));
    if (e->argv == NULL || e->environment == NULL)
        return program_no_memory(stage);
    memcpy(e->argv, shell, first * sizeof(*e->argv));
    memcpy(e->argv + first, e->command.items, e->command.count * sizeof(*e->argv));
    /* The first of a name counts: ours. */
    for (size_t i = 0; i < e->env.count; i++) {
        if (strchr(e->env.items[i], '=') == NULL)
            return flow_stage_fail(stage, FLOW_EINVAL, "'env' has '%s', which is not NAME=value",
                                   e->env.items[i]);
        e->environment[i] = e->env.items[i];
    }
    memcpy(e->environment + e->env.count, environ, variables * sizeof(*e->environment));
    return FLOW_OK;
}

static enum flow_status exec_open(void *self, struct flow_stage *stage)
{
    struct exec *e = self;
    const struct flow_info *info = flow_stage_info(stage);
    e->child = (struct child)CHILD_NONE;
    e->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (e->epoll < 0)
        return flow_stage_fail(stage, FLOW_EIO, "cannot make a descriptor: %s", strerror(errno));
    if (e->command.count == 0)
        return flow_stage_fail(stage, FLOW_EINVAL, "'command' is empty; name a program");
    if (e->window == 0 && info->numbered)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "without \"window\" nobody knows which output came of which input, "
                               "so several workers need \"order\": \"none\"");
    if (e->window == 0 && info->checkpoints && e->checkpoint == AT_CHECKPOINT_REFUSE)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "at a checkpoint the program has to be restarted: say "
                               "\"checkpoint\": \"restart\" if it looks at each record alone, or "
                               "give it a \"window\"");
    if (e->window > 0) {
        e->out = calloc((size_t)e->window, sizeof(struct flow_token *));
        if (e->out == NULL)
            return program_no_memory(stage);
    }
    flow_hold_most(stage, (size_t)e->window);
    const enum flow_status rc = make_command(e, stage);
    return rc == FLOW_OK ? program_start(e, stage) : rc;
}

static enum flow_status exec_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    (void)self;
    (void)stage;
    return flow_save_number(to, 1);
}

static enum flow_status exec_restore(void *self, struct flow_stage *stage, struct flow_loader *from)
{
    uint64_t layout;
    (void)self;
    (void)stage;
    return flow_load_number(from, &layout);
}

static const char *exec_weakness(const void *self)
{
    const struct exec *e = self;
    return e->window == 0 ? "nobody knows what its program has not done yet" : NULL;
}

static void exec_close(void *self, struct flow_stage *stage)
{
    struct exec *e = self;
    int status;
    program_close(stage, &e->child.in);
    if (e->child.pid > 0)
        (void)child_wait(&e->child, LAST_MS, &status);
    program_leave(e, stage);
    child_kill(&e->child);
    if (e->epoll > 0)
        (void)close(e->epoll);
    free(e->argv);
    free(e->environment);
    free(e->send.bytes);
    free(e->got.bytes);
    free(e->said.bytes);
    free(e->out);
}

static const struct flow_stage_type exec = {
    .name = "exec",
    .help = "runs a program, gives it records and takes what it writes",
    .role = FLOW_WORKER,
    .traits = FLOW_OUTSIDE,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct exec),
    .open = exec_open,
    .process = exec_process,
    .process_batch = exec_process_batch,
    .ready = exec_ready,
    .drop = exec_drop,
    .flush = exec_flush,
    .save = exec_save,
    .restore = exec_restore,
    .weakness = exec_weakness,
    .close = exec_close,
};

FLOW_PLUGIN(&exec);
