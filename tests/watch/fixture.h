/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTS_WATCH_FIXTURE_H
#define FLOW_TESTS_WATCH_FIXTURE_H

/*
 * A plan and a board filled by hand, whose books balance:
 *
 *                 balance                  key
 *     read (1000) ───────> words[0] (600) ─────> count[0] (1000)
 *                 ───────> words[1] (400) ─────> count[1] (1000)
 *                             │ errors (10)
 *                             └────────────────> late (10)
 *
 * The run takes one second on two CPUs.
 */

#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "watch/report.h"

#define SECOND 1000000000

enum { READ, WORDS, COUNT_KEYS, LATE, STAGES };
enum { READ_0, WORDS_0, WORDS_1, COUNT_0, COUNT_1, LATE_0, REPLICAS };
enum { R_W0, R_W1, W0_C0, W0_C1, W1_C0, W1_C1, W0_L, W1_L, LINKS };
enum { EDGE_WORDS, EDGE_COUNT, EDGE_LATE, EDGES };

struct fixture {
    struct flow_graph graph;
    struct flow_graph_stage graph_stages[STAGES];
    struct flow_stage_type types[STAGES];
    struct flow_plan plan;
    struct flow_plan_stage stages[STAGES];
    struct flow_plan_edge edges[EDGES];
    struct flow_plan_replica replicas[REPLICAS];
    struct flow_plan_link links[LINKS];
    struct flow_plan_task tasks[REPLICAS];
    size_t members[REPLICAS][REPLICAS];
    size_t in[REPLICAS][4];
    size_t out[REPLICAS][4];
    struct flow_board board;
    struct flow_board_replica board_replicas[REPLICAS];
    struct flow_board_link board_links[LINKS];
    struct flow_board_group board_groups[1];
};

static inline void wire(struct fixture *f, size_t link, size_t edge, size_t from, size_t to)
{
    f->links[link] = (struct flow_plan_link){.edge = edge, .from = from, .to = to};
    struct flow_plan_replica *up = &f->replicas[from];
    struct flow_plan_replica *down = &f->replicas[to];
    f->out[from][up->out_count++] = link;
    f->in[to][down->in_count++] = link;
}

static inline void fill_plan(struct fixture *f)
{
    static const char *const names[] = {"read", "words", "count", "late"};
    static const size_t counts[] = {1, 2, 2, 1};
    static char graph_name[] = "wordcount";
    f->graph.name = graph_name;
    size_t replica = 0;
    for (size_t i = 0; i < STAGES; i++) {
        f->stages[i] = (struct flow_plan_stage){
            .name = names[i],
            .graph = &f->graph_stages[i],
            .type = &f->types[i],
            .first_replica = replica,
            .replica_count = counts[i],
            .task_of = i,
        };
        for (unsigned n = 0; n < counts[i]; n++, replica++) {
            f->replicas[replica] = (struct flow_plan_replica){.stage = i,
                                                              .index = n,
                                                              .task = replica,
                                                              .in = f->in[replica],
                                                              .out = f->out[replica]};
            f->members[replica][0] = replica;
            f->tasks[replica] =
                (struct flow_plan_task){.replicas = f->members[replica], .replica_count = 1};
        }
    }
    f->graph_stages[WORDS].errors.then = FLOW_ROUTE;
    f->types[COUNT_KEYS].traits = FLOW_STATEFUL;
    f->edges[EDGE_WORDS] =
        (struct flow_plan_edge){.from = READ, .to = WORDS, .first_link = R_W0, .link_count = 2};
    f->edges[EDGE_COUNT] = (struct flow_plan_edge){
        .from = WORDS, .to = COUNT_KEYS, .share = FLOW_KEY, .first_link = W0_C0, .link_count = 4};
    f->edges[EDGE_LATE] = (struct flow_plan_edge){.from = WORDS,
                                                  .from_port = FLOW_PORT_ERRORS,
                                                  .to = LATE,
                                                  .first_link = W0_L,
                                                  .link_count = 2};
    wire(f, R_W0, EDGE_WORDS, READ_0, WORDS_0);
    wire(f, R_W1, EDGE_WORDS, READ_0, WORDS_1);
    wire(f, W0_C0, EDGE_COUNT, WORDS_0, COUNT_0);
    wire(f, W0_C1, EDGE_COUNT, WORDS_0, COUNT_1);
    wire(f, W1_C0, EDGE_COUNT, WORDS_1, COUNT_0);
    wire(f, W1_C1, EDGE_COUNT, WORDS_1, COUNT_1);
    wire(f, W0_L, EDGE_LATE, WORDS_0, LATE_0);
    wire(f, W1_L, EDGE_LATE, WORDS_1, LATE_0);
    f->plan = (struct flow_plan){
        .graph = &f->graph,
        .cpus = 2,
        .stages = f->stages,
        .stage_count = STAGES,
        .edges = f->edges,
        .edge_count = EDGES,
        .replicas = f->replicas,
        .replica_count = REPLICAS,
        .links = f->links,
        .link_count = LINKS,
        .tasks = f->tasks,
        .task_count = REPLICAS,
        .group_count = 1,
        .flight_bytes = (uint64_t)64 << 20,
        .engine_bytes = (uint64_t)32 << 20,
    };
}

/* Put the task of a replica into that of another; tasks stay in order without a gap. */
static inline void fuse(struct fixture *f, size_t into, size_t replica)
{
    struct flow_plan_task *task = &f->tasks[f->replicas[into].task];
    const size_t old = f->replicas[replica].task;
    task->replicas[task->replica_count++] = replica;
    f->replicas[replica].task = f->replicas[into].task;
    f->stages[f->replicas[replica].stage].task_of = f->stages[f->replicas[into].stage].task_of;
    for (size_t i = old; i + 1 < f->plan.task_count; i++)
        f->tasks[i] = f->tasks[i + 1];
    f->plan.task_count--;
    for (size_t i = 0; i < REPLICAS; i++)
        f->replicas[i].task -= f->replicas[i].task > old ? 1 : 0;
}

static inline void carry(struct fixture *f, size_t link, uint64_t records)
{
    struct flow_board_link *counts = &f->board_links[link];
    flow_set(&counts->sent, records);
    flow_set(&counts->received, records);
    flow_set(&counts->sent_batches, 4);
    flow_set(&counts->received_batches, 4);
    flow_set(&counts->sent_bytes, records * 10);
}

struct work {
    uint64_t in, done, out, cpu_ms, wait_in_ms, wait_out_ms;
};

static inline void do_work(struct fixture *f, size_t replica, const struct work *work)
{
    struct flow_board_replica *counts = &f->board_replicas[replica];
    flow_set(&counts->records_in, work->in);
    flow_set(&counts->bytes_in, work->in * 10);
    flow_set(&counts->done, work->done);
    flow_set(&counts->records_out, work->out);
    flow_set(&counts->bytes_out, work->out * 10);
    flow_set(&counts->start_ns, SECOND);
    flow_set(&counts->end_ns, 2 * (uint64_t)SECOND);
    flow_set(&counts->state, FLOW_STATE_DONE);
    flow_set(&counts->wait_in_ns, work->wait_in_ms * 1000000);
    flow_set(&counts->wait_out_ns, work->wait_out_ms * 1000000);
    flow_set(&counts->cpu_ns, work->cpu_ms * 1000000);
}

static inline void fill_board(struct fixture *f)
{
    carry(f, R_W0, 600);
    carry(f, R_W1, 400);
    carry(f, W0_C0, 700);
    carry(f, W0_C1, 500);
    carry(f, W1_C0, 300);
    carry(f, W1_C1, 500);
    carry(f, W0_L, 10);
    carry(f, W1_L, 0);
    do_work(f, READ_0, &(struct work){.out = 1000, .cpu_ms = 100, .wait_out_ms = 900});
    do_work(f, WORDS_0, &(struct work){600, 590, 1210, 500, 10, 20});
    do_work(f, WORDS_1, &(struct work){400, 400, 800, 500, 10, 20});
    do_work(f, COUNT_0, &(struct work){1000, 1000, 0, 100, 600, 0});
    do_work(f, COUNT_1, &(struct work){1000, 1000, 0, 100, 600, 0});
    do_work(f, LATE_0, &(struct work){10, 10, 0, 1, 999, 0});
    flow_set(&f->board_replicas[WORDS_0].routed, 10);
    flow_set(&f->board_replicas[WORDS_0].filtered, 25);
    flow_set(&f->board_groups[0].peak_bytes, (uint64_t)24 << 20);
    f->board = (struct flow_board){
        .fd = -1,
        .replicas = f->board_replicas,
        .links = f->board_links,
        .groups = f->board_groups,
        .replica_count = REPLICAS,
        .link_count = LINKS,
        .group_count = 1,
    };
}

static inline int set_up(void **state)
{
    struct fixture *f = aligned_alloc(64, (sizeof(*f) + 63) / 64 * 64);
    assert_non_null(f);
    memset(f, 0, sizeof(*f));
    fill_plan(f);
    fill_board(f);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    free(*state);
    return 0;
}

#endif /* FLOW_TESTS_WATCH_FIXTURE_H */
