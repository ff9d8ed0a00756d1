/* SPDX-License-Identifier: MIT */
#include "engine/spooling.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

#define ENTRY_BYTES ((size_t)64 << 10)     /* an entry of this size is written */
#define UNSYNCED_BYTES ((uint64_t)4 << 20) /* so much at most is not on the disk */
#define UNSYNCED_NS 50000000               /* ... nor for longer than this */
#define RETRY_NS 200000000                 /* to look whether a full disk has room */

static void say(const struct flow_replica *replica, const char *text)
{
    char line[256];
    if (replica->env->log == NULL)
        return;
    (void)snprintf(line, sizeof(line), "%s: %s", replica->info.name, text);
    replica->env->log(replica->env->context, line);
}

static void say_torn(const struct flow_replica *replica, uint64_t bytes)
{
    char text[128];
    (void)snprintf(text, sizeof(text),
                   "the last %" PRIu64 " bytes of its spool are no whole entry and are left out",
                   bytes);
    say(replica, text);
}

static enum flow_status explain(struct flow_replica *replica, enum flow_status rc,
                                const struct flow_error *why)
{
    return rc == FLOW_OK ? rc : flow_replica_fail(replica, rc, NULL, "%s", why->text);
}

enum flow_status flow_spooling_init(struct flow_replica *replica)
{
    const struct flow_plan *plan = replica->env->plan;
    const struct flow_epochs *epochs = replica->env->epochs;
    const uint64_t limit = plan->stages[plan->replicas[replica->host.replica].stage].spool_bytes;
    if (limit == 0 || epochs == NULL)
        return FLOW_OK;
    replica->spooling = flow_alloc(sizeof(*replica->spooling));
    if (replica->spooling == NULL)
        return flow_replica_fail(replica, FLOW_ENOMEM, NULL, "out of memory for its spool");
    replica->spooling->limit = limit;
    replica->info.spools = true;
    replica->spooling->log = (struct flow_spool){
        .disk = epochs->options->disk,
        .folder = epochs->options->folder,
        .replica = replica->host.replica,
        .fd = -1,
    };
    /* Each record has to come by: none may be written to an open batch behind our back. */
    for (size_t p = 0; p < replica->output.port_count; p++)
        replica->output.ports[p].builder.direct = false;
    return FLOW_OK;
}

void flow_spooling_free(struct flow_replica *replica)
{
    if (replica->spooling == NULL)
        return;
    flow_spool_close(&replica->spooling->log);
    free(replica->spooling);
    replica->spooling = NULL;
}

enum flow_status flow_spooling_open(struct flow_replica *replica)
{
    struct flow_spooling *spooling = replica->spooling;
    struct flow_error why = {0};
    if (spooling == NULL)
        return FLOW_OK;
    const enum flow_status rc = flow_spool_open(&spooling->log, &why);
    spooling->saved = spooling->committed = spooling->log.position;
    if (rc == FLOW_OK && spooling->log.torn > 0)
        say_torn(replica, spooling->log.torn);
    if (rc == FLOW_OK && spooling->log.end > spooling->log.position)
        say(replica, "what its spool holds behind the checkpoint is emitted first");
    return explain(replica, rc, &why);
}

/* The disk is full: wait a while, unless the run is being aborted. */
static enum flow_status wait_for_disk(struct flow_replica *replica)
{
    struct flow_spooling *spooling = replica->spooling;
    if (!spooling->full)
        say(replica, "there is no room for its spool in the state folder: it waits for some");
    spooling->full = true;
    const enum flow_status rc = flow_task_sleep(replica, FLOW_STATE_WAIT_SELF, NULL, 0, RETRY_NS);
    return rc == FLOW_EAGAIN ? FLOW_OK : rc;
}

/* By flow_spool_write or flow_spool_sync. */
static enum flow_status insist(struct flow_replica *replica,
                               enum flow_status (*call)(struct flow_spool *spool,
                                                        struct flow_error *err))
{
    struct flow_spooling *spooling = replica->spooling;
    enum flow_status rc = FLOW_EAGAIN;
    while (rc == FLOW_EAGAIN) {
        struct flow_error why = {0};
        rc = call(&spooling->log, &why);
        if (rc != FLOW_EAGAIN && rc != FLOW_OK)
            return explain(replica, rc, &why);
        if (rc == FLOW_EAGAIN && wait_for_disk(replica) != FLOW_OK)
            return FLOW_EABORT;
    }
    if (spooling->full)
        say(replica, "there is room for its spool again");
    spooling->full = false;
    return FLOW_OK;
}

enum flow_status flow_spooling_add(struct flow_replica *replica, unsigned port,
                                   const struct flow_piece *piece)
{
    struct flow_spooling *spooling = replica->spooling;
    const struct flow_spool_record record = {.port = port,
                                             .data = piece->data,
                                             .size = piece->size,
                                             .key = piece->key,
                                             .key_size = piece->key_size};
    /* What is about to be refused must not be met again by each run that goes on. */
    if (piece->size > FLOW_RECORD_MAX || piece->key_size > FLOW_RECORD_MAX - piece->size)
        return FLOW_OK;
    if (spooling->unsynced_ns == 0)
        spooling->unsynced_ns = flow_now_ns();
    if (!flow_spool_add(&spooling->log, &record))
        return flow_replica_fail(replica, FLOW_ENOMEM, NULL, "out of memory for its spool");
    return spooling->log.size >= ENTRY_BYTES ? insist(replica, flow_spool_write) : FLOW_OK;
}

enum flow_status flow_spooling_sync(struct flow_replica *replica)
{
    if (replica->spooling == NULL)
        return FLOW_OK;
    replica->spooling->unsynced_ns = 0;
    return insist(replica, flow_spool_sync);
}

enum flow_status flow_spooling_settle(struct flow_replica *replica)
{
    const struct flow_spooling *spooling = replica->spooling;
    if (spooling == NULL || spooling->unsynced_ns == 0)
        return FLOW_OK;
    const bool much = spooling->log.end - spooling->log.synced >= UNSYNCED_BYTES;
    return much || flow_now_ns() - spooling->unsynced_ns >= UNSYNCED_NS
               ? flow_spooling_sync(replica)
               : FLOW_OK;
}

enum flow_status flow_spooling_wait(struct flow_replica *replica, int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};
    if (replica->spooling == NULL)
        return FLOW_OK;
    const bool answers = (replica->type->traits & FLOW_ANSWERS) != 0;
    if (answers || poll(&ready, 1, 0) <= 0) /* who sleeps cannot look at the time */
        return flow_spooling_sync(replica);
    const enum flow_status rc = insist(replica, flow_spool_write);
    return rc == FLOW_OK ? flow_spooling_settle(replica) : rc;
}

/* ---- turns ---- */

/* One entry of a former run. */
static enum flow_status emit_again(struct flow_replica *replica)
{
    struct flow_spool *log = &replica->spooling->log;
    struct flow_spool_cursor cursor;
    struct flow_spool_record record;
    struct flow_error why = {0};
    uint64_t next = 0;
    enum flow_status rc = flow_spool_read(log, &cursor, &next, &why);
    if (rc != FLOW_OK)
        return explain(replica, rc, &why);
    while (rc == FLOW_OK && flow_spool_next(&cursor, &record)) {
        const struct flow_piece piece = {record.data, record.size, record.key, record.key_size};
        if (record.port >= replica->stage.room_count)
            return flow_replica_fail(replica, FLOW_EPROTO, NULL,
                                     "its spool has a record for port %u, which it has not",
                                     record.port);
        rc = flow_output_emit(&replica->output, record.port, &piece);
        replica->info.respooled++;
    }
    if (rc == FLOW_OK && cursor.left > 0)
        return flow_replica_fail(replica, FLOW_EPROTO, NULL, "its spool has half a record");
    log->position = next;
    flow_replica_publish(replica);
    return rc;
}

/* The log is as large as it may be: until there is a checkpoint, nothing is produced. */
static enum flow_status wait_for_commit(struct flow_replica *replica)
{
    struct pollfd drain = {.fd = replica->env->drain_fd, .events = POLLIN};
    bool arrived;
    enum flow_status rc = flow_task_flush(replica, false);
    if (rc == FLOW_OK)
        rc = flow_task_pump(replica->task, &arrived);
    if (rc != FLOW_OK || arrived)
        return rc;
    rc = flow_task_sleep(replica, FLOW_STATE_WAIT_SELF, &drain, 1, RETRY_NS);
    return rc == FLOW_EAGAIN ? FLOW_OK : rc;
}

enum flow_status flow_spooling_turn(struct flow_replica *replica, bool *taken)
{
    const struct flow_spooling *spooling = replica->spooling;
    *taken = false;
    if (spooling == NULL)
        return FLOW_OK;
    const bool replays = spooling->log.position < spooling->log.end;
    const bool full = spooling->log.end - spooling->committed >= spooling->limit;
    *taken = replays || full;
    if (replays)
        return emit_again(replica);
    return full ? wait_for_commit(replica) : FLOW_OK;
}

/* ---- checkpoints ---- */

void flow_spooling_saved(struct flow_replica *replica)
{
    if (replica->spooling == NULL)
        return;
    replica->spooling->saved = replica->spooling->log.position;
    replica->spooling->owed = true;
}

/*
 * The checkpoint before this one is kept too, and a run may have to go on from that.  Of the one
 * that the run began with, which is committed again, it is not known where that stands.
 */
void flow_spooling_committed(struct flow_replica *replica)
{
    struct flow_spooling *spooling = replica->spooling;
    if (spooling == NULL || !spooling->owed)
        return;
    spooling->owed = false;
    flow_spool_trim(&spooling->log, spooling->committed);
    spooling->committed = spooling->saved;
}
