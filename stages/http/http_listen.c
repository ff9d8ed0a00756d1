/* SPDX-License-Identifier: MIT */
#include <poll.h>

#include "server.h"
#include "shared/pace.h"

/*
 * A request goes through the queues of its server and this stage:
 *
 *     arrived ──emitted──> sent ──> answered: `acceptance`, once flow_wait has sent what was
 * emitted; `delivery`, once a checkpoint holds it; or after `within`
 *
 * With `delivery` the client is what the run goes back to: what was not answered was in no
 * checkpoint, and the client sends it again.
 */

enum answer { AFTER_ACCEPTANCE, AFTER_DELIVERY };

struct listen {
    struct http_rules rules; /* first: parameters are of it */
    int answer;              /* enum answer */
    int64_t within, idle, count;

    struct http_server server;
    struct http_queue sent; /* in the order of their serials */
    uint64_t emitted;       /* records, those of the runs before this one included */
    uint64_t saved;         /* ... when it was last saved */
    int64_t last_ns;        /* when the last request came */
};

/* clang-format off */
static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct http_rules, address, "127.0.0.1", "where to listen; 0.0.0.0: everywhere"),
    FLOW_PARAM_I64(struct http_rules, port, "0", 0, 65535, "there; 0: a free one, which is said"),
    FLOW_PARAM_LIST(struct http_rules, paths, NULL, "that are taken, as /a or /hooks/*; none: all"),
    FLOW_PARAM_LIST(struct http_rules, methods, "[\"POST\", \"PUT\"]", "that are taken"),
    FLOW_PARAM_STR(struct http_rules, token, NULL, "bearer token that requests must have"),
    FLOW_PARAM_STR(struct http_rules, key, NULL, "of records: 'path' or 'header:NAME'"),
    FLOW_PARAM_SIZE(struct http_rules, max_body, "1MiB", 1, 268000000.0, "largest body [bytes]"),
    FLOW_PARAM_I64(struct http_rules, max_open, "1000", 1, 100000, "connections at a time"),
    FLOW_PARAM_DURATION(struct http_rules, timeout, "30s", 1e9, 86400e9, "for a client that says nothing"),
    FLOW_PARAM_ENUM(struct listen, answer, "acceptance", "acceptance|delivery", "when a client is answered"),
    FLOW_PARAM_DURATION(struct listen, within, "30s", 1e6, 86400e9, "delivery, or the answer is 504"),
    FLOW_PARAM_DURATION(struct listen, idle, "0s", 0, 86400e9, "end when nothing comes for so long; 0: never"),
    FLOW_PARAM_I64(struct listen, count, "0", 0, (int64_t)1 << 53, "end after so many requests; 0: never"),
    FLOW_PARAM_END,
};
/* clang-format on */

static const struct flow_port outputs[] = {
    {"out", "bytes", "the body of a request each"},
    {NULL, NULL, NULL},
};

static enum flow_status listen_open(void *self, struct flow_stage *stage)
{
    struct listen *l = self;
    if (l->answer == AFTER_DELIVERY && !flow_stage_info(stage)->checkpoints)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'answer' is 'delivery', which only a run that takes checkpoints "
                               "knows of: give it a state folder, by \"run\": {\"state\": true} or "
                               "--state, or answer after 'acceptance'");
    const enum flow_status rc = http_server_open(&l->server, stage, &l->rules);
    if (rc == FLOW_OK)
        flow_log(stage, "listens on %s", l->server.where);
    return rc;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Until something must be done without a client's doing; -1: nothing. */
static int64_t patience(struct listen *l)
{
    if (l->answer == AFTER_ACCEPTANCE && l->sent.first != NULL)
        return 0; /* the wait is only there to have it sent */
    const int64_t now = flow_pace_now();
    int64_t most = http_server_patience(&l->server);
    if (l->sent.first != NULL)
        most = sooner(most, l->sent.first->due_ns > now ? l->sent.first->due_ns - now : 0);
    if (l->idle > 0)
        most = sooner(most, l->last_ns + l->idle > now ? l->last_ns + l->idle - now : 0);
    return most;
}

static void answer_accepted(struct listen *l)
{
    if (l->answer != AFTER_ACCEPTANCE)
        return;
    for (struct http_request *r; (r = http_queue_take(&l->sent)) != NULL;)
        http_server_answer(r, HTTP_ACCEPTED);
}

static void answer_late(struct listen *l)
{
    const int64_t now = l->sent.first != NULL ? flow_pace_now() : 0;
    while (l->sent.first != NULL && l->sent.first->due_ns <= now)
        http_server_answer(http_queue_take(&l->sent), HTTP_TOO_LATE);
}

static bool has_all(const struct listen *l)
{
    return l->count > 0 && l->emitted >= (uint64_t)l->count;
}

/* Everything that has arrived whole. */
static enum flow_status emit_arrived(struct listen *l, struct flow_stage *stage)
{
    enum flow_status rc = FLOW_OK;
    while (rc == FLOW_OK && l->server.arrived.first != NULL && !has_all(l)) {
        struct http_request *r = http_queue_take(&l->server.arrived);
        const struct flow_target to = {.key = r->key, .key_size = r->key_size};
        l->last_ns = flow_pace_now();
        r->due_ns = l->last_ns + l->within;
        r->serial = ++l->emitted;
        http_queue_add(&l->sent, r);
        rc = flow_emit_to(stage, &to, r->size > 0 ? r->body : "", r->size);
    }
    return rc;
}

/* No more than that. */
static enum flow_status end(struct listen *l)
{
    answer_accepted(l);
    http_server_end(&l->server);
    for (struct http_request *r; (r = http_queue_take(&l->server.arrived)) != NULL;)
        http_server_answer(r, HTTP_ENDING);
    http_server_run(&l->server);
    return FLOW_ECLOSED;
}

static enum flow_status listen_produce(void *self, struct flow_stage *stage)
{
    struct listen *l = self;
    if (l->last_ns == 0)
        l->last_ns = flow_pace_now();
    enum flow_status rc = flow_wait(stage, l->server.epoll, POLLIN, patience(l));
    if (rc == FLOW_ECLOSED)
        return end(l);
    if (rc != FLOW_OK && rc != FLOW_EAGAIN)
        return rc;
    answer_accepted(l);
    answer_late(l);
    if (has_all(l) || (l->idle > 0 && flow_pace_now() - l->last_ns >= l->idle))
        return end(l);
    http_server_run(&l->server);
    return emit_arrived(l, stage);
}

static enum flow_status listen_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    struct listen *l = self;
    (void)stage;
    l->saved = l->emitted;
    return flow_save_number(to, l->emitted);
}

static enum flow_status listen_restore(void *self, struct flow_stage *stage,
                                       struct flow_loader *from)
{
    struct listen *l = self;
    (void)stage;
    const enum flow_status rc = flow_load_number(from, &l->emitted);
    l->saved = l->emitted;
    return rc;
}

static enum flow_status listen_commit(void *self, struct flow_stage *stage, uint64_t epoch)
{
    struct listen *l = self;
    (void)stage;
    (void)epoch;
    if (l->answer != AFTER_DELIVERY)
        return FLOW_OK;
    while (l->sent.first != NULL && l->sent.first->serial <= l->saved)
        http_server_answer(http_queue_take(&l->sent), HTTP_DELIVERED);
    http_server_run(&l->server);
    return FLOW_OK;
}

static void listen_close(void *self, struct flow_stage *stage)
{
    struct listen *l = self;
    (void)stage;
    for (struct http_request *r; (r = http_queue_take(&l->sent)) != NULL;)
        http_server_answer(r, HTTP_ENDING);
    http_server_close(&l->server);
}

static const char *listen_weakness(const void *self)
{
    const struct listen *l = self;
    return l->answer == AFTER_ACCEPTANCE ? "clients do not send again what has been accepted"
                                         : NULL;
}

static const struct flow_stage_type listen_type = {
    .name = "http.listen",
    .help = "takes what clients send by HTTP, as webhooks",
    .role = FLOW_PRODUCER,
    .traits = FLOW_SINGLE | FLOW_ANSWERS,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct listen),
    .open = listen_open,
    .produce = listen_produce,
    .close = listen_close,
    .save = listen_save,
    .restore = listen_restore,
    .commit = listen_commit,
    .weakness = listen_weakness,
};

FLOW_PLUGIN(&listen_type);
