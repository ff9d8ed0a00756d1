/* SPDX-License-Identifier: MIT */
#include "engine/barrier.h"

#include <stdlib.h>

#include "engine/careful.h"
#include "engine/spooling.h"
#include "engine/waiting.h"
#include "watch/cut.h"

/* ---- what the engine itself keeps of a replica: how far records are numbered ---- */

/* Visit the numbers that go on where they were, in the plan's order. */
static enum flow_status each_number(struct flow_replica *replica, void *context,
                                    enum flow_status (*visit)(void *context, uint64_t *number))
{
    struct flow_output *output = &replica->output;
    enum flow_status rc = visit(context, &output->shared.before);
    if (rc == FLOW_OK && replica->spooling != NULL)
        rc = visit(context, &replica->spooling->log.position);
    for (size_t p = 0; p < output->port_count && rc == FLOW_OK; p++) {
        struct flow_port_out *port = &output->ports[p];
        rc = visit(context, &port->emitted);
        for (size_t e = 0; e < port->edge_count && rc == FLOW_OK; e++)
            rc = visit(context, &port->edges[e].outlet.number);
    }
    return rc;
}

static enum flow_status save_number(void *context, uint64_t *number)
{
    return flow_save_number(context, *number);
}

static enum flow_status load_number(void *context, uint64_t *number)
{
    return flow_load_number(context, number);
}

static enum flow_status save_all(struct flow_replica *replica, bool finished, struct flow_saver *to)
{
    const struct flow_stage_type *type = replica->type;
    struct flow_emission *shared = &replica->output.shared;
    const uint64_t before = shared->before;
    flow_output_tally(&replica->output);
    shared->before += shared->emitted;
    enum flow_status rc = each_number(replica, to, save_number);
    shared->before = before;
    if (rc != FLOW_OK || type->save == NULL || (finished && type->commit == NULL))
        return rc;
    replica->has_reason = false;
    return type->save(replica->self, &replica->stage, to);
}

/* Say why, unless the replica knows already. */
static enum flow_status explain(struct flow_replica *replica, enum flow_status rc,
                                const struct flow_error *why, const char *otherwise)
{
    if (rc == FLOW_OK || (rc == FLOW_EABORT && !replica->has_reason))
        return rc;
    return flow_replica_fail(replica, rc, NULL, "%s",
                             replica->has_reason      ? replica->reason
                             : why->status != FLOW_OK ? why->text
                                                      : otherwise);
}

/* Save the replica, and tell the coordinator. */
static enum flow_status save(struct flow_replica *replica, uint64_t epoch, bool finished)
{
    const struct flow_epochs *epochs = replica->env->epochs;
    const struct flow_checkpoints *options = epochs->options;
    const size_t id = replica->host.replica;
    struct flow_manifest_replica saved = {.finished = finished};
    struct flow_blob_writer writer;
    struct flow_error why = {0};
    char name[FLOW_BLOB_NAME];
    flow_state_blob_name(finished ? epochs->session : epoch, id, finished,
                         replica->env->incarnation, name);
    replica->has_reason = false;
    enum flow_status rc = flow_spooling_sync(replica);
    if (rc != FLOW_OK)
        return rc;
    rc = flow_blob_begin(&writer, options->disk, options->folder, name, &saved.blob, &why);
    if (rc == FLOW_OK)
        rc = save_all(replica, finished, &writer.saver);
    if (rc == FLOW_OK)
        rc = flow_blob_end(&writer);
    flow_blob_clear(&writer);
    flow_spooling_saved(replica);
    if (rc == FLOW_OK)
        epochs->saved(epochs->context, id, epoch, &saved);
    return explain(replica, rc, &why, "its state could not be saved");
}

/* ---- commits ---- */

static enum flow_status commit(struct flow_replica *replica, uint64_t epoch)
{
    static const struct flow_error none = {0};
    replica->owed_epoch = 0;
    flow_spooling_committed(replica);
    if (replica->type->commit == NULL)
        return FLOW_OK;
    replica->has_reason = false;
    const enum flow_status rc = replica->type->commit(replica->self, &replica->stage, epoch);
    return explain(replica, rc, &none, "it could not commit a checkpoint");
}

enum flow_status flow_barrier_commit(struct flow_task *task)
{
    const uint64_t committed =
        atomic_load_explicit(&task->env->epochs->committed, memory_order_acquire);
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < task->member_count && rc == FLOW_OK; i++) {
        struct flow_replica *member = task->members[i];
        if (member->owed_epoch != 0 && committed >= member->owed_epoch)
            rc = flow_task_blame(task, member, commit(member, committed));
    }
    task->committed = committed;
    return rc;
}

/* ---- barriers ---- */

enum flow_status flow_barrier_pass(struct flow_replica *replica, uint64_t epoch)
{
    enum flow_status rc = flow_waiting_drain(replica, false);
    /* A barrier comes only when the one before it is committed, whoever is first to tell. */
    if (rc == FLOW_OK && replica->owed_epoch != 0)
        rc = commit(replica, replica->owed_epoch);
    if (rc == FLOW_OK)
        rc = flow_output_flush(&replica->output, false);
    if (rc == FLOW_OK)
        rc = flow_output_barrier(&replica->output, epoch);
    if (rc == FLOW_OK) {
        flow_replica_publish(replica);
        if (!flow_cut_is_past(replica->host.slot, epoch))
            flow_cut_note(replica->host.slot, epoch);
        flow_set(&replica->host.slot->passed_epoch, epoch);
        flow_careful_pass(replica);
        rc = save(replica, epoch, false);
    }
    replica->saved_epoch = replica->owed_epoch = epoch;
    return rc;
}

enum flow_status flow_barrier_finish(struct flow_replica *replica)
{
    if (replica->env->epochs == NULL)
        return FLOW_OK;
    /* The barrier of `saved_epoch` was sent before: only a later epoch counts the end. */
    replica->owed_epoch = replica->saved_epoch + 1;
    flow_cut_note_end(replica->host.slot, replica->owed_epoch);
    return save(replica, replica->saved_epoch, true);
}

enum flow_status flow_barrier_begin(struct flow_task *task)
{
    struct flow_replica *first = task->members[0];
    const uint64_t epoch = atomic_load_explicit(&task->env->epochs->begun, memory_order_relaxed);
    task->epoch = epoch;
    return flow_task_blame(task, first, flow_barrier_pass(first, epoch));
}

/* ---- beginning and end ---- */

static enum flow_status restore_all(struct flow_replica *replica, struct flow_loader *from)
{
    const struct flow_stage_type *type = replica->type;
    const enum flow_status rc = each_number(replica, from, load_number);
    if (rc != FLOW_OK || (replica->was_finished && type->commit == NULL))
        return rc;
    if (type->restore == NULL)
        return from->left == 0 ? FLOW_OK : FLOW_EPROTO;
    return type->restore(replica->self, &replica->stage, from);
}

/* In a run that has gone back the board has its counts of this moment; else it has none. */
static void resume_counts(struct flow_replica *replica)
{
    const struct flow_board_replica *slot = replica->host.slot;
    struct flow_emission *shared = &replica->output.shared;
    shared->emitted = flow_read(&slot->records_out);
    shared->emitted_bytes = flow_read(&slot->bytes_out);
    shared->unread = flow_read(&slot->unread);
    shared->before -= shared->emitted; /* records are numbered by the sum */
}

enum flow_status flow_barrier_restore(struct flow_replica *replica)
{
    const struct flow_epochs *epochs = replica->env->epochs;
    if (epochs != NULL && replica->env->incarnation > 0)
        replica->saved_epoch = flow_read(&replica->host.slot->passed_epoch);
    if (epochs == NULL || epochs->options->from == NULL)
        return FLOW_OK;
    const struct flow_manifest_replica *saved =
        &epochs->options->from->replicas[replica->host.replica];
    uint8_t *bytes = NULL;
    struct flow_error why = {0};
    replica->has_reason = false;
    replica->was_finished = saved->finished;
    /* Who replaces this one before its first barrier learns from it how far the run was. */
    replica->saved_epoch = epochs->session;
    flow_set(&replica->host.slot->passed_epoch, epochs->session);
    enum flow_status rc = flow_blob_read(epochs->options->folder, &saved->blob, &bytes, &why);
    if (rc == FLOW_OK) {
        struct flow_loader from = {.at = bytes, .left = (size_t)saved->blob.size};
        rc = restore_all(replica, &from);
        resume_counts(replica);
    }
    free(bytes);
    if (rc == FLOW_OK)
        replica->owed_epoch = epochs->session; /* it may have been told already, or not */
    return explain(replica, rc, &why,
                   "what the checkpoint holds of its state is not what its type saves");
}

enum flow_status flow_barrier_recommit(struct flow_task *task)
{
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < task->member_count && rc == FLOW_OK; i++) {
        struct flow_replica *member = task->members[i];
        if (member->owed_epoch != 0)
            rc = flow_task_blame(task, member, commit(member, member->owed_epoch));
    }
    return rc;
}

enum flow_status flow_barrier_stop(struct flow_task *task)
{
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK) {
        bool arrived = false;
        if (flow_barrier_is_due(task))
            rc = flow_barrier_begin(task);
        if (rc == FLOW_OK && flow_barrier_has_commit(task))
            rc = flow_barrier_commit(task);
        if (rc == FLOW_OK)
            rc = flow_task_pump(task, &arrived);
        if (rc == FLOW_OK && !arrived && !flow_barrier_is_due(task))
            rc = flow_task_sleep(task->members[0], FLOW_STATE_DRAINING, NULL, 0, -1);
    }
    return rc;
}

enum flow_status flow_barrier_settle(struct flow_task *task)
{
    const struct flow_epochs *epochs = task->env->epochs;
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && epochs != NULL) {
        bool arrived = false;
        const bool last = atomic_load_explicit(&epochs->last, memory_order_acquire);
        if (flow_barrier_has_commit(task))
            rc = flow_barrier_commit(task);
        if (last || rc != FLOW_OK)
            return rc;
        rc = flow_task_pump(task, &arrived);
        if (rc == FLOW_OK && !arrived && !flow_barrier_has_commit(task))
            rc = flow_task_sleep(task->members[0], FLOW_STATE_DRAINING, NULL, 0, -1);
    }
    return rc;
}
