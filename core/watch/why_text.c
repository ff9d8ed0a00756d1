/* SPDX-License-Identifier: MIT */

/* Why nothing moves, for people. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "watch/figures.h"
#include "watch/why.h"

#define NAME_MAX_SIZE 160

static const struct flow_board_replica *slot_of(const struct flow_why_input *input, size_t replica)
{
    return &input->board->replicas[replica];
}

static void add_duration(struct flow_str *out, int64_t ns)
{
    char text[32];
    flow_str_add(out, flow_format_duration(ns > 0 ? ns : 0, text, sizeof(text)));
}

static void add_replica(const struct flow_why_input *input, size_t replica, struct flow_str *out)
{
    char name[NAME_MAX_SIZE];
    flow_str_add(out, flow_plan_replica_name(input->plan, replica, name, sizeof(name)));
}

static int64_t since(const struct flow_why_input *input, size_t replica)
{
    const int64_t start = (int64_t)flow_read(&slot_of(input, replica)->since_ns);
    const int64_t ns = input->now_ns - (start != 0 ? start : input->moved_ns);
    return ns > 0 ? ns : 0;
}

void flow_why_name(const struct flow_why_input *input, size_t replica, struct flow_str *out)
{
    const struct flow_plan_replica *self = &input->plan->replicas[replica];
    const struct flow_plan_stage *stage = &input->plan->stages[self->stage];
    flow_str_addf(out, "stage '%s'", stage->name);
    if (stage->replica_count > 1)
        flow_str_addf(out, " replica %u", self->index);
    const uint64_t pid = flow_read(&input->board->groups[self->group].pid);
    const uint64_t thread = flow_read(&slot_of(input, replica)->thread);
    if (pid != 0 && thread != 0 && thread != pid)
        flow_str_addf(out, " (process %" PRIu64 ", thread %" PRIu64 ")", pid, thread);
    else if (pid != 0)
        flow_str_addf(out, " (process %" PRIu64 ")", pid);
}

const char *flow_why_state(uint64_t state)
{
    static const char *const words[] = {
        [FLOW_STATE_NEW] = "not started",
        [FLOW_STATE_OPENING] = "opening",
        [FLOW_STATE_OPENED] = "is open, waits for the others to be",
        [FLOW_STATE_BUSY] = "in a callback",
        [FLOW_STATE_WAIT_IN] = "waits for input",
        [FLOW_STATE_WAIT_OUT] = "waits for room",
        [FLOW_STATE_WAIT_SELF] = "waits by itself",
        [FLOW_STATE_DRAINING] = "has finished, waits for its output to be acknowledged",
        [FLOW_STATE_DONE] = "done",
        [FLOW_STATE_FAILED] = "failed",
    };
    return state < sizeof(words) / sizeof(words[0]) ? words[state] : "in an unknown state";
}

/* ---- what one waits for ---- */

/* "room on read -> words[1], where 4 of 4 batches (32 of 8192 records) are under way" */
static void add_room(const struct flow_why_input *input, size_t link, struct flow_str *out)
{
    const struct flow_board_link *slot = &input->board->links[link];
    const struct flow_credit *credit = &input->plan->links[link].credit;
    add_replica(input, input->plan->links[link].to, out);
    flow_str_addf(out, ", which has %" PRIu64 " of %" PRIu32 " batches",
                  flow_read(&slot->full_batches), credit->batches);
    if (credit->records != UINT64_MAX)
        flow_str_addf(out, " (%" PRIu64 " of %" PRIu64 " records)", flow_read(&slot->full_records),
                      credit->records);
    else
        flow_str_addf(out, " (%" PRIu64 " records)", flow_read(&slot->full_records));
    flow_str_add(out, " under way to it");
}

/* "from read", "at words[0], which has ..., and 3 others" */
static void add_links(const struct flow_why_input *input, size_t replica, struct flow_str *out)
{
    const uint64_t state = flow_read(&slot_of(input, replica)->state);
    size_t links[3];
    const size_t room = sizeof(links) / sizeof(links[0]);
    const size_t count = flow_why_waits_on(input, replica, links, room);
    for (size_t i = 0; i < count && i < room; i++) {
        flow_str_add(out, i > 0 ? "; " : state == FLOW_STATE_WAIT_IN ? " from " : " at ");
        if (state == FLOW_STATE_WAIT_OUT)
            add_room(input, links[i], out);
        else
            add_replica(input,
                        state == FLOW_STATE_WAIT_IN ? input->plan->links[links[i]].from
                                                    : input->plan->links[links[i]].to,
                        out);
    }
    if (count > room)
        flow_str_addf(out, "; and %zu more", count - room);
    if (count == 0)
        flow_str_add(out, ", with nobody left to wait for");
}

/* "for descriptor 0 (pipe:[17])", "for 12 s more" */
static void add_outside(const struct flow_why_input *input, size_t replica, struct flow_str *out)
{
    const struct flow_board_replica *slot = slot_of(input, replica);
    const uint64_t fd = flow_read(&slot->wait_fd);
    const int64_t until = (int64_t)flow_read(&slot->wait_until_ns);
    if (fd != 0)
        flow_str_addf(out, " for descriptor %" PRIu64, fd - 1);
    if (fd != 0 && input->threads != NULL && input->threads[replica].waited[0] != '\0')
        flow_str_addf(out, " (%s)", input->threads[replica].waited);
    if (until == 0)
        return;
    flow_str_add(out, fd != 0 ? ", at most " : " for its time to pass, ");
    add_duration(out, until - input->now_ns);
    flow_str_add(out, " more");
}

/* "for 17 records in flight" */
static void add_held(uint64_t count, struct flow_str *out)
{
    flow_str_addf(out, " for %" PRIu64 " record%s in flight", count, count > 1 ? "s" : "");
}

/* "waits for room at words[1], ..." */
static void add_doing(const struct flow_why_input *input, size_t replica, struct flow_str *out)
{
    const uint64_t state = flow_read(&slot_of(input, replica)->state);
    const uint64_t held = flow_read(&slot_of(input, replica)->held);
    if (state == FLOW_STATE_WAIT_SELF && held > 0) {
        flow_str_add(out, "waits");
        add_held(held, out);
        return;
    }
    flow_str_add(out, flow_why_state(state));
    if (state == FLOW_STATE_WAIT_SELF)
        add_outside(input, replica, out);
    else if (state == FLOW_STATE_WAIT_IN || state == FLOW_STATE_WAIT_OUT ||
             state == FLOW_STATE_DRAINING)
        add_links(input, replica, out);
    if (state == FLOW_STATE_WAIT_IN && held > 0) {
        flow_str_add(out, ", and");
        add_held(held, out);
    }
    if (input->threads != NULL && input->threads[replica].note[0] != '\0')
        flow_str_addf(out, ", %s", input->threads[replica].note);
}

/* ---- the headline ---- */

/* The edge of the circle on which more room would have let it go on. */
static size_t full_link(const struct flow_why_input *input, const struct flow_why *why)
{
    for (size_t i = 0; i < why->culprit_count; i++) {
        size_t link = 0;
        if (flow_read(&slot_of(input, why->culprits[i])->state) == FLOW_STATE_WAIT_OUT &&
            flow_why_waits_on(input, why->culprits[i], &link, 1) > 0)
            return link;
    }
    return FLOW_NONE;
}

static void add_circle(const struct flow_why_input *input, const struct flow_why *why,
                       struct flow_str *out)
{
    flow_str_add(out, "a deadlock: ");
    for (size_t i = 0; i < why->culprit_count; i++) {
        flow_str_add(out, i > 0 ? "; " : "");
        add_replica(input, why->culprits[i], out);
        flow_str_add(out, " ");
        add_doing(input, why->culprits[i], out);
    }
    const size_t link = full_link(input, why);
    char *name =
        link != FLOW_NONE ? flow_edge_name(input->plan, input->plan->links[link].edge) : NULL;
    if (name != NULL)
        flow_str_addf(out, "; a larger queue on %s would free it", name);
    free(name);
}

static void add_blame(const struct flow_why_input *input, const struct flow_why *why,
                      struct flow_str *out)
{
    flow_why_name(input, why->culprits[0], out);
    if (why->culprit_count > 1)
        flow_str_addf(out, " and %zu other%s", why->culprit_count - 1,
                      why->culprit_count > 2 ? "s" : "");
}

static const char *blame_words(enum flow_why_kind kind, bool many)
{
    switch (kind) {
    case FLOW_WHY_STOPPED:
        return many ? " are stopped by a signal (SIGCONT lets them go on)"
                    : " is stopped by a signal (SIGCONT lets it go on)";
    case FLOW_WHY_GONE:
        return many ? " are gone" : " is gone";
    case FLOW_WHY_OPENING:
        return many ? " have not come back from opening" : " has not come back from opening";
    case FLOW_WHY_HANGING:
    case FLOW_WHY_CALLBACK:
        return many ? " have not come back from a callback" : " has not come back from a callback";
    default:
        return many ? " sleep though there is work on the way or nobody to wait for"
                    : " sleeps though there is work on the way or nobody to wait for";
    }
}

static void add_cause(const struct flow_why_input *input, const struct flow_why *why,
                      struct flow_str *out)
{
    if (why->kind == FLOW_WHY_DEADLOCK) {
        add_circle(input, why, out);
        return;
    }
    add_blame(input, why, out);
    if (why->kind == FLOW_WHY_OUTSIDE) {
        flow_str_add(out, " ");
        add_doing(input, why->culprits[0], out);
        return;
    }
    flow_str_add(out, blame_words(why->kind, why->culprit_count > 1));
    if (why->kind != FLOW_WHY_STOPPED && why->kind != FLOW_WHY_GONE) {
        flow_str_add(out, " for ");
        add_duration(out, since(input, why->culprits[0]));
    }
    if (input->threads != NULL && input->threads[why->culprits[0]].note[0] != '\0')
        flow_str_addf(out, ", %s", input->threads[why->culprits[0]].note);
}

void flow_why_headline(const struct flow_why_input *input, const struct flow_why *why,
                       struct flow_str *out)
{
    if (why->kind == FLOW_WHY_BACK) {
        flow_str_add(out, input->back);
        return;
    }
    if (why->kind == FLOW_WHY_ENDED || why->kind == FLOW_WHY_MOVING) {
        flow_str_add(out,
                     why->kind == FLOW_WHY_ENDED ? "all stages have ended" : "records are moving");
        return;
    }
    if (why->kind == FLOW_WHY_HANGING) {
        flow_str_add(out, "records are moving, but ");
    } else {
        flow_str_add(out, "nothing has moved for at least ");
        add_duration(out, input->now_ns - input->moved_ns);
        flow_str_add(out, ": ");
    }
    add_cause(input, why, out);
}

/* ---- the details ---- */

static size_t name_width(const struct flow_why_input *input)
{
    char name[NAME_MAX_SIZE];
    size_t width = 0;
    for (size_t i = 0; i < input->plan->replica_count; i++) {
        const size_t size = strlen(flow_plan_replica_name(input->plan, i, name, sizeof(name)));
        width = size > width && size <= 24 ? size : width;
    }
    return width;
}

static void add_line(const struct flow_why_input *input, size_t replica, size_t width,
                     struct flow_str *out)
{
    char name[NAME_MAX_SIZE];
    const size_t task = input->plan->replicas[replica].task;
    const size_t actor = flow_why_actor(input->plan, input->board, task);
    flow_str_addf(out, "  %-*s  ", (int)width,
                  flow_plan_replica_name(input->plan, replica, name, sizeof(name)));
    if (replica != actor) {
        flow_str_add(out, "shares its thread with ");
        add_replica(input, actor, out);
    } else {
        add_doing(input, replica, out);
        flow_str_add(out, ", for ");
        add_duration(out, since(input, replica));
    }
    flow_str_add(out, "\n");
}

static bool is_culprit(const struct flow_why *why, size_t replica)
{
    for (size_t i = 0; i < why->culprit_count; i++)
        if (why->culprits[i] == replica)
            return true;
    return false;
}

void flow_why_details(const struct flow_why_input *input, const struct flow_why *why, size_t lines,
                      struct flow_str *out)
{
    const size_t width = name_width(input);
    size_t live = 0;
    for (size_t i = 0; i < why->culprit_count; i++, live++)
        if (live < lines)
            add_line(input, why->culprits[i], width, out);
    for (size_t i = 0; i < input->plan->replica_count; i++) {
        if (!flow_why_is_live(input->board, i) || is_culprit(why, i))
            continue;
        if (live < lines)
            add_line(input, i, width, out);
        live++;
    }
    if (live > lines)
        flow_str_addf(out, "  and %zu more\n", live - lines);
    if (live < input->plan->replica_count)
        flow_str_addf(out, "  %zu of %zu replicas have ended\n", input->plan->replica_count - live,
                      input->plan->replica_count);
}
