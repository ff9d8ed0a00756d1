/* SPDX-License-Identifier: MIT */
#include "engine/replica.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "param/param.h"

#define SLOW_PRODUCE_NS 1000000 /* after a call this long, what it emitted is sent at once */
#define TELL_AFTER_NS 1000000   /* how long writers may wait to hear while there is work to do */

enum flow_status flow_replica_fail(struct flow_replica *replica, enum flow_status status,
                                   const uint64_t *number, const char *fmt, ...)
{
    char text[768];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    char which[32] = "";
    char record[48] = "";
    if (replica->info.replicas > 1)
        (void)snprintf(which, sizeof(which), " replica %u", replica->info.replica);
    if (number != NULL)
        (void)snprintf(record, sizeof(record), ", record %llu", (unsigned long long)*number);
    return flow_fail(&replica->host.err, status, "stage '%s'%s%s: %s", replica->info.name, which,
                     record, text);
}

static bool is_aborting(const struct flow_replica *replica)
{
    return atomic_load_explicit(replica->env->aborting, memory_order_relaxed);
}

static enum flow_status take_in(struct flow_replica *replica, const struct flow_message *message)
{
    if (message->kind != FLOW_MESSAGE_CREDIT)
        return flow_input_accept(&replica->input, message);
    return flow_output_credit(&replica->output, message);
}

enum flow_status flow_replica_pump(struct flow_replica *replica, bool *arrived)
{
    *arrived = false;
    for (;;) {
        if (is_aborting(replica))
            return FLOW_EABORT;
        struct flow_message message;
        enum flow_status rc = flow_inbox_receive(replica->inbox, &message, &replica->host.err);
        if (rc == FLOW_EAGAIN)
            return FLOW_OK;
        if (rc == FLOW_OK)
            rc = take_in(replica, &message);
        if (rc != FLOW_OK)
            return rc;
        *arrived = true;
    }
}

static flow_counter *clock_of(struct flow_board_replica *slot, enum flow_replica_state why)
{
    switch (why) {
    case FLOW_STATE_WAIT_IN:
        return &slot->wait_in_ns;
    case FLOW_STATE_WAIT_OUT:
        return &slot->wait_out_ns;
    case FLOW_STATE_WAIT_SELF:
        return &slot->wait_self_ns;
    default: /* after its end, which no share is counted of */
        return NULL;
    }
}

enum flow_status flow_replica_sleep(struct flow_replica *replica, enum flow_replica_state why,
                                    struct pollfd *fds, size_t count, int64_t timeout_ns)
{
    struct flow_board_replica *slot = replica->host.slot;
    struct pollfd all[4] = {{.fd = replica->env->abort_fd, .events = POLLIN}};
    for (size_t i = 0; i < count; i++)
        all[i + 1] = fds[i];

    const int64_t start = flow_now_ns();
    flow_set(&slot->state, why);
    flow_set(&slot->since_ns, (uint64_t)start);
    const enum flow_status rc = flow_inbox_wait(replica->inbox, all, count + 1, timeout_ns);
    const int64_t end = flow_now_ns();
    flow_set(&slot->state, FLOW_STATE_BUSY);
    flow_set(&slot->since_ns, (uint64_t)end);
    flow_counter *clock = clock_of(slot, why);
    if (clock != NULL)
        flow_count(clock, (uint64_t)(end - start));
    if (why == FLOW_STATE_WAIT_OUT)
        replica->waited_out_ns += end - start;

    for (size_t i = 0; i < count; i++)
        fds[i].revents = all[i + 1].revents;
    return is_aborting(replica) ? FLOW_EABORT : rc;
}

/* The output side is out of credit: see what has come in, or sleep until something does. */
static enum flow_status wait_room(void *context)
{
    struct flow_replica *replica = context;
    bool arrived;
    const enum flow_status rc = flow_replica_pump(replica, &arrived);
    if (rc != FLOW_OK || arrived)
        return rc;
    return flow_replica_sleep(replica, FLOW_STATE_WAIT_OUT, NULL, 0, -1);
}

/* A replica that drops rather than wait would never hear of room again if it did not look. */
static enum flow_status look(void *context)
{
    bool arrived;
    return flow_replica_pump(context, &arrived);
}

static size_t connected_inputs(const struct flow_plan *plan, const struct flow_plan_replica *self)
{
    bool seen[64] = {false};
    size_t count = 0;
    for (size_t i = 0; i < self->in_count; i++) {
        const unsigned port = plan->edges[plan->links[self->in[i]].edge].to_port;
        if (port < 64 && !seen[port]) {
            seen[port] = true;
            count++;
        }
    }
    return count;
}

static bool has_remote_link(const struct flow_plan *plan, const size_t *links, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!plan->links[links[i]].local)
            return true;
    }
    return false;
}

static const struct flow_error_policy stop_policy = {.then = FLOW_STOP};

static void describe(struct flow_replica *replica, size_t id)
{
    const struct flow_plan *plan = replica->env->plan;
    const struct flow_plan_replica *self = &plan->replicas[id];
    const struct flow_plan_stage *stage = &plan->stages[self->stage];
    replica->stage = (struct flow_stage){.calls = &flow_replica_calls, .info = &replica->info};
    replica->info = (struct flow_info){
        .name = stage->name,
        .replica = self->index,
        .replicas = (unsigned)stage->replica_count,
        .inputs = (unsigned)connected_inputs(plan, self),
        .folder = plan->graph->folder,
    };
    replica->type = stage->type != NULL ? stage->type : &flow_sequencer_type;
    replica->policy = stage->graph != NULL ? &stage->graph->errors : &stop_policy;
    replica->may_undo = replica->policy->then != FLOW_STOP || replica->policy->retries > 0;
    replica->host = (struct flow_host){
        .plan = plan,
        .replica = id,
        .board = replica->env->board,
        .slot = &replica->env->board->replicas[id],
        .in_hand = &replica->stage.in_hand,
        .tracks = has_remote_link(plan, self->in, self->in_count),
        .waiter = replica,
        .wait_room = wait_room,
        .look = look,
    };
}

enum flow_status flow_replica_new(const struct flow_replica_env *env, size_t id,
                                  struct flow_replica **replica, struct flow_error *err)
{
    struct flow_replica *made = flow_alloc(sizeof(*made));
    if (made == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for a replica");
    made->env = env;
    describe(made, id);
    const struct flow_plan_replica *self = &env->plan->replicas[id];
    const bool remote = made->host.tracks || has_remote_link(env->plan, self->out, self->out_count);

    enum flow_status rc = FLOW_OK;
    made->host.pool = flow_pool_new();
    if (made->host.pool == NULL)
        rc = flow_fail(err, FLOW_ENOMEM, "out of memory for a replica");
    if (rc == FLOW_OK)
        rc = flow_inbox_open(env->transport, id, remote, &made->inbox, err);
    if (rc != FLOW_OK) {
        flow_replica_free(made);
        return rc;
    }
    *replica = made;
    return FLOW_OK;
}

void flow_replica_disconnect(struct flow_replica *replica, bool abandon)
{
    flow_input_clear(&replica->input);
    flow_output_clear(&replica->output);
    flow_host_disconnect(&replica->host, abandon);
    flow_inbox_close(replica->inbox);
    replica->inbox = NULL;
}

void flow_replica_free(struct flow_replica *replica)
{
    if (replica == NULL)
        return;
    flow_replica_disconnect(replica, true);
    flow_edit_clear(&replica->edit);
    flow_pool_free(replica->host.pool);
    free(replica->refused);
    free(replica);
}

static enum flow_status fill_state(struct flow_replica *replica)
{
    const struct flow_plan *plan = replica->env->plan;
    const struct flow_plan_stage *stage =
        &plan->stages[plan->replicas[replica->host.replica].stage];
    replica->self = flow_alloc(replica->type->state_size);
    if (replica->self == NULL)
        return flow_replica_fail(replica, FLOW_ENOMEM, NULL, "out of memory for its state");
    if (replica->type->params == NULL)
        return FLOW_OK;

    struct flow_error err = {0};
    json_t *with = stage->graph != NULL ? stage->graph->with : NULL;
    const enum flow_status rc = flow_params_read(replica->type->params, with, replica->self, &err);
    return rc == FLOW_OK ? rc : flow_replica_fail(replica, rc, NULL, "%s", err.text);
}

static enum flow_status open_stage(struct flow_replica *replica)
{
    enum flow_status rc = fill_state(replica);
    if (rc != FLOW_OK)
        return rc;
    replica->opened = true;
    if (replica->type->open == NULL)
        return FLOW_OK;
    replica->has_reason = false;
    rc = replica->type->open(replica->self, &replica->stage);
    if (rc == FLOW_OK)
        return FLOW_OK;
    return flow_replica_fail(replica, rc, NULL, "%s",
                             replica->has_reason ? replica->reason : "cannot open");
}

/* Every failure names its stage: those of sockets and links do not know it, and a callback may have
 * returned a failure without a word. */
static enum flow_status explain(struct flow_replica *replica, enum flow_status rc)
{
    struct flow_error *err = &replica->host.err;
    /* A call that returns a pointer can only say that there is none: the stage then returns this. */
    if (rc == FLOW_EABORT && err->status != FLOW_OK)
        rc = err->status;
    if (rc == FLOW_OK || rc == FLOW_EABORT || strncmp(err->text, "stage '", 7) == 0)
        return rc;
    const struct flow_error known = *err;
    *err = (struct flow_error){0};
    return flow_replica_fail(replica, rc, NULL, "%s",
                             known.status != FLOW_OK ? known.text
                             : replica->has_reason   ? replica->reason
                                                     : "the stage failed without a reason");
}

enum flow_status flow_replica_open(struct flow_replica *replica)
{
    struct flow_host *host = &replica->host;
    flow_set(&host->slot->state, FLOW_STATE_OPENING);
    const size_t outputs = replica->type->role == FLOW_CONSUMER
                               ? 0
                               : flow_port_count(flow_type_outputs(replica->type));
    replica->output.shared.judge = replica;
    replica->output.shared.unkeyed = flow_policy_unkeyed;

    enum flow_status rc = flow_host_connect(host, replica->env->transport);
    if (rc == FLOW_OK)
        rc = flow_input_init(&replica->input, host);
    if (rc == FLOW_OK)
        rc = flow_output_init(&replica->output, host, outputs);
    replica->stage.rooms = replica->output.rooms;
    replica->stage.room_count = outputs;
    for (size_t i = 0; i < outputs && rc == FLOW_OK; i++)
        replica->emits = replica->emits || flow_output_is_connected(&replica->output, i);
    return rc == FLOW_OK ? open_stage(replica) : explain(replica, rc);
}

static void publish_counts(struct flow_replica *replica)
{
    struct flow_board_replica *slot = replica->host.slot;
    flow_output_tally(&replica->output);
    flow_set(&slot->records_out, replica->output.shared.emitted);
    flow_set(&slot->bytes_out, replica->output.shared.emitted_bytes);
    flow_set(&slot->unread, replica->output.shared.unread);
}

/* Before sleeping, and before the end: writers that keep count hear how far we are. */
static enum flow_status tell_writers(struct flow_replica *replica, bool all)
{
    const uint64_t oldest =
        replica->host.tracks ? flow_output_oldest(&replica->output) : UINT64_MAX;
    return flow_input_acknowledge(&replica->input, oldest, all);
}

static enum flow_status process_item(struct flow_replica *replica)
{
    struct flow_item *item = &replica->item;
    struct flow_board_replica *slot = replica->host.slot;
    const int64_t start = flow_now_ns();
    const int64_t waited = replica->waited_out_ns;

    replica->flushed_ns = start;
    replica->batch = (struct flow_batch){.port = item->port, .number = item->number};
    if (item->block != NULL) {
        replica->batch = flow_block_view(item->block, item->first, item->count);
        replica->batch.port = item->port;
        replica->batch.number = item->number;
        flow_count(&slot->bytes_in, flow_block_span(item->block, item->first, item->count));
    }
    flow_count(&slot->records_in, item->count);
    flow_count(&slot->batches_in, 1);
    replica->output.shared.result = item->sequence;

    enum flow_status rc = flow_policy_process(replica);
    if (rc == FLOW_OK && replica->output.numbered)
        rc = flow_output_complete_result(&replica->output);
    else if (rc == FLOW_OK)
        rc = flow_output_settle_runs(&replica->output);
    publish_counts(replica);
    const int64_t end = flow_now_ns();
    if (rc == FLOW_OK)
        rc =
            flow_input_done(&replica->input, item, end - start - (replica->waited_out_ns - waited));
    /* One writer may have to hear of it while others keep us from ever being idle. */
    if (rc == FLOW_OK && end - replica->told_ns > TELL_AFTER_NS) {
        replica->told_ns = end;
        rc = tell_writers(replica, false);
    }
    return rc;
}

/* Nothing is ready and the inbox is empty. */
static enum flow_status idle(struct flow_replica *replica)
{
    enum flow_status rc = flow_output_flush(&replica->output, false);
    if (rc == FLOW_OK)
        rc = tell_writers(replica, false);
    if (rc != FLOW_OK || replica->input.ready_count > 0)
        return rc;
    if (replica->input.ended == replica->input.link_count)
        return flow_input_is_complete(&replica->input)
                   ? FLOW_OK
                   : flow_replica_fail(replica, FLOW_EPROTO, NULL,
                                       "its input has ended, but some of it has not come");

    /* Flushing may have taken in what arrived meanwhile, so look again before sleeping. */
    bool arrived;
    rc = flow_replica_pump(replica, &arrived);
    if (rc != FLOW_OK || arrived)
        return rc;
    return flow_replica_sleep(replica, FLOW_STATE_WAIT_IN, NULL, 0, -1);
}

static enum flow_status consume_input(struct flow_replica *replica)
{
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && !flow_input_is_complete(&replica->input)) {
        if (flow_input_next(&replica->input, &replica->item)) {
            rc = process_item(replica);
            flow_block_unref(replica->item.block);
            replica->item.block = NULL;
            continue;
        }
        bool arrived;
        rc = flow_replica_pump(replica, &arrived);
        if (rc == FLOW_OK && !arrived)
            rc = idle(replica);
    }
    return rc;
}

/* A producer refused a record of its own: the policy says whether it may go on. */
static enum flow_status refused_own(struct flow_replica *replica)
{
    struct flow_board_replica *slot = replica->host.slot;
    if (replica->policy->then == FLOW_SKIP) {
        flow_count(&slot->skipped, 1);
        return FLOW_OK;
    }
    if (replica->policy->then == FLOW_ROUTE)
        return flow_policy_unkeyed(replica, &(struct flow_piece){.data = ""},
                                   replica->output.shared.emitted, replica->reason);
    return flow_replica_fail(replica, FLOW_EBAD, NULL, "%s", replica->reason);
}

static enum flow_status produce_once(struct flow_replica *replica)
{
    const int64_t start = flow_now_ns();
    replica->has_reason = false;
    enum flow_status rc = replica->type->produce(replica->self, &replica->stage);
    publish_counts(replica);
    if (rc == FLOW_EBAD)
        rc = refused_own(replica);
    if (rc == FLOW_OK && flow_now_ns() - start > SLOW_PRODUCE_NS)
        rc = flow_output_flush(&replica->output, false);
    return rc;
}

static enum flow_status produce_all(struct flow_replica *replica)
{
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && !atomic_load_explicit(replica->env->draining, memory_order_relaxed)) {
        rc = is_aborting(replica) ? FLOW_EABORT : produce_once(replica);
    }
    return rc == FLOW_ECLOSED ? FLOW_OK : rc;
}

static enum flow_status finish(struct flow_replica *replica)
{
    enum flow_status rc = FLOW_OK;
    const uint64_t results = replica->input.results;
    replica->has_reason = false;
    replica->output.shared.result = results + replica->info.replica;
    if (replica->type->finish != NULL)
        rc = replica->type->finish(replica->self, &replica->stage);
    if (rc == FLOW_OK && replica->output.numbered)
        rc = flow_output_complete_result(&replica->output);
    if (rc == FLOW_OK)
        rc = flow_output_flush(&replica->output, false);
    publish_counts(replica);
    if (rc == FLOW_OK)
        rc = flow_output_end(&replica->output, results + replica->info.replicas);
    return rc;
}

/* Stay until what was sent to other processes is acknowledged, and we have done so in turn. */
static enum flow_status settle(struct flow_replica *replica)
{
    enum flow_status rc = tell_writers(replica, true);
    while (rc == FLOW_OK &&
           (!flow_output_is_settled(&replica->output) || !flow_input_is_settled(&replica->input))) {
        bool arrived;
        rc = flow_replica_pump(replica, &arrived);
        if (rc == FLOW_OK && !arrived)
            rc = flow_replica_sleep(replica, FLOW_STATE_DRAINING, NULL, 0, -1);
        if (rc == FLOW_OK)
            rc = tell_writers(replica, true);
    }
    return rc;
}

enum flow_status flow_replica_run(struct flow_replica *replica)
{
    struct flow_board_replica *slot = replica->host.slot;
    flow_set(&slot->start_ns, (uint64_t)flow_now_ns());
    flow_set(&slot->state, FLOW_STATE_BUSY);

    enum flow_status rc =
        replica->input.link_count > 0 ? consume_input(replica) : produce_all(replica);
    if (rc == FLOW_OK)
        rc = finish(replica);
    if (rc == FLOW_OK) {
        flow_set(&slot->end_ns, (uint64_t)flow_now_ns());
        rc = settle(replica);
    }
    flow_set(&slot->cpu_ns, (uint64_t)flow_thread_cpu_ns());
    if (flow_read(&slot->end_ns) == 0)
        flow_set(&slot->end_ns, (uint64_t)flow_now_ns());
    flow_set(&slot->state, rc == FLOW_OK ? FLOW_STATE_DONE : FLOW_STATE_FAILED);
    return explain(replica, rc);
}

void flow_replica_close(struct flow_replica *replica)
{
    if (replica->opened && replica->type->close != NULL)
        replica->type->close(replica->self, &replica->stage);
    replica->opened = false;
    if (replica->self != NULL && replica->type->params != NULL)
        flow_params_clear(replica->type->params, replica->self);
    free(replica->self);
    replica->self = NULL;
}
