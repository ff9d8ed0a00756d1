/* SPDX-License-Identifier: MIT */
#include "control/death.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

/* A group of one replica, the second of 'words', and its counters. */
struct fixture {
    struct flow_board_replica counts[2];
    struct flow_plan_stage stage;
    struct flow_plan_replica replicas[2];
    size_t members[2];
    struct flow_plan_task task;
    size_t tasks[1];
    struct flow_plan_group group;
    struct flow_plan plan;
    struct flow_board board;
};

static void fill(struct fixture *f)
{
    *f = (struct fixture){
        .stage = {.name = "words", .first_replica = 0, .replica_count = 2},
        .replicas = {{.index = 0}, {.index = 1}},
        .members = {1, 0},
    };
    f->task = (struct flow_plan_task){.replicas = f->members, .replica_count = 1};
    f->group = (struct flow_plan_group){
        .spawned = true, .tasks = f->tasks, .task_count = 1, .replica_count = 1};
    f->plan = (struct flow_plan){.stages = &f->stage,
                                 .stage_count = 1,
                                 .replicas = f->replicas,
                                 .replica_count = 2,
                                 .tasks = &f->task,
                                 .task_count = 1,
                                 .groups = &f->group,
                                 .group_count = 1};
    f->board = (struct flow_board){.replicas = f->counts, .replica_count = 2};
    flow_set(&f->counts[1].state, FLOW_STATE_BUSY);
    flow_set(&f->counts[1].records_in, 4711);
    flow_set(&f->counts[1].records_out, 12);
}

TEST(a_death_names_stage_replica_pid_cause_moment_and_remedy)
{
    static const struct {
        struct flow_death death;
        enum flow_death_moment moment;
        const char *text;
    } cases[] = {
        {{.pid = 123, .known = true, .signal = SIGSEGV},
         FLOW_DIED_RUNNING,
         "stage 'words' replica 1 (pid 123) was killed by signal 11 (Segmentation fault) in a "
         "callback of its stage, after 4711 records in and 12 out; this is a fault in the stage's "
         "code: run it under a debugger or with -fsanitize=address"},
        {{.pid = 123, .known = true, .signal = SIGKILL},
         FLOW_DIED_OPENING,
         "stage 'words' replica 1 (pid 123) was killed by signal 9 (Killed) while its stage was "
         "opening; somebody killed it, or the system was out of memory (see dmesg)"},
        {{.pid = 5, .known = true, .signal = SIGABRT},
         FLOW_DIED_STARTING,
         "stage 'words' replica 1 (pid 5) was killed by signal 6 (Aborted) before it was ready; no "
         "callback of the stage had run: look at the limits (ulimit -a), and at what the stage's "
         "file does when it is loaded"},
        {{.pid = 5, .known = true, .code = 3},
         FLOW_DIED_RUNNING,
         "stage 'words' replica 1 (pid 5) exited with code 3 in a callback of its stage, after "
         "4711 records in and 12 out; a stage must not call exit: return flow_stage_fail instead"},
        {{.pid = 5, .known = true, .code = 127},
         FLOW_DIED_STARTING,
         "stage 'words' replica 1 (pid 5) exited with code 127 before it was ready; the program "
         "started for it must call flow_worker_main first, and must find its libraries"},
        {{.pid = 5, .known = true, .signal = SIGPIPE},
         FLOW_DIED_LEAVING,
         "stage 'words' replica 1 (pid 5) was killed by signal 13 (Broken pipe) when its work was "
         "done and counted; it wrote to a pipe that nobody reads any more"},
        {{.pid = 5},
         FLOW_DIED_RUNNING,
         "stage 'words' replica 1 (pid 5) ended, and somebody else has collected its exit status "
         "in a callback of its stage, after 4711 records in and 12 out; leave the children of a "
         "run to flow_run: no wait for any child, no ignored SIGCHLD"},
        {{.pid = 5, .known = true, .signal = SIGKILL, .forced = true},
         FLOW_DIED_RUNNING,
         "stage 'words' replica 1 (pid 5) closed its control channel, which a stage must not do, "
         "and was killed in a callback of its stage, after 4711 records in and 12 out; close only "
         "descriptors that the stage opened"},
    };
    struct fixture f;
    fill(&f);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_str text = {0};
        flow_death_describe(&cases[i].death, cases[i].moment, &f.plan, &f.board, 0, &text);
        assert_string_equal(text.text, cases[i].text);
        flow_str_clear(&text);
    }
}

/* Replica 1 calls replica 0: both are busy while the latter is at work. */
TEST(a_process_of_fused_stages_names_the_one_that_was_at_work)
{
    static const struct {
        enum flow_replica_state caller, called;
        enum flow_death_moment moment;
        const char *text;
    } cases[] = {
        {FLOW_STATE_BUSY, FLOW_STATE_BUSY, FLOW_DIED_RUNNING,
         "stage 'words' replica 1 and 1 others (pid 5) was killed by signal 9 (Killed), when "
         "'count' was at work, in a callback of its stage, after 10 records in and 3 out; "},
        {FLOW_STATE_BUSY, FLOW_STATE_WAIT_IN, FLOW_DIED_RUNNING,
         "stage 'words' replica 1 and 1 others (pid 5) was killed by signal 9 (Killed), when "
         "'words' was at work, in a callback of its stage, after 4711 records in and 12 out; "},
        {FLOW_STATE_WAIT_IN, FLOW_STATE_WAIT_IN, FLOW_DIED_RUNNING,
         "stage 'words' replica 1 and 1 others (pid 5) was killed by signal 9 (Killed), when "
         "'words' was at work, "},
        {FLOW_STATE_DONE, FLOW_STATE_OPENING, FLOW_DIED_OPENING,
         "stage 'words' replica 1 and 1 others (pid 5) was killed by signal 9 (Killed) while its "
         "stage was opening; "},
    };
    const struct flow_death death = {.pid = 5, .known = true, .signal = SIGKILL};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture f;
        struct flow_str text = {0};
        fill(&f);
        struct flow_plan_stage stages[] = {
            f.stage, {.name = "count", .first_replica = 0, .replica_count = 1}};
        f.plan.stages = stages;
        f.replicas[0].stage = 1;
        f.task.replica_count = f.group.replica_count = 2;
        flow_set(&f.counts[1].state, cases[i].caller);
        flow_set(&f.counts[0].state, cases[i].called);
        flow_set(&f.counts[0].records_in, 10);
        flow_set(&f.counts[0].records_out, 3);
        flow_death_describe(&death, cases[i].moment, &f.plan, &f.board, 0, &text);
        assert_memory_equal(text.text, cases[i].text, strlen(cases[i].text));
        flow_str_clear(&text);
    }
}

TEST(a_group_of_several_replicas_is_named_after_its_first)
{
    struct fixture f;
    struct flow_str text = {0};
    fill(&f);
    f.group.replica_count = 2;
    flow_group_describe(&f.plan, 0, &text);
    assert_string_equal(text.text, "stage 'words' replica 1 and 1 others");
    flow_str_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_death_names_stage_replica_pid_cause_moment_and_remedy),
        cmocka_unit_test(a_process_of_fused_stages_names_the_one_that_was_at_work),
        cmocka_unit_test(a_group_of_several_replicas_is_named_after_its_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
