/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>

#define TURN 16 /* reads in a row, before others have their turn */

int64_t program_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

const char *program_name(const struct exec *e)
{
    return e->command.items[0];
}

bool program_take(struct exec *e, const struct flow_record *record)
{
    return frame_add(&e->send, e->framing, record->data, record->size);
}

enum flow_status program_no_memory(struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for what goes to the program and back");
}

/* ---- the program ---- */

static enum flow_status add_watch(struct exec *e, struct flow_stage *stage, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(e->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        return flow_stage_fail(stage, FLOW_EIO, "cannot watch the pipes to '%s': %s",
                               program_name(e), strerror(errno));
    return (events & EPOLLIN) != 0 ? flow_watch(stage, fd, POLLIN, (uint64_t)fd) : FLOW_OK;
}

enum flow_status program_start(struct exec *e, struct flow_stage *stage)
{
    const int error = child_start(&e->child, e->argv, e->environment, e->cwd);
    if (error != 0)
        return flow_stage_fail(stage, FLOW_EIO, "cannot run '%s'%s%s: %s", e->argv[0],
                               e->cwd != NULL ? " in " : "", e->cwd != NULL ? e->cwd : "",
                               strerror(error));
    e->send.first = e->send.size = e->got.first = e->got.size = e->searched = 0;
    e->waits_to_send = e->deaf = e->warned = false;
    e->heard_ns = program_now_ns();
    enum flow_status rc = add_watch(e, stage, e->child.out, EPOLLIN);
    if (rc == FLOW_OK)
        rc = add_watch(e, stage, e->child.err, EPOLLIN);
    return rc == FLOW_OK ? add_watch(e, stage, e->child.in, EPOLLOUT | EPOLLET) : rc;
}

void program_close(struct flow_stage *stage, int *fd)
{
    flow_unwatch(stage, *fd);
    child_close(fd);
}

void program_leave(struct exec *e, struct flow_stage *stage)
{
    program_close(stage, &e->child.in);
    program_close(stage, &e->child.out);
    program_close(stage, &e->child.err);
}

static bool ended_well(const struct exec *e, int status)
{
    for (size_t i = 0; i < e->exit_codes.count && WIFEXITED(status); i++) {
        if (WEXITSTATUS(status) == atoi(e->exit_codes.items[i]))
            return true;
    }
    return false;
}

static void describe(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        (void)snprintf(text, size, "was killed by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else
        (void)snprintf(text, size, "ended with exit code %d", WEXITSTATUS(status));
}

/* ---- what it says ---- */

enum flow_status program_hear_errors(struct exec *e, struct flow_stage *stage)
{
    for (;;) {
        uint8_t *room = buffer_room(&e->said, 4096);
        const ssize_t got = room != NULL ? read(e->child.err, room, 4096) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            if (got == 0)
                program_close(stage, &e->child.err);
            return room != NULL ? FLOW_OK : program_no_memory(stage);
        }
        e->said.size += (size_t)got;
        uint8_t *end;
        while ((end = memchr(e->said.bytes + e->said.first, '\n', e->said.size - e->said.first)) !=
               NULL) {
            const uint8_t *line = e->said.bytes + e->said.first;
            flow_log(stage, "%.*s", (int)(end - line), (const char *)line);
            e->said.first = (size_t)(end + 1 - e->said.bytes);
        }
    }
}

static enum flow_status too_large(struct exec *e, struct flow_stage *stage, size_t size)
{
    return flow_stage_fail(stage, FLOW_ERANGE,
                           "'%s' has written %zu bytes without an end of record (\"%s\"); the most "
                           "is max_size, %" PRIu64,
                           program_name(e), size,
                           e->framing == LINES ? "lines"
                           : e->framing == NUL ? "nul"
                                               : "length",
                           e->max_size);
}

static enum flow_status take_answer(struct exec *e, struct flow_stage *stage, const uint8_t *data,
                                    size_t size)
{
    if (e->out_count == 0)
        return flow_stage_fail(stage, FLOW_EPROTO,
                               "'%s' has written '%.*s' though it had answered everything: with "
                               "\"window\" it writes one record for each, and nothing else",
                               program_name(e), (int)(size < 60 ? size : 60), (const char *)data);
    struct flow_token *token = e->out[e->out_first];
    e->out_first = (e->out_first + 1) % (size_t)e->window;
    e->out_count--;
    e->heard_ns = program_now_ns();
    const struct flow_target to = {.key = token->record.key, .key_size = token->record.key_size};
    enum flow_status rc = flow_resume(stage, token);
    if (rc == FLOW_OK)
        rc = flow_done(stage, token, flow_emit_to(stage, &to, data, size));
    return rc;
}

/* Emit the records that end with a mark; `*size`: what is behind the last mark. */
static enum flow_status emit_marked(struct exec *e, struct flow_stage *stage, size_t *size)
{
    const uint8_t *at = e->got.bytes + e->got.first;
    struct flow_marks marks = flow_marks_begin(
        at + e->searched, e->got.size - e->got.first - e->searched, frame_mark(e->framing));
    struct flow_writer writer = flow_writer_begin(stage, 0);
    enum flow_status rc = FLOW_OK;
    for (const uint8_t *end; rc == FLOW_OK && (end = flow_marks_next(&marks)) != NULL;) {
        rc = flow_writer_emit(&writer, at, (size_t)(end - at));
        at = end + 1;
    }
    flow_writer_end(&writer);
    e->got.first = (size_t)(at - e->got.bytes);
    *size = e->searched = e->got.size - e->got.first;
    return rc;
}

static enum flow_status emit_sized(struct exec *e, struct flow_stage *stage, size_t *size)
{
    const uint8_t *data = NULL;
    enum flow_status rc = FLOW_OK;
    struct flow_writer writer = flow_writer_begin(stage, 0);
    while (rc == FLOW_OK && frame_next(&e->got, e->framing, &data, size))
        rc = flow_writer_emit(&writer, data, *size);
    flow_writer_end(&writer);
    return rc;
}

static enum flow_status emit_answers(struct exec *e, struct flow_stage *stage, size_t *size)
{
    const uint8_t *data = NULL;
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && frame_next(&e->got, e->framing, &data, size))
        rc = take_answer(e, stage, data, *size);
    return rc;
}

/* Emit the records that are complete; `rest`: what is left is one too. */
static enum flow_status take_answers(struct exec *e, struct flow_stage *stage, bool rest)
{
    size_t size = 0;
    const enum flow_status rc = e->window > 0          ? emit_answers(e, stage, &size)
                                : e->framing == LENGTH ? emit_sized(e, stage, &size)
                                                       : emit_marked(e, stage, &size);
    if (rc == FLOW_OK && size > e->max_size)
        return too_large(e, stage, size);
    if (rc != FLOW_OK || !rest || e->got.first == e->got.size)
        return rc;
    if (e->framing == LENGTH || e->window > 0)
        return FLOW_OK; /* torn: its death says so */
    const uint8_t *data = e->got.bytes + e->got.first;
    e->got.first = e->got.size;
    e->searched = 0;
    return flow_emit(stage, data, size);
}

/* Read what is there; `*end`: it has closed its output. */
static enum flow_status hear(struct exec *e, struct flow_stage *stage, bool *end)
{
    enum flow_status rc = FLOW_OK;
    bool more = true;
    for (int i = 0; i < TURN && rc == FLOW_OK && more; i++) {
        uint8_t *room = buffer_room(&e->got, STEP);
        const ssize_t got = room != NULL ? read(e->child.out, room, STEP) : 0;
        if (room == NULL)
            return program_no_memory(stage);
        if (got < 0 && errno == EAGAIN)
            return FLOW_OK;
        *end = got == 0 || (got < 0 && errno != EINTR);
        more = got == (ssize_t)STEP || (got < 0 && !*end);
        e->got.size += got > 0 ? (size_t)got : 0;
        rc = take_answers(e, stage, *end);
    }
    return rc;
}

/* ---- what it is told ---- */

static enum flow_status wants_no_more(struct exec *e, struct flow_stage *stage)
{
    program_close(stage, &e->child.in);
    e->send.first = e->send.size = 0;
    e->deaf = true;
    return FLOW_OK;
}

/* Write what goes out at once; with a window the rest follows when there is room. */
enum flow_status program_tell(struct exec *e, struct flow_stage *stage)
{
    while (e->child.in >= 0 && e->send.first < e->send.size) {
        const size_t left = e->send.size - e->send.first;
        const ssize_t sent =
            write(e->child.in, e->send.bytes + e->send.first, left < STEP ? left : STEP);
        if (sent >= 0) {
            e->send.first += (size_t)sent;
        } else if (errno == EAGAIN) {
            const bool news = !e->waits_to_send;
            e->waits_to_send = true;
            return news ? flow_watch(stage, e->child.in, POLLOUT, (uint64_t)e->child.in) : FLOW_OK;
        } else if (errno != EINTR) {
            return wants_no_more(e, stage);
        }
    }
    if (e->waits_to_send)
        flow_unwatch(stage, e->child.in);
    e->waits_to_send = false;
    return FLOW_OK;
}

/* ---- its end ---- */

static enum flow_status fail_ended(struct exec *e, struct flow_stage *stage, int status)
{
    char how[96];
    describe(status, how, sizeof(how));
    return flow_stage_fail(stage, FLOW_EIO, "'%s' %s; \"exit_codes\" lists those that are well",
                           program_name(e), how);
}

/* Another program gets all that is unanswered. */
enum flow_status program_go_on(struct exec *e, struct flow_stage *stage)
{
    enum flow_status rc = program_start(e, stage);
    for (size_t i = 0; rc == FLOW_OK && i < e->out_count; i++) {
        if (!program_take(e, &e->out[(e->out_first + i) % (size_t)e->window]->record))
            return program_no_memory(stage);
    }
    return rc == FLOW_OK ? program_tell(e, stage) : rc;
}

/* Give all that is unanswered to the next program; who was in its hand too often is refused. */
static enum flow_status begin_again(struct exec *e, struct flow_stage *stage, int status)
{
    if (e->out_count == 0)
        return FLOW_OK; /* the next record starts one */
    struct flow_token *head = e->out[e->out_first];
    uintptr_t tries = (uintptr_t)head->own + 1;
    memcpy(&head->own, &tries, sizeof(tries));
    enum flow_status rc = FLOW_OK;
    if ((int64_t)tries > e->restart) {
        char how[96];
        describe(status, how, sizeof(how));
        e->out_first = (e->out_first + 1) % (size_t)e->window;
        e->out_count--;
        rc = flow_resume(stage, head);
        if (rc == FLOW_OK)
            rc = flow_done(
                stage, head,
                flow_reject(stage, "'%s' %s before it had answered", program_name(e), how));
    }
    return rc == FLOW_OK && e->out_count > 0 ? program_go_on(e, stage) : rc;
}

/* It has closed its output. */
static enum flow_status end(struct exec *e, struct flow_stage *stage)
{
    int status = 0;
    (void)program_hear_errors(e, stage);
    program_leave(e, stage);
    if (!child_wait(&e->child, (int)(e->end_within / 1000000), &status)) {
        child_kill(&e->child);
        return flow_stage_fail(stage, FLOW_EIO,
                               "'%s' has closed its output and not ended within %" PRId64 " s",
                               program_name(e), e->end_within / 1000000000);
    }
    e->send.first = e->send.size = 0;
    if (e->window > 0)
        return begin_again(e, stage, status);
    e->deaf = true;
    return ended_well(e, status) ? FLOW_OK : fail_ended(e, stage, status);
}

/* ---- all of it ---- */

enum flow_status program_listen(struct exec *e, struct flow_stage *stage)
{
    bool closed = false;
    enum flow_status rc = e->child.err >= 0 ? program_hear_errors(e, stage) : FLOW_OK;
    if (rc == FLOW_OK && e->child.out >= 0)
        rc = hear(e, stage, &closed);
    return rc == FLOW_OK && closed ? end(e, stage) : rc;
}
