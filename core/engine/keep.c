/* SPDX-License-Identifier: MIT */
#include "engine/keep.h"

#include "watch/cut.h"

#define FIRST_STAMP 1 /* of the row that stands for what the run began with */

static const struct flow_plan_replica *self_of(const struct flow_keep *keep)
{
    return &keep->host->plan->replicas[keep->host->replica];
}

enum flow_status flow_keep_init(struct flow_keep *keep, struct flow_host *host,
                                const struct flow_output *output)
{
    *keep = (struct flow_keep){.host = host, .output = output, .first = FIRST_STAMP + 1};
    keep->rows = flow_rows_of(host->plan, host->board, host->replica);
    if (keep->rows.words == NULL)
        return flow_fail(&host->err, FLOW_EPROTO, "the board has no room for its progress");
    return FLOW_OK;
}

static flow_counter *row_of(const struct flow_keep *keep, uint64_t stamp)
{
    return keep->rows.words + (stamp & (keep->rows.count - 1)) * keep->rows.stride;
}

static flow_counter *note_link(flow_counter *cell, const struct flow_board_link *slot,
                               const struct flow_builder *open)
{
    flow_set(cell++, flow_read(&slot->sent) + flow_builder_count(open));
    flow_set(cell++, flow_read(&slot->sent_bytes) + (uint64_t)(open->room.at - open->room.data));
    return cell;
}

/* What has been emitted for each link: sent, or in a batch that is open. */
static void note_links(const struct flow_keep *keep, flow_counter *cell)
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

static void write_row(const struct flow_keep *keep, uint64_t stamp, uint64_t next)
{
    flow_counter *row = row_of(keep, stamp);
    flow_set(&row[FLOW_ROW_STAMP], 0);
    atomic_thread_fence(memory_order_release);
    flow_set(&row[FLOW_ROW_NEXT], next);
    for (size_t i = 0; i < FLOW_KEPT; i++)
        flow_set(&row[FLOW_ROW_COUNTS + i], flow_read(flow_board_kept(keep->host->slot, i)));
    note_links(keep, row + FLOW_ROW_LINKS);
    atomic_store_explicit(&row[FLOW_ROW_STAMP], stamp, memory_order_release);
}

void flow_keep_note(struct flow_keep *keep, uint64_t index, uint64_t next)
{
    if (!keep->begun)
        keep->base = keep->first - index;
    keep->begun = true;
    write_row(keep, keep->base + index, next);
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
    write_row(keep, FIRST_STAMP, 0);
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

void flow_keep_publish(struct flow_keep *keep, uint64_t index)
{
    struct flow_board_replica *slot = keep->host->slot;
    flow_set(&slot->kept_batch, flow_read(&row_of(keep, keep->base + index)[FLOW_ROW_NEXT]));
    flow_count(&slot->kept_turn, 1);
}

/* ---- in a successor ---- */

/* Of a link: has its reader had what the row says?  One that needs nothing more has. */
static bool has_reached(const struct flow_outlet *outlet, const struct flow_board_link *slot,
                        const flow_counter *cell, uint64_t next)
{
    if (flow_read(&slot->ended) != 0)
        return true;
    if (outlet->edge->merge_numbered && flow_read(&slot->closed) < next)
        return false;
    return flow_read(&slot->received) >= flow_read(cell);
}

static bool has_arrived(const struct flow_keep *keep, const flow_counter *row)
{
    const struct flow_board_link *slots = keep->host->board->links;
    const flow_counter *cell = row + FLOW_ROW_LINKS;
    for (size_t p = 0; p < keep->output->port_count; p++) {
        const struct flow_port_out *port = &keep->output->ports[p];
        for (size_t e = 0; e < port->edge_count; e++) {
            const struct flow_outlet *outlet = &port->edges[e].outlet;
            for (size_t i = 0; i < outlet->link_count; i++, cell += 2) {
                if (!has_reached(outlet, &slots[outlet->first_link + i], cell,
                                 flow_read(&row[FLOW_ROW_NEXT])))
                    return false;
            }
        }
    }
    return true;
}

/* The last row of which everything has arrived; NULL: somebody has spoilt the board. */
static flow_counter *find_row(const struct flow_keep *keep)
{
    flow_counter *found = NULL;
    for (size_t i = 0; i < keep->rows.count; i++) {
        flow_counter *row = keep->rows.words + i * keep->rows.stride;
        const uint64_t stamp = atomic_load_explicit(&row[FLOW_ROW_STAMP], memory_order_acquire);
        if (stamp != 0 && (found == NULL || stamp > flow_read(&found[FLOW_ROW_STAMP])) &&
            has_arrived(keep, row))
            found = row;
    }
    return found;
}

/* What is done again gets rows of its own: those of the former process no longer hold. */
static void forget_after(const struct flow_keep *keep, uint64_t stamp)
{
    for (size_t i = 0; i < keep->rows.count; i++) {
        flow_counter *row = keep->rows.words + i * keep->rows.stride;
        if (flow_read(&row[FLOW_ROW_STAMP]) > stamp)
            flow_set(&row[FLOW_ROW_STAMP], 0);
    }
}

static uint64_t word_of(const flow_counter *row, size_t at)
{
    return row != NULL ? flow_read(&row[at]) : 0;
}

/* Each link with its two cells of a row, in the order of note_links. */
static void restore_links(const struct flow_keep *keep, const flow_counter *row)
{
    struct flow_board_link *slots = keep->host->board->links;
    size_t at = FLOW_ROW_LINKS;
    for (size_t p = 0; p < keep->output->port_count; p++) {
        const struct flow_port_out *port = &keep->output->ports[p];
        for (size_t e = 0; e < port->edge_count; e++) {
            const struct flow_outlet *outlet = &port->edges[e].outlet;
            for (size_t i = 0; i < outlet->link_count; i++, at += 2) {
                flow_set(&slots[outlet->first_link + i].sent, word_of(row, at));
                flow_set(&slots[outlet->first_link + i].sent_bytes, word_of(row, at + 1));
            }
        }
    }
}

void flow_keep_restore(struct flow_keep *keep, struct flow_output *output)
{
    struct flow_board_replica *slot = keep->host->slot;
    struct flow_board_link *input = &keep->host->board->links[self_of(keep)->in[0]];
    const flow_counter *row = find_row(keep);
    forget_after(keep, word_of(row, FLOW_ROW_STAMP));
    keep->first = word_of(row, FLOW_ROW_STAMP) + 1;
    keep->from = word_of(row, FLOW_ROW_NEXT);
    for (size_t i = 0; i < FLOW_KEPT; i++)
        flow_set(flow_board_kept(slot, i), word_of(row, FLOW_ROW_COUNTS + i));
    restore_links(keep, row);
    flow_set(&input->received, flow_read(&slot->records_in));
    flow_set(&input->received_batches, flow_read(&slot->batches_in));
    flow_set(&slot->hand_batch, 0);
    restore_numbers(keep, output);
    output->shared.emitted = flow_read(&slot->records_out);
    output->shared.emitted_bytes = flow_read(&slot->bytes_out);
    output->shared.unread = flow_read(&slot->unread);
}
