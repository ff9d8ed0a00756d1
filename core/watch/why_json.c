/* SPDX-License-Identifier: MIT */

/* Why nothing moves, for programs. */

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "watch/figures.h"
#include "watch/why.h"

/* The setters return whether it worked; `value` is taken, and may be NULL. */
static bool set(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0;
}

static json_t *seconds(int64_t ns)
{
    return json_real(ns > 0 ? (double)ns / 1e9 : 0);
}

static json_t *count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *name_of(const struct flow_why_input *input, size_t replica)
{
    char name[160];
    return json_string(flow_plan_replica_name(input->plan, replica, name, sizeof(name)));
}

static json_t *link_json(const struct flow_why_input *input, size_t replica, size_t link)
{
    const struct flow_plan_link *self = &input->plan->links[link];
    const struct flow_board_link *slot = &input->board->links[link];
    const size_t task = input->plan->replicas[replica].task;
    const size_t end = input->plan->replicas[self->to].task == task ? self->from : self->to;
    char *edge = flow_edge_name(input->plan, self->edge);
    json_t *json = json_object();
    bool ok = edge != NULL && set(json, "replica", name_of(input, end)) &&
              set(json, "edge", json_string(edge)) &&
              set(json, "sent", count(flow_read(&slot->sent_batches))) &&
              set(json, "received", count(flow_read(&slot->received_batches))) &&
              set(json, "under_way", count(flow_read(&slot->full_batches))) &&
              set(json, "credit", count(self->credit.batches));
    free(edge);
    if (ok)
        return json;
    json_decref(json);
    return NULL;
}

static json_t *links_json(const struct flow_why_input *input, size_t replica)
{
    enum { MOST = 64 }; /* of a star of a thousand links the first show what is the matter */
    size_t links[MOST];
    const size_t found = flow_why_waits_on(input, replica, links, MOST);
    json_t *array = json_array();
    bool ok = array != NULL;
    for (size_t i = 0; i < found && i < MOST && ok; i++)
        ok = json_array_append_new(array, link_json(input, replica, links[i])) == 0;
    if (ok)
        return array;
    json_decref(array);
    return NULL;
}

static bool set_thread(json_t *json, const struct flow_why_input *input, size_t replica)
{
    const struct flow_plan_replica *self = &input->plan->replicas[replica];
    const struct flow_board_replica *slot = &input->board->replicas[replica];
    const char state[2] = {input->threads != NULL ? input->threads[replica].state : '\0', '\0'};
    const char *note = input->threads != NULL ? input->threads[replica].note : "";
    return set(json, "process", count(flow_read(&input->board->groups[self->group].pid))) &&
           set(json, "thread", count(flow_read(&slot->thread))) &&
           set(json, "kernel_state", json_string(state)) &&
           set(json, "note",
               flow_utf8_valid(note, strlen(note)) ? json_string(note) : json_string(""));
}

static json_t *replica_json(const struct flow_why_input *input, size_t replica)
{
    const struct flow_plan *plan = input->plan;
    const struct flow_board_replica *slot = &input->board->replicas[replica];
    const size_t actor = flow_why_actor(plan, input->board, plan->replicas[replica].task);
    json_t *json = json_object();
    bool ok = set(json, "name", name_of(input, replica)) &&
              set(json, "stage", json_string(plan->stages[plan->replicas[replica].stage].name)) &&
              set(json, "replica", count(plan->replicas[replica].index)) &&
              set(json, "state", json_string(flow_why_state(flow_read(&slot->state)))) &&
              set(json, "for", seconds(input->now_ns - (int64_t)flow_read(&slot->since_ns))) &&
              set(json, "in", count(flow_read(&slot->records_in))) &&
              set(json, "out", count(flow_read(&slot->records_out))) &&
              set(json, "thread_is_with", actor == replica ? json_null() : name_of(input, actor)) &&
              set_thread(json, input, replica) &&
              set(json, "waits_for", actor == replica ? links_json(input, replica) : json_array());
    if (ok)
        return json;
    json_decref(json);
    return NULL;
}

static json_t *replicas_json(const struct flow_why_input *input)
{
    json_t *array = json_array();
    bool ok = array != NULL;
    for (size_t i = 0; i < input->plan->replica_count && ok; i++)
        ok = json_array_append_new(array, replica_json(input, i)) == 0;
    if (ok)
        return array;
    json_decref(array);
    return NULL;
}

static json_t *stuck_json(const struct flow_why_input *input, const struct flow_why *why)
{
    json_t *array = json_array();
    bool ok = array != NULL;
    for (size_t i = 0; i < why->culprit_count && ok; i++)
        ok = json_array_append_new(array, name_of(input, why->culprits[i])) == 0;
    if (ok)
        return array;
    json_decref(array);
    return NULL;
}

json_t *flow_why_json(const struct flow_why_input *input, const struct flow_why *why)
{
    struct flow_str text = {0};
    flow_why_headline(input, why, &text);
    json_t *json = json_object();
    const bool ok =
        !text.failed && set(json, "graph", json_string(input->plan->graph->name)) &&
        set(json, "verdict", json_string(flow_why_kind_name(why->kind))) &&
        set(json, "text",
            flow_utf8_valid(text.text, text.size) ? json_string(text.text) : json_string("")) &&
        set(json, "quiet", seconds(input->moving ? 0 : input->now_ns - input->moved_ns)) &&
        set(json, "stuck", stuck_json(input, why)) && set(json, "replicas", replicas_json(input));
    flow_str_clear(&text);
    if (ok)
        return json;
    json_decref(json);
    return NULL;
}
