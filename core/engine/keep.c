/* SPDX-License-Identifier: MIT */
#include "engine/keep.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "watch/cut.h"

/* A row: the next batch, the counters, then records and bytes for each link. */
#define FIRST_COUNTER 1u
#define FIRST_LINK (FIRST_COUNTER + FLOW_KEPT)
#define FIRST_ROWS 16u

static const struct flow_plan_replica *self_of(const struct flow_keep *keep)
{
    return &keep->host->plan->replicas[keep->host->replica];
}

enum flow_status flow_keep_init(struct flow_keep *keep, struct flow_host *host,
                                const struct flow_output *output)
{
    *keep = (struct flow_keep){.host = host, .output = output};
    keep->stride = FIRST_LINK + 2 * self_of(keep)->out_count;
    keep->rows = flow_calloc(FIRST_ROWS * keep->stride, sizeof(*keep->rows));
    keep->mask = FIRST_ROWS - 1;
    if (keep->rows == NULL)
        return flow_fail(&host->err, FLOW_ENOMEM, "out of memory for its progress");
    return FLOW_OK;
}

void flow_keep_clear(struct flow_keep *keep)
{
    free(keep->rows);
    keep->rows = NULL;
}

static uint64_t *row_at(const struct flow_keep *keep, uint64_t index)
{
    return keep->rows + (index & keep->mask) * keep->stride;
}

static bool widen(struct flow_keep *keep, uint64_t acked, uint64_t index)
{
    const uint64_t count = (keep->mask + 1) * 2;
    uint64_t *rows = flow_calloc(count * keep->stride, sizeof(*rows));
    if (rows == NULL)
        return false;
    for (uint64_t n = acked; n < index; n++)
        memcpy(rows + (n & (count - 1)) * keep->stride, row_at(keep, n),
               keep->stride * sizeof(*rows));
    free(keep->rows);
    keep->rows = rows;
    keep->mask = count - 1;
    return true;
}

static uint64_t *note_link(uint64_t *cell, const struct flow_board_link *slot,
                           const struct flow_builder *open)
{
    *cell++ = flow_read(&slot->sent) + flow_builder_count(open);
    *cell++ = flow_read(&slot->sent_bytes) + (uint64_t)(open->room.at - open->room.data);
    return cell;
}

/* What has been emitted for each link: sent, or in a batch that is open. */
static void note_links(const struct flow_keep *keep, uint64_t *cell)
{
    const struct flow_board_link *slots = keep->host->board->links;
    for (size_t p = 0; p < keep->output->port_count; p++) {
        const struct flow_port_out *port = &keep->output->ports[p];
        for (size_t e = 0; e < port->edge_count; e++) {
            const struct flow_edge_out *edge = &port->edges[e];
            for (size_t i = 0; i < edge->outlet.link_count; i++)
                cell = note_link(cell, &slots[edge->outlet.first_link + i],
                                 edge->builders != NULL ? &edge->builders[i] : &port->builder);
        }
    }
}

enum flow_status flow_keep_note(struct flow_keep *keep, uint64_t acked, uint64_t index,
                                uint64_t next)
{
    if (index - acked > keep->mask && !widen(keep, acked, index))
        return flow_fail(&keep->host->err, FLOW_ENOMEM, "out of memory for its progress");
    uint64_t *row = row_at(keep, index);
    row[0] = next;
    for (size_t i = 0; i < FLOW_KEPT; i++)
        row[FIRST_COUNTER + i] = flow_read(flow_board_kept(keep->host->slot, i));
    note_links(keep, row + FIRST_LINK);
    return FLOW_OK;
}

/* ---- numbers: of records since the run was first begun, while counts are of this one ---- */

static uint64_t sent_by(const struct flow_keep *keep, const struct flow_outlet *outlet)
{
    const struct flow_board_link *slots = &keep->host->board->links[outlet->first_link];
    uint64_t sent = 0;
    for (size_t i = 0; i < outlet->link_count; i++) {
        if (outlet->edge->share != FLOW_ALL || i == 0)
            sent += flow_read(&slots[i].sent);
    }
    return sent;
}

void flow_keep_base(const struct flow_keep *keep)
{
    struct flow_board_link *slots = keep->host->board->links;
    flow_set(&keep->host->slot->base_out, keep->output->shared.before);
    for (size_t p = 0; p < keep->output->port_count; p++) {
        const struct flow_port_out *port = &keep->output->ports[p];
        for (size_t e = 0; e < port->edge_count; e++) {
            const struct flow_outlet *outlet = &port->edges[e].outlet;
            const uint64_t sent = sent_by(keep, outlet);
            flow_set(&slots[outlet->first_link].base_number, outlet->number - sent);
            flow_set(&slots[outlet->first_link].base_port, port->emitted - sent);
        }
    }
}

/* What it had emitted, as far as numbers go; those of edges are set when the readers have answered.
 */
static void restore_numbers(const struct flow_keep *keep, struct flow_output *output)
{
    const struct flow_board_link *slots = keep->host->board->links;
    output->shared.before = flow_read(&keep->host->slot->base_out);
    for (size_t p = 0; p < output->port_count; p++) {
        struct flow_port_out *port = &output->ports[p];
        if (port->edge_count == 0)
            continue;
        const struct flow_outlet *first = &port->edges[0].outlet;
        port->emitted = flow_read(&slots[first->first_link].base_port) + sent_by(keep, first);
    }
}

/* Each link with its two cells of a row, in the order of note_links. */
static void publish_links(struct flow_keep *keep, const uint64_t *cell, unsigned turn)
{
    struct flow_board_link *slots = keep->host->board->links;
    for (size_t p = 0; p < keep->output->port_count; p++) {
        const struct flow_port_out *port = &keep->output->ports[p];
        for (size_t e = 0; e < port->edge_count; e++) {
            const struct flow_outlet *outlet = &port->edges[e].outlet;
            for (size_t i = 0; i < outlet->link_count; i++) {
                flow_set(&slots[outlet->first_link + i].kept_sent[turn], *cell++);
                flow_set(&slots[outlet->first_link + i].kept_bytes[turn], *cell++);
            }
        }
    }
}

void flow_keep_publish(struct flow_keep *keep, uint64_t index)
{
    struct flow_board_replica *slot = keep->host->slot;
    const uint64_t *row = row_at(keep, index);
    const uint64_t turns = flow_read(&slot->kept_turn) + 1;
    const unsigned turn = turns & 1;
    flow_set(&slot->kept_batch[turn], row[0]);
    for (size_t i = 0; i < FLOW_KEPT; i++)
        flow_set(&slot->kept[turn][i], row[FIRST_COUNTER + i]);
    publish_links(keep, row + FIRST_LINK, turn);
    atomic_store_explicit(&slot->kept_turn, turns, memory_order_release);
}

void flow_keep_restore(struct flow_keep *keep, struct flow_output *output)
{
    struct flow_board_replica *slot = keep->host->slot;
    struct flow_board *board = keep->host->board;
    const struct flow_plan_replica *self = self_of(keep);
    const uint64_t turns = atomic_load_explicit(&slot->kept_turn, memory_order_acquire);
    const unsigned turn = turns & 1;
    keep->from = flow_read(&slot->kept_batch[turn]);
    for (size_t i = 0; i < FLOW_KEPT; i++)
        flow_set(flow_board_kept(slot, i), flow_read(&slot->kept[turn][i]));
    for (size_t i = 0; i < self->out_count; i++) {
        struct flow_board_link *link = &board->links[self->out[i]];
        flow_set(&link->sent, flow_read(&link->kept_sent[turn]));
        flow_set(&link->sent_bytes, flow_read(&link->kept_bytes[turn]));
    }
    flow_set(&board->links[self->in[0]].received, flow_read(&slot->records_in));
    flow_set(&board->links[self->in[0]].received_batches, flow_read(&slot->batches_in));
    flow_set(&slot->hand_batch, 0);
    restore_numbers(keep, output);
    output->shared.emitted = flow_read(&slot->records_out);
    output->shared.emitted_bytes = flow_read(&slot->bytes_out);
    output->shared.unread = flow_read(&slot->unread);
}
