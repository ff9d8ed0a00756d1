/* SPDX-License-Identifier: MIT */

/*
 * Ports are a constant of a type, so there are eight of them, each with a parameter of its name
 * that says what goes there.  What the rules say is either all about JSON, then a record is scanned
 * once for all of them; or all about text, then each is a regular expression.
 */

#include <flowrun/stage.h>

#include <stdlib.h>

#include "shared/bytes.h"
#include "shared/condition.h"
#include "shared/regex.h"

#define RULES 8
#define PORT_REST RULES

enum { BY_JSON, BY_TEXT };
enum { SEND_FIRST, SEND_ALL };

struct router {
    char *a, *b, *c, *d, *e, *f, *g, *h;
    int by;
    int send;

    const char *rules[RULES]; /* NULL: nothing goes to this port */
    struct condition conditions[RULES];
    struct flow_regex patterns[RULES];
    struct flow_json_paths paths;
    struct flow_json_value *values; /* by slot */
};

#define RULE(port) FLOW_PARAM_STR(struct router, port, NULL, "what goes to port " #port)

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct router, a, FLOW_REQUIRED,
                   "what goes to port a: a condition, as for json.filter, or a pattern"),
    RULE(b),
    RULE(c),
    RULE(d),
    RULE(e),
    RULE(f),
    RULE(g),
    RULE(h),
    FLOW_PARAM_ENUM(struct router, by, "json", "json|text",
                    "rules are conditions about JSON, or regular expressions as in Perl"),
    FLOW_PARAM_ENUM(struct router, send, "first", "first|all",
                    "to the first port whose rule holds, or to all of them"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "records to part; for by: \"json\", one JSON document each"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"a", "bytes", "records for which rule a holds, unchanged"},
    {"b", "bytes", "records for which rule b holds"},
    {"c", "bytes", "records for which rule c holds"},
    {"d", "bytes", "records for which rule d holds"},
    {"e", "bytes", "records for which rule e holds"},
    {"f", "bytes", "records for which rule f holds"},
    {"g", "bytes", "records for which rule g holds"},
    {"h", "bytes", "records for which rule h holds"},
    {"rest", "bytes", "records for which no rule holds, unchanged"},
    {NULL, NULL, NULL},
};

static enum flow_status read_rule(struct router *r, struct flow_stage *stage, size_t i)
{
    const char *rule = r->rules[i];
    const char *port = outputs[i].name;
    if (r->by == BY_JSON) {
        struct condition_fault fault;
        if (condition_read(&r->conditions[i], rule, &r->paths, &fault))
            return FLOW_OK;
        return flow_stage_fail(stage, FLOW_EINVAL, "rule %s, '%.200s', character %zu: %s", port,
                               rule, fault.at, fault.text);
    }
    struct flow_regex_fault fault = {.at = 0};
    if (flow_regex_compile(&r->patterns[i], rule, strlen(rule), 0, &fault))
        return FLOW_OK;
    return flow_stage_fail(stage, FLOW_EINVAL, "rule %s, pattern '%.200s', character %zu: %s", port,
                           rule, fault.at + 1, fault.text);
}

static enum flow_status router_open(void *self, struct flow_stage *stage)
{
    struct router *r = self;
    const char *const rules[RULES] = {r->a, r->b, r->c, r->d, r->e, r->f, r->g, r->h};
    memcpy(r->rules, rules, sizeof(rules));
    flow_json_paths_init(&r->paths);
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; rc == FLOW_OK && i < RULES; i++)
        rc = rules[i] != NULL ? read_rule(r, stage, i) : FLOW_OK;
    if (rc != FLOW_OK)
        return rc;
    r->values = calloc(r->paths.count + 1, sizeof(*r->values));
    if (r->values == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for %zu values", r->paths.count);
    return FLOW_OK;
}

/* 1, 0, or -1 with a reason. */
static int rule_holds(struct router *r, size_t i, const struct flow_record *record,
                      struct condition_fault *fault)
{
    if (r->by == BY_JSON)
        return condition_holds(&r->conditions[i], r->values, fault);
    const int found = flow_regex_match(&r->patterns[i], record->data, record->size, 0, 0);
    if (found >= 0 || found == PCRE2_ERROR_NOMATCH)
        return found >= 0;
    struct flow_regex_fault reason;
    flow_regex_explain(found, &reason);
    memcpy(fault->text, reason.text, sizeof(reason.text));
    return -1;
}

/* Which rules hold: a bit for each.  All are tried before anything is sent, so that a record that
 * is refused has gone nowhere. */
static int try_rules(struct router *r, const struct flow_record *record, unsigned *ports,
                     struct condition_fault *fault)
{
    *ports = 0;
    for (size_t i = 0; i < RULES; i++) {
        const int holds = r->rules[i] != NULL ? rule_holds(r, i, record, fault) : 0;
        if (holds < 0)
            return (int)i;
        *ports |= (unsigned)holds << i;
        if (holds > 0 && r->send == SEND_FIRST)
            break;
    }
    return -1;
}

static enum flow_status route_record(struct router *r, struct flow_stage *stage,
                                     const struct flow_record *record, uint32_t index)
{
    struct flow_json_scan scan;
    if (r->by == BY_JSON &&
        !flow_json_scan(&scan, &r->paths, record->data, record->size, r->values)) {
        const size_t at = (size_t)(scan.fault_at - (const unsigned char *)record->data);
        return flow_batch_reject(stage, index, "not JSON: byte %zu: %s: %s", at + 1, scan.fault,
                                 flow_bytes_quote(scan.fault_at, record->size - at).text);
    }
    unsigned ports;
    struct condition_fault fault;
    const int failed = try_rules(r, record, &ports, &fault);
    if (failed >= 0)
        return flow_batch_reject(stage, index, "rule %s cannot be tried: %s", outputs[failed].name,
                                 fault.text);
    if (ports == 0)
        return flow_forward(stage, PORT_REST, record);
    enum flow_status rc = FLOW_OK;
    for (; rc == FLOW_OK && ports != 0; ports &= ports - 1)
        rc = flow_forward(stage, (unsigned)__builtin_ctz(ports), record);
    return rc;
}

static enum flow_status router_process_batch(void *self, struct flow_stage *stage,
                                             const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);)
        rc = route_record(self, stage, &c.record, (uint32_t)(c.record.number - batch->number));
    return rc;
}

static void router_close(void *self, struct flow_stage *stage)
{
    struct router *r = self;
    (void)stage;
    for (size_t i = 0; i < RULES; i++) {
        condition_clear(&r->conditions[i]);
        flow_regex_clear(&r->patterns[i]);
    }
    free(r->values);
    flow_json_paths_clear(&r->paths);
}

static const struct flow_stage_type router = {
    .name = "route",
    .help = "sends records to the ports whose rules hold for them",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct router),
    .open = router_open,
    .process_batch = router_process_batch,
    .close = router_close,
};

FLOW_PLUGIN(&router);
