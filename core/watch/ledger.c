/* SPDX-License-Identifier: MIT */
#include "watch/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "watch/figures.h"

struct books {
    const struct flow_plan *plan;
    const struct flow_board *board;
    struct flow_error *err;
};

/* What one replica has put on the links of one edge, which are adjacent in replica->out. */
struct put {
    size_t edge;
    size_t end; /* index in replica->out */
    uint64_t sent;
    uint64_t dropped;
};

static void add_replica(struct flow_str *str, const struct flow_plan *plan, size_t replica)
{
    char name[FLOW_GRAPH_MAX_NAME + 32];
    flow_str_add(str, flow_plan_replica_name(plan, replica, name, sizeof(name)));
}

/* "words[1].errors", or "words[1]" for the first port. */
static void add_source(struct flow_str *str, const struct flow_plan *plan, size_t replica,
                       const struct flow_plan_edge *edge)
{
    const struct flow_stage_type *type = plan->stages[edge->from].type;
    add_replica(str, plan, replica);
    if (edge->from_port != 0 && type != NULL)
        flow_str_addf(str, ".%s", flow_output_name(type, edge->from_port));
}

/* "words[1] -> count[0]" */
static char *link_name(const struct flow_plan *plan, const struct flow_plan_link *link)
{
    struct flow_str str = {0};
    add_source(&str, plan, link->from, &plan->edges[link->edge]);
    flow_str_add(&str, " -> ");
    add_replica(&str, plan, link->to);
    return flow_str_take(&str);
}

/* "words[1] -> count": what one replica sends to a stage. */
static char *put_name(const struct flow_plan *plan, size_t replica, size_t edge)
{
    struct flow_str str = {0};
    add_source(&str, plan, replica, &plan->edges[edge]);
    flow_str_addf(&str, " -> %s", plan->stages[plan->edges[edge].to].name);
    return flow_str_take(&str);
}

static char *replica_name(const struct flow_plan *plan, size_t replica)
{
    struct flow_str str = {0};
    flow_str_add(&str, "stage ");
    add_replica(&str, plan, replica);
    return flow_str_take(&str);
}

/* Refuse the books at `place`, which is taken (NULL: there was no memory for it). */
FLOW_PRINTF(3, 4)
static enum flow_status off(const struct books *books, char *place, const char *fmt, ...)
{
    if (place == NULL)
        return flow_fail(books->err, FLOW_ENOMEM, "no memory to check the ledger");

    char what[256]; /* words and numbers only */
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);

    const enum flow_status rc =
        flow_fail(books->err, FLOW_EPROTO, "the books do not balance at %s: %s", place, what);
    free(place);
    return rc;
}

static enum flow_status check_link(const struct books *books, size_t index)
{
    const struct flow_plan_link *link = &books->plan->links[index];
    const struct flow_board_link *counts = &books->board->links[index];
    const uint64_t sent = flow_read(&counts->sent);
    const uint64_t received = flow_read(&counts->received);
    if (sent != received)
        return off(books, link_name(books->plan, link),
                   "%" PRIu64 " records sent, %" PRIu64 " received", sent, received);

    /* What a process that was replaced had not sent yet was cut into batches anew. */
    const size_t group = books->plan->replicas[link->from].group;
    const struct flow_board_group *counts_of = &books->board->groups[group];
    if (flow_read(&counts_of->restarts) + flow_read(&counts_of->former) > 0)
        return FLOW_OK;
    const uint64_t sent_batches = flow_read(&counts->sent_batches);
    const uint64_t received_batches = flow_read(&counts->received_batches);
    if (sent_batches != received_batches) {
        return off(books, link_name(books->plan, link),
                   "%" PRIu64 " batches sent, %" PRIu64 " received", sent_batches,
                   received_batches);
    }
    return FLOW_OK;
}

static enum flow_status check_input(const struct books *books, size_t replica)
{
    const struct flow_plan_replica *plan = &books->plan->replicas[replica];
    const struct flow_board_replica *counts = &books->board->replicas[replica];
    const uint64_t in = flow_read(&counts->records_in);
    uint64_t received = 0;
    for (size_t i = 0; i < plan->in_count; i++)
        received += flow_read(&books->board->links[plan->in[i]].received);
    if (received != in)
        return off(books, replica_name(books->plan, replica),
                   "%" PRIu64 " records received on its edges, %" PRIu64 " taken in", received, in);

    const uint64_t done = flow_read(&counts->done);
    const uint64_t skipped = flow_read(&counts->skipped);
    const uint64_t routed = flow_read(&counts->routed);
    const uint64_t failed = flow_read(&counts->failed);
    if (plan->in_count > 0 && in != done + skipped + routed + failed) {
        return off(books, replica_name(books->plan, replica),
                   "%" PRIu64 " records in, but %" PRIu64 " done, %" PRIu64 " skipped, %" PRIu64
                   " routed, %" PRIu64 " failed",
                   in, done, skipped, routed, failed);
    }
    return FLOW_OK;
}

/* The links of the edge that starts at replica->out[first]; an edge of share "all" counts once. */
static enum flow_status add_up(const struct books *books, size_t replica, size_t first,
                               struct put *put)
{
    const struct flow_plan *plan = books->plan;
    const struct flow_plan_replica *from = &plan->replicas[replica];
    const size_t edge = plan->links[from->out[first]].edge;
    struct put sum = {.edge = edge, .end = first};
    for (; sum.end < from->out_count; sum.end++) {
        const size_t index = from->out[sum.end];
        if (plan->links[index].edge != edge)
            break;
        const uint64_t sent = flow_read(&books->board->links[index].sent);
        const uint64_t dropped = flow_read(&books->board->links[index].dropped);
        if (plan->edges[edge].share != FLOW_ALL || sum.end == first) {
            sum.sent += sent;
            sum.dropped += dropped;
        } else if (sent + dropped != sum.sent + sum.dropped) {
            return off(books, link_name(plan, &plan->links[index]),
                       "%" PRIu64 " records sent and %" PRIu64 " dropped, but %" PRIu64
                       " for the first reader, and all get all",
                       sent, dropped, sum.sent + sum.dropped);
        }
    }
    *put = sum;
    return FLOW_OK;
}

/* Where in replica->out the first edge starts that takes from the same port of the replica as
 * `edge`. */
static size_t first_of_port(const struct flow_plan *plan, size_t replica, size_t edge)
{
    const struct flow_plan_replica *from = &plan->replicas[replica];
    for (size_t i = 0; i < from->out_count; i++) {
        const size_t other = plan->links[from->out[i]].edge;
        if (plan->edges[other].from_port == plan->edges[edge].from_port)
            return i;
    }
    return 0;
}

/*
 * The edge has taken what the other edges of its port have, and on the errors port what was routed.
 * An edge that looks into the records for keys may have taken less, as far as some had none.
 */
static enum flow_status check_edge(const struct books *books, size_t replica, const struct put *put,
                                   const struct put *first)
{
    const struct flow_board_replica *counts = &books->board->replicas[replica];
    const uint64_t taken = put->sent + put->dropped;
    const uint64_t expected = first->sent + first->dropped;
    if (taken != expected && flow_read(&counts->unkeyed) == 0) {
        return off(books, put_name(books->plan, replica, put->edge),
                   "%" PRIu64 " records sent and %" PRIu64 " dropped, but %" PRIu64
                   " on another edge of this port",
                   put->sent, put->dropped, expected);
    }

    const struct flow_plan_edge *edge = &books->plan->edges[put->edge];
    const uint64_t routed = flow_count_routed(&books->plan->stages[edge->from], counts);
    if (edge->from_port == FLOW_PORT_ERRORS && taken != routed) {
        return off(books, put_name(books->plan, replica, put->edge),
                   "%" PRIu64 " records routed, but %" PRIu64 " sent and %" PRIu64 " dropped",
                   routed, put->sent, put->dropped);
    }
    return FLOW_OK;
}

/* Check all edges out of the replica; the sum over its ports goes to `total`. */
static enum flow_status check_edges(const struct books *books, size_t replica, uint64_t *total)
{
    const struct flow_plan_replica *from = &books->plan->replicas[replica];
    uint64_t sum = 0;
    struct put put = {0};
    for (size_t i = 0; i < from->out_count; i = put.end) {
        struct put first = {0};
        enum flow_status rc = add_up(books, replica, i, &put);
        if (rc == FLOW_OK)
            rc = add_up(books, replica, first_of_port(books->plan, replica, put.edge), &first);
        if (rc == FLOW_OK)
            rc = check_edge(books, replica, &put, &first);
        if (rc != FLOW_OK)
            return rc;
        if (put.edge == first.edge)
            sum += put.sent + put.dropped;
    }
    *total = sum;
    return FLOW_OK;
}

static enum flow_status check_output(const struct books *books, size_t replica)
{
    const struct flow_plan_replica *from = &books->plan->replicas[replica];
    const struct flow_board_replica *counts = &books->board->replicas[replica];
    const uint64_t out = flow_read(&counts->records_out);
    uint64_t total = 0;
    const enum flow_status rc = check_edges(books, replica, &total);
    if (rc != FLOW_OK || (total <= out && out - total <= flow_read(&counts->unkeyed)))
        return rc;

    /* Blame the edge where there is only one. */
    const bool one =
        from->out_count > 0 && books->plan->links[from->out[0]].edge ==
                                   books->plan->links[from->out[from->out_count - 1]].edge;
    char *place = one ? put_name(books->plan, replica, books->plan->links[from->out[0]].edge)
                      : replica_name(books->plan, replica);
    return off(books, place, "%" PRIu64 " records emitted, but %" PRIu64 " sent or dropped", out,
               total);
}

enum flow_status flow_ledger_check(const struct flow_plan *plan, const struct flow_board *board,
                                   struct flow_error *err)
{
    const struct books books = {plan, board, err};
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < plan->link_count && rc == FLOW_OK; i++)
        rc = check_link(&books, i);
    for (size_t i = 0; i < plan->replica_count && rc == FLOW_OK; i++)
        rc = check_input(&books, i);
    for (size_t i = 0; i < plan->replica_count && rc == FLOW_OK; i++)
        rc = check_output(&books, i);
    return rc;
}
