/* SPDX-License-Identifier: MIT */
#include "watch/cut.h"

static const size_t counters[FLOW_KEPT] = {
    offsetof(struct flow_board_replica, records_in),
    offsetof(struct flow_board_replica, bytes_in),
    offsetof(struct flow_board_replica, batches_in),
    offsetof(struct flow_board_replica, done),
    offsetof(struct flow_board_replica, filtered),
    offsetof(struct flow_board_replica, skipped),
    offsetof(struct flow_board_replica, routed),
    offsetof(struct flow_board_replica, failed),
    offsetof(struct flow_board_replica, retried),
    offsetof(struct flow_board_replica, unkeyed),
    offsetof(struct flow_board_replica, records_out),
    offsetof(struct flow_board_replica, bytes_out),
    offsetof(struct flow_board_replica, unread),
};

flow_counter *flow_board_kept(struct flow_board_replica *slot, size_t index)
{
    return (flow_counter *)(void *)((uint8_t *)slot + counters[index]);
}

/* ---- notes ---- */

bool flow_cut_is_past(const struct flow_board_replica *slot, uint64_t epoch)
{
    return flow_read(&slot->passed_epoch) >= epoch;
}

void flow_cut_note(struct flow_board_replica *slot, uint64_t epoch)
{
    for (size_t i = 0; i < FLOW_KEPT; i++)
        flow_set(&slot->cut[epoch & 1][i], flow_read(flow_board_kept(slot, i)));
}

/* One that comes to its end again, since the run went back to where it had, stays as it was. */
void flow_cut_note_end(struct flow_board_replica *slot, uint64_t epoch)
{
    if (flow_read(&slot->final_epoch) == 0)
        flow_set(&slot->final_epoch, epoch);
}

void flow_cut_note_sent(struct flow_board_link *slot, uint64_t epoch)
{
    const unsigned turn = epoch & 1;
    if (flow_read(&slot->cut_epoch) >= epoch)
        return;
    flow_set(&slot->cut_epoch, epoch);
    flow_set(&slot->cut_sent[turn], flow_read(&slot->sent));
    flow_set(&slot->cut_sent_batches[turn], flow_read(&slot->sent_batches));
    flow_set(&slot->cut_sent_bytes[turn], flow_read(&slot->sent_bytes));
    flow_set(&slot->cut_dropped[turn], flow_read(&slot->dropped));
}

void flow_cut_note_received(struct flow_board_link *slot, uint64_t epoch)
{
    const unsigned turn = epoch & 1;
    flow_set(&slot->cut_received[turn], flow_read(&slot->received));
    flow_set(&slot->cut_received_batches[turn], flow_read(&slot->received_batches));
}

/* ---- going back ---- */

static void take(flow_counter *counter, const flow_counter rows[2], uint64_t epoch)
{
    flow_set(counter, epoch != 0 ? flow_read(&rows[epoch & 1]) : 0);
}

static bool is_final(const struct flow_board_replica *slot, uint64_t epoch)
{
    const uint64_t from = flow_read(&slot->final_epoch);
    return from != 0 && epoch >= from;
}

static void restore_counts(struct flow_board_replica *slot, uint64_t epoch)
{
    if (is_final(slot, epoch))
        return;
    for (size_t i = 0; i < FLOW_KEPT; i++)
        flow_set(flow_board_kept(slot, i), epoch != 0 ? flow_read(&slot->cut[epoch & 1][i]) : 0);
    flow_set(&slot->final_epoch, 0);
    flow_set(&slot->end_ns, 0);
}

/* What it was doing: it does nothing any more. */
static void restore_replica(struct flow_board_replica *slot, uint64_t epoch, int64_t died_ns,
                            int64_t now_ns)
{
    restore_counts(slot, epoch);
    if (flow_read(&slot->start_ns) != 0 && flow_read(&slot->end_ns) == 0)
        flow_count(&slot->wait_self_ns, (uint64_t)(now_ns - died_ns));
    flow_set(&slot->state, FLOW_STATE_NEW);
    flow_set(&slot->since_ns, (uint64_t)now_ns);
    flow_set(&slot->hand_batch, 0);
    flow_set(&slot->hand_print, 0);
    flow_set(&slot->passed_epoch, epoch);
    flow_set(&slot->kept_turn, 0);
    flow_set(&slot->kept_batch, 0);
}

static void restore_sent(struct flow_board_link *slot, uint64_t epoch)
{
    take(&slot->sent, slot->cut_sent, epoch);
    take(&slot->sent_batches, slot->cut_sent_batches, epoch);
    take(&slot->sent_bytes, slot->cut_sent_bytes, epoch);
    take(&slot->dropped, slot->cut_dropped, epoch);
    flow_set(&slot->cut_epoch, epoch);
}

static void restore_received(struct flow_board_link *slot, uint64_t epoch)
{
    take(&slot->received, slot->cut_received, epoch);
    take(&slot->received_batches, slot->cut_received_batches, epoch);
}

static void restore_link(const struct flow_board *board, const struct flow_plan_link *link,
                         struct flow_board_link *slot, uint64_t epoch)
{
    if (!is_final(&board->replicas[link->from], epoch))
        restore_sent(slot, epoch);
    if (!is_final(&board->replicas[link->to], epoch))
        restore_received(slot, epoch);
    /* The reader has had all that the writer sent until it had finished.  What that says again each
     * time, that there is no more, is a batch as well, and they may have been interrupted. */
    if (is_final(&board->replicas[link->from], epoch))
        flow_set(&slot->sent_batches, flow_read(&slot->received_batches));
    flow_set(&slot->full_batches, 0);
    flow_set(&slot->full_records, 0);
    flow_set(&slot->closed, 0);
    flow_set(&slot->ended, 0);
}

void flow_cut_restore(const struct flow_plan *plan, struct flow_board *board, uint64_t epoch,
                      int64_t died_ns, int64_t now_ns)
{
    for (size_t i = 0; i < plan->link_count; i++) /* while it is known who had ended */
        restore_link(board, &plan->links[i], &board->links[i], epoch);
    for (size_t i = 0; i < board->word_count; i++) /* rows: see watch/rows.h */
        flow_set(&board->words[i], 0);
    for (size_t i = 0; i < plan->replica_count; i++)
        restore_replica(&board->replicas[i], epoch, died_ns, now_ns);
    for (size_t i = 0; i < board->group_count; i++) {
        flow_count(&board->groups[i].former, flow_read(&board->groups[i].restarts));
        flow_set(&board->groups[i].restarts, 0);
        flow_set(&board->groups[i].careful, 0);
    }
}
