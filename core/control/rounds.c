/* SPDX-License-Identifier: MIT */
#include "control/rounds.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum has { NOTHING, SAVED, FINISHED };

struct flow_rounds {
    struct flow_rounds_options options;
    struct flow_manifest next;              /* being filled; finished replicas stay in it */
    struct flow_manifest_replica *finished; /* ... as they were when they had finished */
    uint8_t *has;                           /* by replica, enum has: for `next` */
    bool *done;                             /* by replica: it has finished */
    size_t missing;                         /* replicas that have nothing for `next` */
    size_t unfinished;                      /* replicas that have not finished */
    uint64_t begun, committed;
    int64_t committed_ns; /* when that was, in this run; 0: before it */
    bool under_way, stopping, last;
    bool stop_begun; /* the one under way began when the run was asked to stop */
    int64_t due_ns;
};

enum flow_status flow_rounds_head(const struct flow_plan *plan, struct flow_manifest *head,
                                  struct flow_error *err)
{
    struct flow_manifest made = {.replica_count = plan->replica_count};
    made.graph = flow_strdup(plan->graph->name);
    made.stages = flow_calloc(plan->stage_count, sizeof(*made.stages));
    bool whole = made.graph != NULL && made.stages != NULL;
    for (size_t i = 0; whole && i < plan->stage_count; i++) {
        made.stages[i] = (struct flow_manifest_stage){
            .name = flow_strdup(plan->stages[i].name),
            .workers = plan->stages[i].replica_count,
            .digest = flow_plan_stage_digest(plan, i),
        };
        whole = made.stages[i].name != NULL;
        made.stage_count++;
    }
    if (whole) {
        *head = made;
        return FLOW_OK;
    }
    flow_manifest_clear(&made);
    return flow_fail(err, FLOW_ENOMEM, "no memory for checkpoints");
}

enum flow_status flow_rounds_new(const struct flow_rounds_options *options,
                                 struct flow_rounds **rounds, struct flow_error *err)
{
    const size_t count = options->head->replica_count;
    struct flow_rounds *made = flow_alloc(sizeof(*made));
    if (made == NULL)
        return flow_fail(err, FLOW_ENOMEM, "no memory for checkpoints");
    made->options = *options;
    made->unfinished = count;
    made->begun = made->committed = options->session;
    made->committed_ns = options->session_ns;
    made->due_ns = INT64_MAX;
    made->finished = flow_calloc(count, sizeof(*made->finished));
    made->has = flow_calloc(count, sizeof(*made->has));
    made->done = flow_calloc(count, sizeof(*made->done));
    enum flow_status rc = flow_manifest_copy_head(options->head, count, &made->next, err);
    if (rc == FLOW_OK && (made->finished == NULL || made->has == NULL || made->done == NULL))
        rc = flow_fail(err, FLOW_ENOMEM, "no memory for checkpoints");
    if (rc != FLOW_OK) {
        flow_rounds_free(made);
        return rc;
    }
    made->next.session = options->session;
    *rounds = made;
    return FLOW_OK;
}

void flow_rounds_free(struct flow_rounds *rounds)
{
    if (rounds == NULL)
        return;
    flow_manifest_clear(&rounds->next);
    free(rounds->finished);
    free(rounds->has);
    free(rounds->done);
    free(rounds);
}

void flow_rounds_start(struct flow_rounds *rounds, int64_t now_ns)
{
    rounds->due_ns = now_ns + rounds->options.interval_ns;
}

void flow_rounds_stop(struct flow_rounds *rounds, int64_t now_ns)
{
    rounds->stopping = true;
    if (!rounds->under_way && !rounds->last)
        rounds->due_ns = now_ns;
}

int64_t flow_rounds_due_ns(const struct flow_rounds *rounds)
{
    return rounds->due_ns;
}

uint64_t flow_rounds_last(const struct flow_rounds *rounds)
{
    return rounds->committed;
}

bool flow_rounds_is_last(const struct flow_rounds *rounds)
{
    return rounds->last && !rounds->under_way;
}

int64_t flow_rounds_last_ns(const struct flow_rounds *rounds)
{
    return rounds->committed_ns;
}

uint64_t flow_rounds_begin(struct flow_rounds *rounds)
{
    rounds->begun++;
    rounds->under_way = true;
    rounds->stop_begun = rounds->stopping;
    rounds->due_ns = INT64_MAX;
    rounds->missing = 0;
    for (size_t i = 0; i < rounds->next.replica_count; i++) {
        rounds->has[i] = rounds->done[i] ? FINISHED : NOTHING;
        rounds->missing += !rounds->done[i];
        if (rounds->done[i])
            rounds->next.replicas[i] = rounds->finished[i];
    }
    return rounds->begun;
}

/* ---- news ---- */

char *flow_rounds_write(size_t replica, uint64_t epoch, const struct flow_manifest_replica *saved)
{
    json_t *json = flow_blob_to_json(saved);
    char *text = NULL;
    if (json != NULL &&
        json_object_set_new(json, "replica", json_integer((json_int_t)replica)) == 0 &&
        json_object_set_new(json, "epoch", json_integer((json_int_t)epoch)) == 0)
        text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}

struct news {
    size_t replica;
    uint64_t epoch;
    struct flow_manifest_replica saved;
};

static bool read_news(const char *text, size_t replicas, struct news *news)
{
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const json_int_t replica = json_integer_value(json_object_get(json, "replica"));
    const json_int_t epoch = json_integer_value(json_object_get(json, "epoch"));
    const bool good = json != NULL && replica >= 0 && (uint64_t)replica < replicas && epoch >= 0 &&
                      flow_blob_from_json(json, &news->saved);
    json_decref(json);
    news->replica = (size_t)replica;
    news->epoch = (uint64_t)epoch;
    return good;
}

/* A process that took another's place may save once more what that one had saved. */
static bool is_repeated(const struct flow_rounds *rounds, const struct news *news)
{
    const struct flow_plan *plan = rounds->options.plan;
    const size_t at = news->replica;
    if (plan == NULL || !plan->stages[plan->replicas[at].stage].recovers)
        return false;
    if (rounds->done[at])
        return true;
    return !news->saved.finished &&
           (news->epoch <= rounds->committed ||
            (rounds->under_way && news->epoch == rounds->begun && rounds->has[at] != NOTHING));
}

/* Take it down; false: it makes no sense. */
static bool note(struct flow_rounds *rounds, const struct news *news)
{
    const size_t at = news->replica;
    const bool finished = news->saved.finished;
    if (rounds->done[at] || (!finished && (!rounds->under_way || news->epoch != rounds->begun ||
                                           rounds->has[at] != NOTHING)))
        return false;
    if (finished) {
        rounds->done[at] = true;
        rounds->finished[at] = news->saved;
        rounds->unfinished--;
    }
    /* One that had its moment in this round before it finished stands in it as it was then. */
    if (rounds->under_way && rounds->has[at] == NOTHING) {
        rounds->has[at] = finished ? FINISHED : SAVED;
        rounds->next.replicas[at] = news->saved;
        rounds->missing--;
    }
    return true;
}

static enum flow_status commit(struct flow_rounds *rounds, struct flow_error *err)
{
    rounds->next.epoch = rounds->begun;
    const enum flow_status rc = flow_state_commit(rounds->options.state, &rounds->next, err);
    if (rc == FLOW_OK)
        rounds->committed = rounds->begun;
    rounds->under_way = false;
    return rc;
}

enum flow_status flow_rounds_hear(struct flow_rounds *rounds, const char *text, int64_t now_ns,
                                  struct flow_round *round, struct flow_error *err)
{
    struct news news = {0};
    *round = (struct flow_round){0};
    if (!read_news(text, rounds->next.replica_count, &news))
        return flow_fail(err, FLOW_EPROTO, "a group of the run saved what it was not asked for");
    if (is_repeated(rounds, &news))
        return FLOW_OK;
    if (!note(rounds, &news))
        return flow_fail(err, FLOW_EPROTO, "a group of the run saved what it was not asked for");
    const bool all = rounds->unfinished == 0 && !rounds->last;
    if (!all && (!rounds->under_way || rounds->missing > 0))
        return FLOW_OK;
    if (all) {
        (void)flow_rounds_begin(rounds);
        rounds->last = true;
    }
    const enum flow_status rc = commit(rounds, err);
    if (rc != FLOW_OK)
        return rc;
    *round = (struct flow_round){
        .committed = rounds->committed,
        .last = rounds->last,
        .stop = rounds->stop_begun && !rounds->last,
    };
    rounds->committed_ns = now_ns;
    const int64_t wait = rounds->stopping ? 0 : rounds->options.interval_ns;
    rounds->due_ns = rounds->last || round->stop ? INT64_MAX : now_ns + wait;
    return FLOW_OK;
}

enum flow_status flow_rounds_close(struct flow_rounds *rounds, struct flow_error *err)
{
    rounds->next.done = true;
    return commit(rounds, err);
}
