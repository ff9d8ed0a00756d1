/* SPDX-License-Identifier: MIT */
#ifndef FLOWRUN_STAGE_H
#define FLOWRUN_STAGE_H

/*
 * What a stage type is, and what it may ask of the engine: the only header a plugin includes.  It
 * also compiles as C++ (from C++11 on), where no exception may leave a callback, and nobody
 * constructs or destroys the state: it starts as zeros.
 *
 * A stage type is one constant struct: a name, a line of help, a role, ports, a table of parameters
 * and callbacks.  A plugin is a shared object that exports one symbol, written by FLOW_PLUGIN.  It
 * links to nothing: the engine hands its calls over with every callback.
 *
 * Life of a replica: its state is allocated, zeroed and filled from the parameters; then open;
 * then produce again and again, or process (or process_batch) for what arrives; finish once the
 * input has ended on every edge; close always, also when open failed or the run is aborted.  Where
 * a run takes checkpoints there are also save and commit, and restore right after open.
 *
 * Threads: all callbacks of one replica run on one thread, one at a time.  Two replicas of a stage
 * run at the same time on two threads, or in two processes, each with a state of its own.
 *
 * Memory: records handed to a callback are borrowed until it returns.  Bytes handed to the engine
 * are copied before the call returns, or were reserved in the engine's own batch and are written in
 * place.
 *
 * Waiting: a stage that has `ready` may keep records in flight (flow_hold) and emit for them later,
 * when a descriptor or a timer that it watches says so: see docs/waiting.md.
 *
 * Blocking: flow_emit and its kin block while the readers of a port have no room; that is how a
 * slow stage holds its upstream back.  They return FLOW_EABORT when the run is being aborted:
 * return it.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "flowrun/param.h"
#include "flowrun/status.h"

#define FLOW_ABI 4

/* The stage as the engine sees it: a handle, valid during a callback. */
struct flow_stage;

/* A record in flight, see flow_hold. */
struct flow_token;

/* One record.  The bytes need not be aligned and are not terminated by a zero. */
struct flow_record {
    const void *data; /* never NULL, also when size is 0 */
    size_t size;      /* bytes */
    const void *key;  /* NULL: the record has no key */
    size_t key_size;  /* bytes */
    uint64_t number;  /* its place in what arrived on this edge from one upstream replica, from 0 */
    unsigned port;    /* the input port it arrived on */
};

/*
 * A view of several records.  Read it with flow_batch_begin and flow_batch_next, or in any order
 * with flow_batch_record; the layout below is private and may change with FLOW_ABI.
 *
 * `bytes` holds the records one after the other, each with its key right behind it.  The column
 * grows down from `top`: the u32 just below `top` is the end of record 0 (and its key) in `bytes`;
 * in a keyed batch the size of its key lies below that.
 */
struct flow_batch {
    const uint8_t *bytes;
    const uint8_t *top;
    uint32_t first;  /* index of the first record of the view */
    uint32_t count;  /* records in the view */
    bool keyed;      /* the column has key sizes */
    unsigned port;   /* the input port they arrived on */
    uint64_t number; /* the number of the first record of the view */
};

enum flow_role {
    FLOW_PRODUCER, /* has no input */
    FLOW_WORKER,   /* takes records and emits records */
    FLOW_CONSUMER, /* emits nothing */
    FLOW_EITHER,   /* a worker that may also end a path: nothing needs to take from it */
};

/*
 * Where `save` puts a stage's state, and where `restore` finds it.  What is saved is a run of bytes
 * with no marks in it: restore loads what save has saved, in the same order and sizes.
 */
struct flow_saver {
    enum flow_status (*put)(struct flow_saver *to, const void *data, size_t size); /* private */
};

struct flow_loader {
    const uint8_t *at; /* private */
    size_t left;       /* bytes that have not been loaded */
};

/* What a type promises or needs; or them together. */
enum flow_trait {
    FLOW_STATEFUL = 1, /* keeps something from record to record: parallel only over keys */
    FLOW_SINGLE = 2,   /* never more than one replica */
    FLOW_LIGHT = 4,    /* well under a microsecond a record, never waits: not worth a thread */
    FLOW_OUTSIDE = 8,  /* whether it takes a record depends on more than the record, as on a server:
                          the same one may be refused once and not the next time */
    FLOW_ANSWERS = 16, /* a producer that answers whoever sends to it once flow_wait has returned,
                          and is sent again what it has not answered: what is not in its spool by
                          then is not lost with its process */
};

/* A named input or output. */
struct flow_port {
    const char *name; /* lower_snake_case, but not "errors"; NULL ends the table */
    const char *type; /* "bytes" (anything), "text", "json", or a name of the stage's own */
    const char *help; /* one line */
};

/*
 * A stage type.  Zero what you do not need: a missing callback is skipped, missing `inputs` mean
 * one port "in" and missing `outputs` one port "out", both of "bytes" (a producer has no input and
 * a consumer no output, whatever the tables say).
 */
struct flow_stage_type {
    const char *name; /* "group.verb", as in "lines.read" */
    const char *help; /* one line */
    enum flow_role role;
    unsigned traits; /* enum flow_trait */
    const struct flow_port *inputs;
    const struct flow_port *outputs;
    const struct flow_param *params; /* NULL: the type has no parameters */
    size_t state_size;               /* of the struct that `params` describes, in bytes */

    /* Prepare: open files, allocate.  Called once, after the parameters are in place. */
    enum flow_status (*open)(void *self, struct flow_stage *stage);

    /*
     * Producers: emit some records, at most for a few milliseconds' work, and return FLOW_OK to be
     * called again or FLOW_ECLOSED when there are no more.  Wait with flow_wait only.
     */
    enum flow_status (*produce)(void *self, struct flow_stage *stage);

    /*
     * Workers and consumers: take one record.  FLOW_OK, or what flow_reject (this record is bad) or
     * flow_stage_fail (the stage cannot go on) returned.
     */
    enum flow_status (*process)(void *self, struct flow_stage *stage,
                                const struct flow_record *record);

    /*
     * Instead of `process`, for hot stages: take a whole batch.  Refuse single records with
     * flow_batch_reject and go on.  A type that has `ready` may have it beside `process`, for
     * stages that hold no records (flow_hold_most).
     */
    enum flow_status (*process_batch)(void *self, struct flow_stage *stage,
                                      const struct flow_batch *batch);

    /*
     * Of a stage that waits without blocking: a descriptor that it watches has `events` (as for
     * poll), or, with 0, a timer of this tag has come.  Any record in flight may be dealt with.
     * FLOW_OK, or what flow_done, flow_emit and the like or flow_stage_fail returned.  With
     * process_batch and no `process` it is called for timers only: such a stage holds and watches
     * nothing, may be light, and emits here what belongs to no record.
     */
    enum flow_status (*ready)(void *self, struct flow_stage *stage, uint64_t tag, unsigned events);

    /*
     * Forget this record in flight, which has taken longer than the stage's "timeout": the error
     * policy applies to it, and the token is gone when this returns.  It may not emit.  A stage
     * that holds records and is given a "timeout" needs it.
     */
    void (*drop)(void *self, struct flow_stage *stage, struct flow_token *token);

    /*
     * No more records come until everything under way has come out, for a checkpoint or since the
     * input has ended: hurry it along, and emit what belongs to no record.  What is held may stay
     * so: the engine then waits for it.
     */
    enum flow_status (*flush)(void *self, struct flow_stage *stage);

    /* The input has ended on every edge: emit what is left. */
    enum flow_status (*finish)(void *self, struct flow_stage *stage);

    /*
     * Release what open took; also called when open failed half-way or the run is aborted.  It may
     * not emit.  What can fail belongs into finish.
     */
    void (*close)(void *self, struct flow_stage *stage);

    /*
     * Checkpoints; docs/guarantees.md says what a run gains by them.  A producer saves where it is,
     * a stage that keeps state that state, a consumer makes what it was given durable and saves how
     * much that is.  Called between two other callbacks, also after finish; it may not emit.
     * FLOW_OK, what flow_save returned, or what flow_stage_fail did.
     */
    enum flow_status (*save)(void *self, struct flow_stage *stage, struct flow_saver *to);

    /*
     * Right after open, in a run that goes on from a checkpoint: be as when this was saved.
     * FLOW_OK, what flow_load returned (the engine knows what to say), or flow_stage_fail.
     */
    enum flow_status (*restore)(void *self, struct flow_stage *stage, struct flow_loader *from);

    /*
     * The checkpoint `epoch`, which holds what save has last saved or something older, can no
     * longer be lost, so what it covers will not come again: a consumer may show it.  Called again
     * after restore, since nobody knows whether that had been done.
     */
    enum flow_status (*commit)(void *self, struct flow_stage *stage, uint64_t epoch);

    /*
     * With these parameters, why a producer cannot read again what it has read, or a consumer
     * cannot take back what it has written, although it has `save`: "standard input is read once";
     * or why what a worker has taken cannot be done again by another that takes its place.
     * NULL: it can, as if the callback were missing.  Called before open, on no particular thread.
     */
    const char *(*weakness)(const void *self);
};

/* What a stage can know of itself. */
struct flow_info {
    const char *name;   /* the stage's name in the graph */
    unsigned replica;   /* 0 to replicas - 1 */
    unsigned replicas;  /* how many run */
    unsigned inputs;    /* how many input ports are connected */
    const char *folder; /* the folder of the graph file: relative paths of parameters start at the
                           working folder, this one is for files that belong to the graph */
    bool checkpoints; /* the run takes checkpoints: what close leaves behind may be gone on with */
    bool resumes;     /* it goes on from one: restore will be called, if the type has it */
    bool numbered;    /* one of several workers whose results are put back in the order of their
                         input: everything is emitted for some record, or in finish */
    bool spools;      /* a producer whose run keeps what it emits in a spool */
    /*
     * Records that its spool has emitted in its place since restore.  A producer whose state has
     * what it had read and not emitted lets go of so many, before it emits and when it saves.
     */
    uint64_t respooled;
};

/*
 * A record in flight.  Its bytes and key are the engine's copy and stay until flow_done; what
 * follows is private.
 */
struct flow_token {
    struct flow_record record;
    void *own; /* the stage's; NULL at first */
};

/* Where an emitted record goes and what key it has. */
struct flow_target {
    unsigned port; /* index in the type's outputs */
    const void *key;
    size_t key_size;
};

/* The engine's side, one table per engine.  Use the functions below instead. */
struct flow_calls {
    uint32_t abi;
    enum flow_status (*emit)(struct flow_stage *stage, const struct flow_target *to,
                             const void *data, size_t size);
    enum flow_status (*forward)(struct flow_stage *stage, unsigned port,
                                const struct flow_record *record);
    enum flow_status (*forward_batch)(struct flow_stage *stage, unsigned port,
                                      const struct flow_batch *batch);
    void *(*edit)(struct flow_stage *stage, const struct flow_record *record);
    uint8_t *(*edit_batch)(struct flow_stage *stage, const struct flow_batch *batch);
    void *(*reserve)(struct flow_stage *stage, unsigned port, size_t size);
    enum flow_status (*commit)(struct flow_stage *stage, const struct flow_target *to, size_t size);
    enum flow_status (*fail)(struct flow_stage *stage, enum flow_status status, uint32_t index,
                             const char *fmt, va_list args);
    enum flow_status (*wait)(struct flow_stage *stage, int fd, short events, int64_t timeout_ns);
    bool (*stopping)(const struct flow_stage *stage);
    bool (*connected)(const struct flow_stage *stage, unsigned port);
    struct flow_token *(*hold)(struct flow_stage *stage, const struct flow_record *record);
    enum flow_status (*resume)(struct flow_stage *stage, struct flow_token *token);
    enum flow_status (*done)(struct flow_stage *stage, struct flow_token *token,
                             enum flow_status status);
    void (*hold_most)(struct flow_stage *stage, size_t count);
    enum flow_status (*watch)(struct flow_stage *stage, int fd, unsigned events, uint64_t tag);
    void (*unwatch)(struct flow_stage *stage, int fd);
    enum flow_status (*timer)(struct flow_stage *stage, uint64_t tag, int64_t after_ns);
    void (*log)(struct flow_stage *stage, const char *fmt, va_list args);
};

/*
 * Private: the open end of an output port, where flow_emit and its kin write without a call.  It is
 * a part of the engine's own builder; both move `at` and `column`, which run towards each other.
 *
 *     data ──> records so far   at ──>   free   <── column   ends of the records so far
 *
 * The next record goes to `at`, and its end, counted from `data`, right below `column`.  `floor`
 * lies at or above `column` where that is not for the stage to do: nothing is open, nothing takes
 * from the port, its records have keys, or as many are open as may be.
 */
struct flow_room_ {
    uint8_t *at;
    uint8_t *floor;  /* between the two that move: side by side, compilers load them as one */
    uint8_t *column; /* a multiple of 4 */
    uint8_t *data;
    uint64_t mark_id; /* the record in hand that the mark was made for */
    uint8_t *mark_at; /* where it began: what it emits may have to be withdrawn */
    uint8_t *mark_column;
};

/* Private: the visible head of the engine's struct. */
struct flow_stage {
    const struct flow_calls *calls;
    const struct flow_info *info;
    struct flow_room_ *const *rooms; /* by port, and one more, where there is never room */
    size_t room_count;               /* ports */
    uint64_t in_hand;                /* the record being tried; 0: what it emits stays */
};

/* Private: may a record of `size` bytes, without a key, be written here? */
static inline bool flow_room_fits_(const struct flow_room_ *room, size_t size)
{
    const size_t left = (size_t)(room->column - room->at);
    return room->column > room->floor && left > size && left - size >= sizeof(uint32_t);
}

/* Private: the `size` bytes at room->at are a record. */
static inline void flow_room_add_(struct flow_room_ *room, uint64_t in_hand, size_t size)
{
    if (room->mark_id != in_hand && in_hand != 0) {
        room->mark_id = in_hand;
        room->mark_at = room->at;
        room->mark_column = room->column;
    }
    room->at += size;
    const uint32_t end = (uint32_t)(room->at - room->data);
    room->column -= sizeof(end);
    memcpy(room->column, &end, sizeof(end));
}

/* Private: memcpy, without a call where records are short. */
static inline void flow_copy_(uint8_t *to, const void *data, size_t size)
{
    const uint8_t *from = (const uint8_t *)data;
    if (size > 32) {
        memcpy(to, from, size);
    } else if (size >= 16) { /* two halves, which overlap */
        uint64_t head[2];
        uint64_t tail[2];
        memcpy(head, from, 16);
        memcpy(tail, from + size - 16, 16);
        memcpy(to, head, 16);
        memcpy(to + size - 16, tail, 16);
    } else if (size >= 8) {
        uint64_t head;
        uint64_t tail;
        memcpy(&head, from, 8);
        memcpy(&tail, from + size - 8, 8);
        memcpy(to, &head, 8);
        memcpy(to + size - 8, &tail, 8);
    } else {
        for (size_t i = 0; i < size; i++)
            to[i] = from[i];
    }
}

/* Emit a copy of `size` bytes, at most FLOW_RECORD_MAX, on output port 0, without a key. */
static inline enum flow_status flow_emit(struct flow_stage *stage, const void *data, size_t size)
{
    struct flow_room_ *room = stage->rooms[0];
    if (flow_room_fits_(room, size)) {
        flow_copy_(room->at, data, size);
        flow_room_add_(room, stage->in_hand, size);
        return FLOW_OK;
    }
    const struct flow_target to = {0, NULL, 0};
    return stage->calls->emit(stage, &to, data, size);
}

/* The same, to a port and with a key (both copied). */
static inline enum flow_status flow_emit_to(struct flow_stage *stage, const struct flow_target *to,
                                            const void *data, size_t size)
{
    if (to->key == NULL && to->port < stage->room_count) {
        struct flow_room_ *room = stage->rooms[to->port];
        if (flow_room_fits_(room, size)) {
            flow_copy_(room->at, data, size);
            flow_room_add_(room, stage->in_hand, size);
            return FLOW_OK;
        }
    }
    return stage->calls->emit(stage, to, data, size);
}

/* Pass the record in hand on, with its key, as it is; not copied where it need not be. */
static inline enum flow_status flow_forward(struct flow_stage *stage, unsigned port,
                                            const struct flow_record *record)
{
    return stage->calls->forward(stage, port, record);
}

/* Pass the batch in hand, or a part of it, to an output port as it is. */
static inline enum flow_status flow_forward_batch(struct flow_stage *stage, unsigned port,
                                                  const struct flow_batch *batch)
{
    return stage->calls->forward_batch(stage, port, batch);
}

/*
 * The bytes of the record in hand (in process_batch: of any record of the batch in hand), to be
 * written to: as many as it has, its key not among them.  Then pass it on with flow_forward, or, if
 * it has become shorter, with flow_emit.  Nothing is copied if the stage is the only reader of the
 * batch; if not, the batch in hand becomes a copy of itself, and the others see nothing of it.
 *
 * `record->data` of the record that `process` was handed points to the same bytes from then on;
 * records that a stage has looked up in a batch itself still show the old ones where a copy was
 * made, but are forwarded as edited.  The bytes may be written to until the record is passed on or
 * flow_edit is called again.  A record that is refused after all is tried again, or reported, as it
 * came.  NULL: as for flow_reserve.
 */
static inline void *flow_edit(struct flow_stage *stage, const struct flow_record *record)
{
    return stage->calls->edit(stage, record);
}

/*
 * The same for the whole batch that process_batch was handed, and to be called before its records
 * are looked up: what is returned is batch->bytes, to be written to where the records' data lie.
 *
 *     uint8_t *bytes = flow_edit_batch(stage, batch);
 *     ... edit bytes + flow_offset(batch, &record), record.size of them, for each record
 *     return flow_forward_batch(stage, 0, batch);
 */
static inline uint8_t *flow_edit_batch(struct flow_stage *stage, const struct flow_batch *batch)
{
    return stage->calls->edit_batch(stage, batch);
}

/* Where the data of a record of the batch begin, counted from batch->bytes. */
static inline size_t flow_offset(const struct flow_batch *batch, const struct flow_record *record)
{
    return (size_t)((const uint8_t *)record->data - batch->bytes);
}

/*
 * Room for a record of up to `size` bytes in the outgoing batch, to be written in place and then
 * committed with its true size before anything else is emitted.  A reservation that is never
 * committed vanishes.  NULL: the run is being aborted, or there is no memory; return FLOW_EABORT.
 */
static inline void *flow_reserve(struct flow_stage *stage, unsigned port, size_t size)
{
    if (port < stage->room_count && flow_room_fits_(stage->rooms[port], size))
        return stage->rooms[port]->at;
    return stage->calls->reserve(stage, port, size);
}

/* Emit the first `size` bytes of what was reserved on `to->port`. */
static inline enum flow_status flow_commit(struct flow_stage *stage, const struct flow_target *to,
                                           size_t size)
{
    if (to->key == NULL && to->port < stage->room_count &&
        flow_room_fits_(stage->rooms[to->port], size)) {
        flow_room_add_(stage->rooms[to->port], stage->in_hand, size);
        return FLOW_OK;
    }
    return stage->calls->commit(stage, to, size);
}

/*
 * A writer, for loops that emit many records: it keeps what flow_emit would look up for each.
 *
 *     struct flow_writer writer = flow_writer_begin(stage, 0);
 *     for (...)
 *         rc = flow_writer_emit(&writer, data, size);
 *     flow_writer_end(&writer);
 *
 * One port, no keys.  Between begin and end nothing else may be emitted on that port and nothing
 * waited for; end comes before the callback returns, also when it returns an error, and a record
 * is refused after it.  The fields are private.
 */
struct flow_writer {
    uint8_t *at, *column, *floor, *data; /* as in flow_room_ */
    struct flow_stage *stage;
    struct flow_room_ *room;
    unsigned port;
};

/* Private: what others see of it. */
static inline void flow_writer_store_(const struct flow_writer *writer)
{
    writer->room->at = writer->at;
    writer->room->column = writer->column;
}

/* Private: what others have made of it. */
static inline void flow_writer_load_(struct flow_writer *writer)
{
    writer->at = writer->room->at;
    writer->column = writer->room->column;
    writer->floor = writer->room->floor;
    writer->data = writer->room->data;
}

/* `port`: an output of the type. */
static inline struct flow_writer flow_writer_begin(struct flow_stage *stage, unsigned port)
{
    struct flow_room_ *room = stage->rooms[port < stage->room_count ? port : stage->room_count];
    struct flow_writer writer;
    writer.stage = stage;
    writer.room = room;
    writer.port = port;
    flow_writer_load_(&writer); /* sets the rest */
    if (room->mark_id != stage->in_hand && stage->in_hand != 0) {
        room->mark_id = stage->in_hand;
        room->mark_at = room->at;
        room->mark_column = room->column;
    }
    return writer;
}

/* All that was emitted is the engine's from then on. */
static inline void flow_writer_end(struct flow_writer *writer)
{
    flow_writer_store_(writer);
}

/* Private: is there room for `size` bytes and their entry? */
static inline bool flow_writer_fits_(const struct flow_writer *writer, size_t size)
{
    const size_t left = (size_t)(writer->column - writer->at);
    return writer->column > writer->floor && left > size && left - size >= sizeof(uint32_t);
}

/* Private: the `size` bytes at writer->at are a record. */
static inline void flow_writer_add_(struct flow_writer *writer, size_t size)
{
    writer->at += size;
    const uint32_t end = (uint32_t)(writer->at - writer->data);
    writer->column -= sizeof(end);
    memcpy(writer->column, &end, sizeof(end));
}

/* As flow_emit. */
static inline enum flow_status flow_writer_emit(struct flow_writer *writer, const void *data,
                                                size_t size)
{
    if (flow_writer_fits_(writer, size)) {
        flow_copy_(writer->at, data, size);
        flow_writer_add_(writer, size);
        return FLOW_OK;
    }
    const struct flow_target to = {writer->port, NULL, 0};
    flow_writer_store_(writer);
    const enum flow_status rc = writer->stage->calls->emit(writer->stage, &to, data, size);
    flow_writer_load_(writer);
    return rc;
}

/* As flow_reserve. */
static inline void *flow_writer_reserve(struct flow_writer *writer, size_t size)
{
    if (flow_writer_fits_(writer, size))
        return writer->at;
    flow_writer_store_(writer);
    void *room = writer->stage->calls->reserve(writer->stage, writer->port, size);
    flow_writer_load_(writer);
    return room;
}

/* As flow_commit, on the writer's port. */
static inline enum flow_status flow_writer_commit(struct flow_writer *writer, size_t size)
{
    if (flow_writer_fits_(writer, size)) {
        flow_writer_add_(writer, size);
        return FLOW_OK;
    }
    const struct flow_target to = {writer->port, NULL, 0};
    flow_writer_store_(writer);
    const enum flow_status rc = writer->stage->calls->commit(writer->stage, &to, size);
    flow_writer_load_(writer);
    return rc;
}

/* Say what is wrong with the record in hand and return FLOW_EBAD: the error policy applies. */
FLOW_PRINTF(2, 3)
static inline enum flow_status flow_reject(struct flow_stage *stage, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const enum flow_status rc = stage->calls->fail(stage, FLOW_EBAD, 0, fmt, args);
    va_end(args);
    return rc;
}

/*
 * In process_batch: say what is wrong with record `index` of the view.  FLOW_OK: go on with the
 * next; anything else: return it.
 */
FLOW_PRINTF(3, 4)
static inline enum flow_status flow_batch_reject(struct flow_stage *stage, uint32_t index,
                                                 const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const enum flow_status rc = stage->calls->fail(stage, FLOW_EBAD, index, fmt, args);
    va_end(args);
    return rc;
}

/* The stage cannot go on (a disk is full, a file is missing): the run ends with this message. */
FLOW_PRINTF(3, 4)
static inline enum flow_status flow_stage_fail(struct flow_stage *stage, enum flow_status status,
                                               const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const enum flow_status rc = stage->calls->fail(stage, status, 0, fmt, args);
    va_end(args);
    return rc;
}

/*
 * Wait for `events` (as for poll) on `fd`, or with fd -1 only for time, at most `timeout_ns` (< 0:
 * for ever).  What was emitted so far is sent first.  FLOW_OK: the descriptor is ready;
 * FLOW_EAGAIN: the time has passed, or, for a producer, it is time for a checkpoint or for
 * `commit`: return FLOW_OK from produce, which is called again; FLOW_ECLOSED: the run wants to
 * stop, a producer should end; FLOW_EABORT.  Workers are not told to stop while their input goes
 * on.
 */
static inline enum flow_status flow_wait(struct flow_stage *stage, int fd, short events,
                                         int64_t timeout_ns)
{
    return stage->calls->wait(stage, fd, events, timeout_ns);
}

/*
 * Keep the record that `process` was handed in flight: it is not done when `process` returns
 * FLOW_OK, but when flow_done says so.  NULL: no memory, or the type has no `ready`; return
 * FLOW_EABORT.  The token is the engine's, valid until flow_done, until `drop`, or until `process`
 * returns something else than FLOW_OK.
 *
 *     process    struct flow_token *token = flow_hold(stage, record);
 *                token->own = ...;
 *                return FLOW_OK;
 *     ready      rc = flow_resume(stage, token);
 *                if (rc == FLOW_OK)
 *                    rc = good ? flow_emit(...) : flow_reject(...);
 *                return flow_done(stage, token, rc);
 *
 * A record that is refused so may come to `process` again, as others that are tried again do.
 */
static inline struct flow_token *flow_hold(struct flow_stage *stage,
                                           const struct flow_record *record)
{
    return stage->calls->hold(stage, record);
}

/*
 * Make a record in flight the one in hand: what is emitted and refused is so for it, until
 * flow_done, until another is resumed, or until the callback returns.  In `process` too: flow_done
 * then gives its own record back.  Where results are to be in the order of the input, what is
 * emitted before its turn is kept.  FLOW_OK, or FLOW_EABORT.
 */
static inline enum flow_status flow_resume(struct flow_stage *stage, struct flow_token *token)
{
    return stage->calls->resume(stage, token);
}

/*
 * A record in flight is done, as if `process` had returned `status` for it.  FLOW_OK: go on, also
 * if it was refused and the error policy has dealt with that; anything else: return it.
 */
static inline enum flow_status flow_done(struct flow_stage *stage, struct flow_token *token,
                                         enum flow_status status)
{
    return stage->calls->done(stage, token, status);
}

/*
 * In open: how many records may be in flight.  With so many the stage is given no others.  0: it
 * holds none, and if its type has `process_batch` beside `process` it is handed whole batches
 * wherever that makes no difference: where its results have no numbers, what it refuses is not
 * tried again, and its process is not replaced.  Elsewhere it is handed records.
 */
static inline void flow_hold_most(struct flow_stage *stage, size_t count)
{
    stage->calls->hold_most(stage, count);
}

/*
 * Have `ready` called whenever a descriptor has one of `events` (POLLIN, POLLOUT; POLLERR and
 * POLLHUP always).  Watched already: events and tag are changed.  FLOW_EIO: it cannot be watched,
 * as a plain file; the engine knows what to say.
 */
static inline enum flow_status flow_watch(struct flow_stage *stage, int fd, unsigned events,
                                          uint64_t tag)
{
    return stage->calls->watch(stage, fd, events, tag);
}

/* No more, and before it is closed.  Nothing happens if it is not watched. */
static inline void flow_unwatch(struct flow_stage *stage, int fd)
{
    stage->calls->unwatch(stage, fd);
}

/*
 * Have `ready` called once with this tag and no events, after `after_ns`, which replaces what was
 * set for the tag before; < 0: not at all.  FLOW_ENOMEM.
 */
static inline enum flow_status flow_timer(struct flow_stage *stage, uint64_t tag, int64_t after_ns)
{
    return stage->calls->timer(stage, tag, after_ns);
}

/* Has the run been asked to stop?  For long loops without flow_wait. */
static inline bool flow_stopping(const struct flow_stage *stage)
{
    return stage->calls->stopping(stage);
}

/* Does anything take from this output port?  If not, what is emitted there is not kept. */
static inline bool flow_connected(const struct flow_stage *stage, unsigned port)
{
    return stage->calls->connected(stage, port);
}

/* A line for the operator on standard error, with the stage's name before it. */
FLOW_PRINTF(2, 3)
static inline void flow_log(struct flow_stage *stage, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    stage->calls->log(stage, fmt, args);
    va_end(args);
}

/* Save `size` bytes.  Anything but FLOW_OK: return it from save. */
static inline enum flow_status flow_save(struct flow_saver *to, const void *data, size_t size)
{
    return to->put(to, data, size);
}

/* Save a number, to be loaded by flow_load_number. */
static inline enum flow_status flow_save_number(struct flow_saver *to, uint64_t number)
{
    return to->put(to, &number, sizeof(number));
}

/* The next `size` bytes, borrowed until restore returns; NULL: so many were not saved. */
static inline const void *flow_load_bytes(struct flow_loader *from, size_t size)
{
    const void *bytes = from->at;
    if (size > from->left)
        return NULL;
    from->at += size;
    from->left -= size;
    return bytes;
}

/* Load `size` bytes.  FLOW_EPROTO: so many were not saved; return it from restore. */
static inline enum flow_status flow_load(struct flow_loader *from, void *data, size_t size)
{
    const void *bytes = flow_load_bytes(from, size);
    if (bytes == NULL)
        return FLOW_EPROTO;
    memcpy(data, bytes, size);
    return FLOW_OK;
}

static inline enum flow_status flow_load_number(struct flow_loader *from, uint64_t *number)
{
    return flow_load(from, number, sizeof(*number));
}

static inline const struct flow_info *flow_stage_info(const struct flow_stage *stage)
{
    return stage->info;
}

/* Private: entry i of a column with `step` words a record. */
static inline uint32_t flow_column_(const uint8_t *top, size_t i)
{
    uint32_t value;
    memcpy(&value, top - (i + 1) * sizeof(value), sizeof(value));
    return value;
}

/* Record i (from 0) of a view. */
static inline struct flow_record flow_batch_record(const struct flow_batch *batch, uint32_t i)
{
    const size_t at = (size_t)batch->first + i;
    const size_t step = batch->keyed ? 2 : 1;
    const uint32_t start = at == 0 ? 0 : flow_column_(batch->top, (at - 1) * step);
    const uint32_t end = flow_column_(batch->top, at * step);
    const uint32_t key_size = batch->keyed ? flow_column_(batch->top, at * step + 1) : 0;
    const uint8_t *data = batch->bytes + start;
    const size_t size = end - start - key_size;
    const struct flow_record record = {
        data, size, key_size > 0 ? data + size : NULL, key_size, batch->number + i, batch->port};
    return record;
}

/*
 * A walk over the records of a view, in order, which is faster than asking for each by its index:
 *
 *     for (struct flow_cursor c = flow_batch_begin(batch); flow_batch_next(&c);)
 *         use(&c.record);
 */
struct flow_cursor {
    struct flow_record record; /* the one reached; its number says which: batch->number + i */
    const uint8_t *bytes;      /* the rest is private */
    const uint8_t *next;
    const uint8_t *column;
    uint32_t left;
    bool keyed;
};

/* A walk that stands before the first record. */
static inline struct flow_cursor flow_batch_begin(const struct flow_batch *batch)
{
    const size_t step = batch->keyed ? 2 : 1;
    const uint32_t start =
        batch->first == 0 ? 0 : flow_column_(batch->top, (batch->first - (size_t)1) * step);
    const struct flow_cursor cursor = {
        {NULL, 0, NULL, 0, batch->number - 1, batch->port},  batch->bytes, batch->bytes + start,
        batch->top - batch->first * step * sizeof(uint32_t), batch->count, batch->keyed,
    };
    return cursor;
}

/* Go to the next record; false behind the last one. */
static inline bool flow_batch_next(struct flow_cursor *cursor)
{
    if (cursor->left == 0)
        return false;
    cursor->left--;
    struct flow_record *record = &cursor->record;
    record->data = cursor->next;
    record->number++;
    cursor->next = cursor->bytes + flow_column_(cursor->column, 0);
    cursor->column -= sizeof(uint32_t);
    record->size = (size_t)(cursor->next - (const uint8_t *)record->data);
    if (cursor->keyed) {
        const uint32_t key_size = flow_column_(cursor->column, 0);
        cursor->column -= sizeof(uint32_t);
        record->size -= key_size;
        record->key = key_size > 0 ? cursor->next - key_size : NULL;
        record->key_size = key_size;
    }
    return true;
}

/* The largest record, key included. */
#define FLOW_RECORD_MAX ((size_t)256 << 20)

/* What a plugin exports.  The sizes let the engine refuse a plugin built against another layout. */
struct flow_plugin {
    uint32_t abi;                               /* FLOW_ABI */
    uint32_t type_size;                         /* sizeof(struct flow_stage_type) */
    uint32_t param_size;                        /* sizeof(struct flow_param) */
    uint32_t record_size;                       /* sizeof(struct flow_record) */
    uint32_t batch_size;                        /* sizeof(struct flow_batch) */
    uint32_t stage_size;                        /* sizeof(struct flow_stage) */
    uint32_t room_size;                         /* sizeof(struct flow_room_) */
    const struct flow_stage_type *const *types; /* NULL ends the list */
};

#define FLOW_PLUGIN_SYMBOL "flow_plugin"

/* The head of a struct flow_plugin, member by member: what this header is. */
#define FLOW_PLUGIN_LAYOUT                                                                         \
    FLOW_ABI, sizeof(struct flow_stage_type), sizeof(struct flow_param),                           \
        sizeof(struct flow_record), sizeof(struct flow_batch), sizeof(struct flow_stage),          \
        sizeof(struct flow_room_)

/* Export the stage types named, each a `const struct flow_stage_type`: FLOW_PLUGIN(&a, &b); */
#ifdef __cplusplus
#define FLOW_PLUGIN(...)                                                                           \
    static const struct flow_stage_type *const flow_plugin_types_[] = {__VA_ARGS__, NULL};         \
    extern "C" {                                                                                   \
    FLOW_EXPORT extern const struct flow_plugin FLOW_PLUGIN_NAME_;                                 \
    const struct flow_plugin FLOW_PLUGIN_NAME_ = {FLOW_PLUGIN_LAYOUT, flow_plugin_types_};         \
    }                                                                                              \
    static_assert(true, "") /* for the semicolon */
#else
#define FLOW_PLUGIN(...)                                                                           \
    FLOW_EXPORT extern const struct flow_plugin FLOW_PLUGIN_NAME_;                                 \
    FLOW_EXPORT const struct flow_plugin FLOW_PLUGIN_NAME_ = {                                     \
        FLOW_PLUGIN_LAYOUT, .types = (const struct flow_stage_type *const[]){__VA_ARGS__, NULL}}
#endif

/* Built-in stages are linked into the program, each under a name of its own. */
#ifndef FLOW_PLUGIN_NAME_
#define FLOW_PLUGIN_NAME_ flow_plugin
#endif

#endif /* FLOWRUN_STAGE_H */
