/* SPDX-License-Identifier: MIT */
/* The members of a graph that are not stages, and the policies that stages and edges share. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "graph/field.h"
#include "graph/text.h"

#define MAX_RETRIES 1000
#define CHECKPOINT_NS ((int64_t)10 * 1000 * 1000 * 1000)
#define CHECKPOINT_LEAST_NS ((int64_t)10 * 1000 * 1000)

static const char *const policy_names[] = {"stop", "skip", "route", NULL};
static const char *const when_full_names[] = {"block", "drop_new", "drop_old", "fail", NULL};
static const char *const when_full_later[] = {"spill", NULL};
static const char *const mode_names[] = {"threads", "processes", NULL};
static const struct flow_words mode_words = {mode_names, NULL};
static const char *const pin_names[] = {"none", "compact", "spread", NULL};
static const struct flow_words pin_words = {pin_names, NULL};
static const char *const stall_names[] = {"warn", "stop", NULL};
static const struct flow_words stall_words = {stall_names, NULL};
static const char *const delivery_names[] = {"none", "at-most-once", "at-least-once",
                                             "exactly-once", NULL};
static const struct flow_words delivery_words = {delivery_names, NULL};

void flow_reader_queue(struct flow_reader *r, const struct flow_node *node,
                       struct flow_queue *queue)
{
    static const char *const keys[] = {"items", "bytes", "when_full", NULL};
    static const struct flow_words words = {keys, NULL};
    static const struct flow_words when_full_words = {when_full_names, when_full_later};

    if (!flow_field_is_object(r, node))
        return;
    (void)flow_field_check_keys(r, node, &words, FLOW_NO_OWN_KEYS);
    int64_t items = 0;
    if (flow_field_int(r, flow_node_get(node, "items"), 1, UINT32_MAX, &items))
        queue->items = (uint64_t)items;
    (void)flow_field_size(r, flow_node_get(node, "bytes"), &queue->bytes);
    int when_full = 0;
    if (flow_field_word(r, flow_node_get(node, "when_full"), &when_full_words, &when_full))
        queue->when_full = (enum flow_when_full)when_full;
}

/* "10ms" (each time) or "10ms..1s" (doubling from the first to the second). */
static void read_backoff(struct flow_reader *r, const struct flow_node *node,
                         struct flow_error_policy *policy)
{
    const char *text = NULL;
    if (!flow_field_string(r, node, &text))
        return;
    const char *dots = strstr(text, "..");
    char *first = flow_strndup(text, dots != NULL ? (size_t)(dots - text) : strlen(text));
    if (first == NULL) {
        (void)flow_reader_no_memory(r);
        return;
    }
    int64_t low = 0;
    int64_t high = 0;
    const bool good = flow_parse_duration(first, &low) &&
                      flow_parse_duration(dots != NULL ? dots + 2 : first, &high);
    free(first);
    if (!good) {
        flow_diag_add(r->diag, FLOW_AT(node), NULL,
                      "'backoff' must be a duration or two, as in \"10ms\" or \"10ms..1s\", not %s",
                      flow_show(node).text);
    } else if (low > high) {
        flow_diag_add(r->diag, FLOW_AT(node), NULL,
                      "'backoff' must go from the shorter to the longer duration, not %s",
                      flow_show(node).text);
    } else {
        policy->backoff_ns = low;
        policy->backoff_max_ns = high;
    }
}

static bool read_policy_object(struct flow_reader *r, const struct flow_node *node,
                               struct flow_error_policy *policy)
{
    static const char *const keys[] = {"retry", "backoff", "then", NULL};
    static const struct flow_words words = {keys, NULL};
    static const struct flow_words then_words = {policy_names, NULL};

    (void)flow_field_check_keys(r, node, &words, FLOW_NO_OWN_KEYS);
    const struct flow_node *retry = flow_node_get(node, "retry");
    const struct flow_node *then_node = flow_node_get(node, "then");
    int64_t retries = 0;
    int then = FLOW_STOP;
    if (retry == NULL) {
        flow_diag_add(r->diag, FLOW_AT(node),
                      "without retries write \"errors\": \"skip\" and the like",
                      "'%s' has no 'retry': how many times to try again", node->key);
    }
    (void)flow_field_int(r, retry, 0, MAX_RETRIES, &retries);
    const bool good = flow_field_word(r, then_node, &then_words, &then) || then_node == NULL;
    *policy =
        (struct flow_error_policy){.then = (enum flow_on_error)then, .retries = (unsigned)retries};
    read_backoff(r, flow_node_get(node, "backoff"), policy);
    return good;
}

bool flow_reader_errors(struct flow_reader *r, const struct flow_node *node,
                        struct flow_error_policy *policy)
{
    if (node == NULL)
        return true;
    if (node->broken && json_is_string(node->json))
        return false;
    if (json_is_object(node->json))
        return read_policy_object(r, node, policy);
    const char *word = json_string_value(node->json);
    for (int i = 0; word != NULL && policy_names[i] != NULL; i++) {
        if (strcmp(word, policy_names[i]) == 0) {
            *policy = (struct flow_error_policy){.then = (enum flow_on_error)i};
            return true;
        }
    }
    struct flow_str hint = {0};
    if (word != NULL)
        flow_hint_closest(&hint, word, policy_names);
    flow_diag_add(r->diag, FLOW_AT(node), hint.text,
                  "'%s' must be stop, skip, route or { \"retry\": N, ... }, not %s", node->key,
                  flow_show(node).text);
    flow_str_clear(&hint);
    return false;
}

/* A word from the command line, by its index; -1: it is not one of them, which is a finding. */
static int read_option(struct flow_reader *r, const char *option, const char *value,
                       const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(value, words[i]) == 0)
            return i;
    struct flow_str known = {0};
    flow_hint_list(&known, words);
    if (known.failed)
        (void)flow_reader_no_memory(r);
    else
        flow_diag_add(r->diag, FLOW_DIAG_NOWHERE, 1, NULL, "%s must be one of %s, not '%s'", option,
                      known.text, flow_cut(value).text);
    flow_str_clear(&known);
    return -1;
}

static void read_run_options(struct flow_reader *r)
{
    const int mode =
        r->options->mode != NULL ? read_option(r, "--mode", r->options->mode, mode_names) : -1;
    const int pin =
        r->options->pin != NULL ? read_option(r, "--pin", r->options->pin, pin_names) : -1;
    if (mode >= 0)
        r->graph->mode = (enum flow_mode)mode;
    if (pin >= 0)
        r->graph->pin = (enum flow_pin)pin;
    if (r->options->stall != NULL && !flow_parse_duration(r->options->stall, &r->graph->stall_ns))
        flow_diag_add(r->diag, FLOW_DIAG_NOWHERE, 1, NULL,
                      "--stall must be a duration, as in \"250ms\" or \"30s\", not '%s'",
                      flow_cut(r->options->stall).text);
}

static void read_stall(struct flow_reader *r, const struct flow_node *run)
{
    int on_stall = 0;
    (void)flow_field_duration(r, flow_node_get(run, "stall"), &r->graph->stall_ns);
    if (flow_field_word(r, flow_node_get(run, "on_stall"), &stall_words, &on_stall))
        r->graph->stall_stops = on_stall == 1;
}

/* A folder, or true for the one beside the graph. */
static void read_state(struct flow_reader *r, const struct flow_node *node)
{
    if (node == NULL)
        return;
    if (json_is_boolean(node->json)) {
        r->graph->checkpoints = json_is_true(node->json);
        return;
    }
    const char *text = NULL;
    if (!flow_field_string(r, node, &text))
        return;
    r->graph->checkpoints = true;
    if (text[0] == '\0')
        flow_diag_add(r->diag, FLOW_AT(node), NULL,
                      "'state' must be a folder, or true for the one beside the graph, not \"\"");
    else
        flow_field_copy(r, node, &r->graph->state);
}

static void read_interval(struct flow_reader *r, const struct flow_node *node)
{
    int64_t interval = CHECKPOINT_NS;
    if (flow_field_duration(r, node, &interval) && interval < CHECKPOINT_LEAST_NS)
        flow_diag_add(r->diag, FLOW_AT(node), NULL, "'checkpoint' must be 10ms or more, not %s",
                      flow_show(node).text);
    else
        r->graph->checkpoint_ns = interval;
}

/* --state and --checkpoint; either asks for checkpoints. */
static void read_state_options(struct flow_reader *r)
{
    const char *state = r->options->state;
    const char *interval = r->options->checkpoint;
    r->graph->checkpoints = r->graph->checkpoints || state != NULL || interval != NULL;
    if (state != NULL && state[0] != '\0') {
        free(r->graph->state);
        r->graph->state = flow_strdup(state);
        if (r->graph->state == NULL)
            (void)flow_reader_no_memory(r);
    }
    if (interval != NULL && (!flow_parse_duration(interval, &r->graph->checkpoint_ns) ||
                             r->graph->checkpoint_ns < CHECKPOINT_LEAST_NS))
        flow_diag_add(r->diag, FLOW_DIAG_NOWHERE, 1, NULL,
                      "--checkpoint must be a duration of 10ms or more, as in 30s, not '%s'",
                      flow_cut(interval).text);
}

static void read_run(struct flow_reader *r, const struct flow_node *run)
{
    static const char *const keys[] = {"mode",       "pin",      "memory",   "drain",
                                       "fuse",       "stall",    "on_stall", "state",
                                       "checkpoint", "delivery", NULL};
    static const char *const later[] = {"halt_after_errors", "joblog", "metrics", NULL};
    static const struct flow_words words = {keys, later};

    r->graph->checkpoint_ns = CHECKPOINT_NS;
    if (flow_field_is_object(r, run)) {
        (void)flow_field_check_keys(r, run, &words, FLOW_NO_OWN_KEYS);
        int mode = 0;
        if (flow_field_word(r, flow_node_get(run, "mode"), &mode_words, &mode))
            r->graph->mode = (enum flow_mode)mode;
        int pin = 0;
        if (flow_field_word(r, flow_node_get(run, "pin"), &pin_words, &pin))
            r->graph->pin = (enum flow_pin)pin;
        (void)flow_field_size(r, flow_node_get(run, "memory"), &r->graph->memory);
        (void)flow_field_duration(r, flow_node_get(run, "drain"), &r->graph->drain_ns);
        (void)flow_reader_fuse_value(r, flow_node_get(run, "fuse"), &r->graph->fuse);
        read_stall(r, run);
        read_state(r, flow_node_get(run, "state"));
        read_interval(r, flow_node_get(run, "checkpoint"));
        (void)flow_reader_delivery(r, flow_node_get(run, "delivery"), &r->graph->delivery);
    }
    read_run_options(r);
    read_state_options(r);
    flow_reader_fuse_option(r);
}

static void read_defaults(struct flow_reader *r, const struct flow_node *defaults)
{
    static const char *const keys[] = {"queue", "errors", NULL};
    static const struct flow_words words = {keys, NULL};

    if (!flow_field_is_object(r, defaults))
        return;
    (void)flow_field_check_keys(r, defaults, &words, FLOW_NO_OWN_KEYS);
    flow_reader_queue(r, flow_node_get(defaults, "queue"), &r->source->default_queue);
    r->source->default_errors_node = flow_node_get(defaults, "errors");
    r->source->default_errors_unknown =
        !flow_reader_errors(r, r->source->default_errors_node, &r->source->default_errors);
}

static void check_version(struct flow_reader *r)
{
    const struct flow_node *node = flow_node_get(&r->source->root, "flowrun");
    if (node == NULL) {
        flow_diag_add(r->diag, FLOW_AT(&r->source->root), "begin the graph with \"flowrun\": 1",
                      "the key 'flowrun' is missing: it says which format the graph is written in");
    } else if (!json_is_integer(node->json)) {
        flow_diag_add(r->diag, FLOW_AT(node), NULL, "'flowrun' must be the number 1, not %s",
                      flow_show(node).text);
    } else if (json_integer_value(node->json) != 1) {
        flow_diag_add(r->diag, FLOW_AT(node), NULL,
                      "'flowrun' is %s, a format that is not known here; known: 1",
                      flow_show(node).text);
    }
}

/* The file's name without folder and ending. */
static char *name_of_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *start = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(start, '.');
    return flow_strndup(start, dot != NULL && dot != start ? (size_t)(dot - start) : strlen(start));
}

bool flow_reader_delivery(struct flow_reader *r, const struct flow_node *node,
                          enum flow_delivery *delivery)
{
    int index = 0;
    if (!flow_field_word(r, node, &delivery_words, &index))
        return false;
    *delivery = (enum flow_delivery)index;
    return true;
}

static void read_names(struct flow_reader *r)
{
    const char *schema;
    (void)flow_field_string(r, flow_node_get(&r->source->root, "$schema"), &schema);
    flow_field_copy(r, flow_node_get(&r->source->root, "description"), &r->graph->description);
    flow_field_copy(r, flow_node_get(&r->source->root, "name"), &r->graph->name);
    if (r->graph->name != NULL)
        return;
    const char *path = r->options->path;
    const bool has_file = path != NULL && strcmp(path, "-") != 0;
    r->graph->name = has_file ? name_of_file(path) : flow_strdup("graph");
    if (r->graph->name == NULL)
        (void)flow_reader_no_memory(r);
}

/* "ports" make a graph a stage of others. */
static void refuse_ports(struct flow_reader *r)
{
    const struct flow_node *node = flow_node_get(&r->source->root, "ports");
    if (node != NULL)
        flow_diag_add(r->diag, FLOW_AT_KEY(node),
                      "use it in another graph, as \"use\": \"./FILE.json\"",
                      "a graph with 'ports' is a stage of other graphs: it does not run by itself");
}

void flow_reader_head(struct flow_reader *r)
{
    static const char *const keys[] = {"flowrun", "name",     "description", "$schema", "plugins",
                                       "params",  "defaults", "stages",      "run",     "tests",
                                       "ports",   "spool",    NULL};
    static const struct flow_words words = {keys, NULL};

    check_version(r);
    (void)flow_field_check_keys(r, &r->source->root, &words, FLOW_OWN_KEYS);
    read_names(r);
    read_run(r, flow_node_get(&r->source->root, "run"));
    read_defaults(r, flow_node_get(&r->source->root, "defaults"));
    (void)flow_reader_spool(r, flow_node_get(&r->source->root, "spool"), &r->graph->spool_bytes);
    flow_reader_plugins(r);
    refuse_ports(r);
}

#define SPOOL_BYTES ((uint64_t)1 << 30)

bool flow_reader_spool(struct flow_reader *r, const struct flow_node *node, uint64_t *bytes)
{
    if (node == NULL)
        return false;
    if (json_is_boolean(node->json))
        *bytes = json_is_true(node->json) ? SPOOL_BYTES : 0;
    else
        (void)flow_field_size(r, node, bytes);
    return true;
}

/* What is for the whole run stands in the graph that is run. */
static void refuse_whole(struct flow_reader *r, const char *key)
{
    const struct flow_node *node = flow_node_get(&r->source->root, key);
    if (node != NULL)
        flow_diag_add(r->diag, FLOW_AT_KEY(node), NULL,
                      "'%s' stands in the graph that is run, not in one that it uses as a stage",
                      key);
}

void flow_reader_part_head(struct flow_reader *r)
{
    static const char *const keys[] = {"flowrun", "name",     "description", "$schema", "plugins",
                                       "params",  "defaults", "stages",      "ports",   "run",
                                       "tests",   "spool",    NULL};
    static const struct flow_words words = {keys, NULL};
    const char *text;

    check_version(r);
    (void)flow_field_check_keys(r, &r->source->root, &words, FLOW_OWN_KEYS);
    (void)flow_field_string(r, flow_node_get(&r->source->root, "$schema"), &text);
    (void)flow_field_string(r, flow_node_get(&r->source->root, "name"), &text);
    (void)flow_field_string(r, flow_node_get(&r->source->root, "description"), &text);
    refuse_whole(r, "run");
    refuse_whole(r, "spool");
    refuse_whole(r, "tests");
    read_defaults(r, flow_node_get(&r->source->root, "defaults"));
    flow_reader_plugins(r);
}

const char *flow_when_full_name(enum flow_when_full policy)
{
    return when_full_names[policy];
}

void flow_graph_forget_delivery(struct flow_graph *graph)
{
    graph->delivery = FLOW_DELIVERY_NONE;
    for (size_t i = 0; i < graph->stage_count; i++)
        graph->stages[i].delivery_given = false;
}

const char *flow_delivery_name(enum flow_delivery delivery)
{
    return delivery_names[delivery];
}

const char *flow_pin_name(enum flow_pin pin)
{
    return pin_names[pin];
}

const char *flow_on_error_name(enum flow_on_error policy)
{
    return policy_names[policy];
}
