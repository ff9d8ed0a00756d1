/* SPDX-License-Identifier: MIT */

/*
 * A model of a run: batches as tokens, every link with room for one or two of them, replicas that
 * do nothing else while they wait for room, and a scheduler that picks any replica that can move.
 * If a plan could lock, some of many random graphs would stand still here.
 */

#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"
#include "support/check.h"
#include "support/hand_graph.h"

#define MOST_ROOM 2
#define MOST_PENDING 64

struct token {
    size_t number; /* to a numbered stage: its place; from one: the place of its input */
    bool last;     /* nothing more comes for this number by this link */
};

struct line {
    struct token tokens[MOST_ROOM];
    size_t count;
};

struct sending {
    size_t edge;
    size_t reader; /* replica; FLOW_NONE: whichever has room */
    struct token token;
};

struct actor {
    struct sending pending[MOST_PENDING];
    size_t first, count;
    size_t left; /* producers: batches to come */
    bool done;
};

struct model {
    const struct flow_plan *plan;
    struct line *lines;
    struct actor *actors;
    size_t *next; /* by replica and edge: the number to give, or that an ordered merge waits for */
    size_t room;
    uint64_t seed;
};

static size_t pick(struct model *m, size_t below)
{
    m->seed = m->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(m->seed >> 33) % below;
}

static void model_init(struct model *m, const struct flow_plan *plan, uint64_t seed)
{
    *m = (struct model){.plan = plan, .seed = seed};
    m->room = 1 + pick(m, MOST_ROOM);
    m->lines = calloc(plan->link_count + 1, sizeof(*m->lines));
    m->actors = calloc(plan->replica_count, sizeof(*m->actors));
    m->next = calloc(plan->replica_count * (plan->edge_count + 1), sizeof(*m->next));
    assert_true(m->lines != NULL && m->actors != NULL && m->next != NULL);
    for (size_t i = 0; i < plan->replica_count; i++)
        m->actors[i].left = plan->replicas[i].in_count == 0 ? 1 + pick(m, 20) : 0;
}

static void model_clear(struct model *m)
{
    free(m->lines);
    free(m->actors);
    free(m->next);
}

static void intend(struct model *m, size_t replica, const struct sending *sending)
{
    struct actor *actor = &m->actors[replica];
    assert_true(actor->count < MOST_PENDING);
    actor->pending[actor->count++] = *sending;
}

static void intend_all(struct model *m, size_t replica, size_t edge, const struct token *token)
{
    const struct flow_plan_stage *to = &m->plan->stages[m->plan->edges[edge].to];
    for (size_t i = 0; i < to->replica_count; i++) {
        const struct sending sending = {edge, to->first_replica + i, *token};
        intend(m, replica, &sending);
    }
}

/* What comes out on one edge for one batch that went in: no, one or two batches, and the mark. */
static void react_on_edge(struct model *m, size_t replica, size_t edge, size_t number)
{
    const struct flow_plan_edge *e = &m->plan->edges[edge];
    const struct flow_plan_stage *to = &m->plan->stages[e->to];
    const bool sequencer = m->plan->stages[m->plan->replicas[replica].stage].graph == NULL;
    const struct token token = {.number = number};
    for (size_t parts = sequencer ? 1 : pick(m, 3); parts > 0; parts--) {
        struct sending sending = {edge, FLOW_NONE, token};
        if (e->share == FLOW_KEY)
            sending.reader = to->first_replica + pick(m, to->replica_count);
        if (e->share == FLOW_ALL)
            intend_all(m, replica, edge, &token);
        else
            intend(m, replica, &sending);
    }
    const struct token mark = {.number = number, .last = true};
    if (e->merge_numbered)
        intend_all(m, replica, edge, &mark);
}

static void react(struct model *m, size_t replica, size_t number)
{
    const struct flow_plan_replica *r = &m->plan->replicas[replica];
    m->actors[replica].first = m->actors[replica].count = 0;
    for (size_t i = 0; i < r->out_count; i++) {
        const size_t edge = m->plan->links[r->out[i]].edge;
        if (i == 0 || edge != m->plan->links[r->out[i - 1]].edge)
            react_on_edge(m, replica, edge, number);
    }
}

static bool send_first(struct model *m, size_t replica)
{
    struct actor *actor = &m->actors[replica];
    const struct flow_plan_replica *r = &m->plan->replicas[replica];
    struct sending *sending = &actor->pending[actor->first];
    for (size_t i = 0; i < r->out_count; i++) {
        const struct flow_plan_link *link = &m->plan->links[r->out[i]];
        struct line *line = &m->lines[r->out[i]];
        if (link->edge != sending->edge || line->count == m->room ||
            (sending->reader != FLOW_NONE && sending->reader != link->to))
            continue;
        if (m->plan->stages[m->plan->edges[link->edge].to].numbered)
            sending->token.number = m->next[replica * m->plan->edge_count + link->edge]++;
        line->tokens[line->count++] = sending->token;
        actor->first++;
        return true;
    }
    return false;
}

/* Take one batch, from any link that has one which is not to wait for a lower number. */
static bool take(struct model *m, size_t replica)
{
    const struct flow_plan_replica *r = &m->plan->replicas[replica];
    const size_t start = r->in_count > 0 ? pick(m, r->in_count) : 0;
    for (size_t i = 0; i < r->in_count; i++) {
        const size_t link = r->in[(start + i) % r->in_count];
        const size_t edge = m->plan->links[link].edge;
        struct line *line = &m->lines[link];
        size_t *next = &m->next[replica * m->plan->edge_count + edge];
        const struct token token = line->tokens[0];
        const bool merges = m->plan->edges[edge].merge_numbered;
        if (line->count == 0 || (merges && token.number != *next))
            continue;
        if (merges && token.last)
            ++*next;
        memmove(line->tokens, line->tokens + 1, --line->count * sizeof(token));
        if (!token.last)
            react(m, replica, token.number);
        return true;
    }
    return false;
}

static bool input_has_ended(const struct model *m, size_t replica)
{
    const struct flow_plan_replica *r = &m->plan->replicas[replica];
    bool ended = true;
    for (size_t i = 0; i < r->in_count && ended; i++)
        ended = m->lines[r->in[i]].count == 0 && m->actors[m->plan->links[r->in[i]].from].done;
    return ended;
}

/* One move of a replica; false: it can make none. */
static bool move(struct model *m, size_t replica)
{
    struct actor *actor = &m->actors[replica];
    if (actor->done)
        return false;
    if (actor->first < actor->count)
        return send_first(m, replica);
    if (actor->left > 0) {
        actor->left--;
        react(m, replica, 0);
        return true;
    }
    if (take(m, replica))
        return true;
    actor->done = input_has_ended(m, replica);
    return actor->done;
}

/* Until nothing moves; then every replica must be done. */
static bool comes_to_its_end(const struct flow_plan *plan, uint64_t seed)
{
    struct model m;
    model_init(&m, plan, seed);
    bool moved = true;
    while (moved) {
        moved = false;
        const size_t start = pick(&m, plan->replica_count);
        for (size_t i = 0; i < plan->replica_count && !moved; i++)
            moved = move(&m, (start + i) % plan->replica_count);
    }
    bool ended = true;
    for (size_t i = 0; i < plan->replica_count; i++)
        ended = ended && m.actors[i].done;
    model_clear(&m);
    return ended;
}

static struct hand *random_graph(uint64_t seed)
{
    static const struct flow_stage_type *const types[] = {&hand_map, &hand_split, &hand_join};
    struct model m = {.seed = seed};
    struct hand *h = hand_new();
    const size_t count = 2 + pick(&m, 9);
    for (size_t i = 0; i < count; i++) {
        const size_t inputs = i == 0 ? 0 : pick(&m, 6);
        const size_t stage = hand_stage(h, "s", inputs == 0 ? &hand_source : types[pick(&m, 3)],
                                        (unsigned)(1 + pick(&m, 3)));
        h->stages[stage].order = pick(&m, 4) == 0 ? FLOW_ORDER_NONE : FLOW_ORDER_INPUT;
        for (size_t k = 0; k < inputs / 2; k++) {
            struct flow_graph_edge *edge = hand_edge(h, pick(&m, i), i);
            edge->share = pick(&m, 2) == 0 ? FLOW_BALANCE : (enum flow_share)pick(&m, 3);
            edge->from_port = pick(&m, 5) == 0 ? FLOW_PORT_ERRORS : 0;
        }
    }
    return h;
}

TEST(no_plan_locks_however_short_its_links_are)
{
    size_t numbered = 0;
    size_t sequencers = 0;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct hand *h = random_graph(seed);
        struct flow_plan *plan = flow_plan_new(&h->graph, NULL, NULL);
        assert_non_null(plan);
        for (size_t i = 0; i < plan->stage_count; i++) {
            numbered += plan->stages[i].numbered;
            sequencers += plan->stages[i].graph == NULL;
        }
        assert_true(comes_to_its_end(plan, seed));
        flow_plan_free(plan);
        hand_free(h);
    }
    assert_in_range(numbered, 500, 100000);
    assert_in_range(sequencers, 200, 100000);
}

/* What the sequencers are for, and proof that the model can tell. */
TEST(two_replicas_that_number_for_one_stage_would_lock)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 2);
    const size_t work = hand_stage(h, "work", &hand_map, 3);
    const size_t print = hand_stage(h, "print", &hand_sink, 1);
    (void)hand_edge(h, read, work);
    (void)hand_edge(h, work, print);
    h->stages[work].order = FLOW_ORDER_NONE;
    struct flow_plan *plan = flow_plan_new(&h->graph, NULL, NULL);
    assert_non_null(plan);
    assert_int_equal(plan->stage_count, 3);
    plan->stages[work].numbered = true;
    plan->edges[1].merge_numbered = true;
    size_t locked = 0;
    for (uint64_t seed = 1; seed <= 50; seed++)
        locked += !comes_to_its_end(plan, seed);
    assert_in_range(locked, 1, 50);
    flow_plan_free(plan);
    hand_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_plan_locks_however_short_its_links_are),
        cmocka_unit_test(two_replicas_that_number_for_one_stage_would_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
