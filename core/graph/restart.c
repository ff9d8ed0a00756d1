/* SPDX-License-Identifier: MIT */
/* "restart" and "timeout": what happens when the process of a stage dies, or hangs. */
#include "graph/field.h"

#define MAX_TRIES 1000000

const struct flow_restart flow_restart_default = {
    .on = true,
    .tries = 5,
    .window_ns = INT64_C(60) * 1000 * 1000 * 1000,
    .backoff_ns = INT64_C(100) * 1000 * 1000,
    .backoff_max_ns = INT64_C(5) * 1000 * 1000 * 1000,
};

static void read_object(struct flow_reader *r, const struct flow_node *node,
                        struct flow_restart *restart)
{
    static const char *const keys[] = {"tries", "window", "backoff", "max", NULL};
    static const struct flow_words words = {keys, NULL};
    const struct flow_node *max = flow_node_get(node, "max");
    int64_t tries = 0;
    (void)flow_field_check_keys(r, node, &words, FLOW_NO_OWN_KEYS);
    if (flow_field_int(r, flow_node_get(node, "tries"), 1, MAX_TRIES, &tries))
        restart->tries = (unsigned)tries;
    (void)flow_field_duration(r, flow_node_get(node, "window"), &restart->window_ns);
    (void)flow_field_duration(r, flow_node_get(node, "backoff"), &restart->backoff_ns);
    if (max == NULL && restart->backoff_max_ns < restart->backoff_ns)
        restart->backoff_max_ns = restart->backoff_ns;
    if (flow_field_duration(r, max, &restart->backoff_max_ns) &&
        restart->backoff_max_ns < restart->backoff_ns)
        flow_diag_add(r->diag, FLOW_AT(max), NULL, "'max' must not be shorter than 'backoff'");
}

void flow_reader_restart(struct flow_reader *r, const struct flow_node *node,
                         struct flow_restart *restart)
{
    if (node == NULL || (node->broken && json_is_string(node->json)))
        return;
    if (json_is_object(node->json))
        read_object(r, node, restart);
    else if (json_is_boolean(node->json))
        restart->on = json_is_true(node->json);
    else
        flow_diag_add(r->diag, FLOW_AT(node), NULL,
                      "'restart' must be true, false or { \"tries\": N, ... }, not %s",
                      flow_show(node).text);
}

void flow_reader_timeout(struct flow_reader *r, const struct flow_node *node, int64_t *timeout_ns)
{
    int64_t given = 0;
    if (!flow_field_duration(r, node, &given))
        return;
    if (given <= 0)
        flow_diag_add(r->diag, FLOW_AT(node), NULL,
                      "'timeout' must be longer than nothing; without one, leave it out");
    else
        *timeout_ns = given;
}
