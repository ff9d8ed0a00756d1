/* SPDX-License-Identifier: MIT */
#include "control/nursery.h"

/*
 * A nursery and what it makes, over groups without an engine.  This program is its own worker
 * program; the tests play the coordinator.
 */

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include "control/channel.h"
#include "control/fake_group.h"
#include "control/job.h"
#include "control/session.h"
#include "flowrun/run.h"
#include "support/check.h"
#include "watch/rows.h"

/* NOLINTBEGIN(concurrency-mt-unsafe): what is named so is used by one thread */

#define PATIENCE_MS 20000 /* a test that waits longer has failed */

struct fixture {
    char path[64];
    struct flow_session *session;
    struct flow_graph *graph;
    struct flow_plan *plan;
    struct flow_board board;
    struct flow_launch launch;
    struct flow_nursery nursery;
};

static void write_graph(char path[64])
{
    (void)snprintf(path, 64, "/tmp/flowrun-nursery-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(dprintf(fd, "{\"flowrun\": 1, \"stages\": {"
                            "\"from\": {\"use\": \"fake.from\"},"
                            "\"a-consumer\": {\"use\": \"fake.to\", \"from\": \"from\"}}}") > 0);
    close(fd);
}

static void set_up(struct fixture *f)
{
    *f = (struct fixture){.nursery = FLOW_NURSERY_NONE};
    struct flow_error err = {0};
    const struct flow_session_options options = {.builtin = fake_builtin};
    const struct flow_load_options load = {.mode = "processes", .fuse = "off"};
    write_graph(f->path);
    f->session = flow_session_new(&options, &err);
    f->graph = flow_graph_load(f->session, f->path, &load, NULL, &err);
    assert_string_equal(err.text, "");
    f->plan = flow_plan_new(f->graph, &(struct flow_plan_options){.cpus = 2}, &err);
    const struct flow_board_size size = flow_board_size_of(f->plan);
    assert_int_equal(flow_board_new(&size, true, &f->board, &err), FLOW_OK);
    const struct flow_job job = {.digest = flow_plan_digest(f->plan),
                                 .cpus = f->plan->cpus,
                                 .origin = f->graph->origin,
                                 .plugin_folders = f->session->plugin_folders};
    f->launch = (struct flow_launch){
        .plan = f->plan, .board = &f->board, .program = "/proc/self/exe", .job_fd = -1};
    assert_int_equal(flow_job_write(&job, &f->launch.job_fd, &err), FLOW_OK);
}

static void tear_down(struct fixture *f)
{
    flow_nursery_close(&f->nursery);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    close(f->launch.job_fd);
    flow_board_close(&f->board);
    flow_plan_free(f->plan);
    flow_graph_unload(f->graph);
    flow_session_free(f->session);
    assert_int_equal(unlink(f->path), 0);
}

/* Hear it out, until it has made a spare, has gone, or cannot. */
static void listen_to_it(struct flow_nursery *nursery)
{
    while (flow_nursery_fd(nursery) >= 0 && nursery->spare.pid == 0) {
        struct pollfd event = {.fd = flow_nursery_fd(nursery), .events = POLLIN};
        assert_int_equal(poll(&event, 1, PATIENCE_MS), 1);
        flow_nursery_hear(nursery);
    }
}

static enum flow_notice_kind hear(int fd)
{
    struct flow_notice notice;
    struct pollfd event = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&event, 1, PATIENCE_MS), 1);
    assert_int_equal(flow_channel_receive(fd, &notice, NULL), FLOW_OK);
    return notice.kind;
}

/* Does its command line end with this argument? */
static bool is_called(pid_t pid, const char *name)
{
    char path[64];
    char line[1024];
    (void)snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    const size_t size = fread(line, 1, sizeof(line), file);
    assert_int_equal(fclose(file), 0);
    const size_t length = strlen(name) + 1;
    return size > length && memcmp(line + size - length, name, length) == 0 &&
           line[size - length - 1] == '\0';
}

static struct flow_crew crew_of(size_t group)
{
    return (struct flow_crew){.launcher = &flow_process_launcher, .group = group, .fd = -1};
}

static void end(struct flow_crew *crew)
{
    struct flow_death death;
    (void)flow_process_launcher.force(crew);
    flow_process_launcher.collect(crew, &death);
    assert_true(death.known); /* it is a child of ours */
    assert_int_equal(death.signal, SIGKILL);
}

TEST(what_it_makes_is_a_child_of_ours_with_the_name_and_the_work_of_its_group)
{
    struct fixture f;
    set_up(&f);
    flow_nursery_open(&f.nursery, &f.launch);
    for (size_t group = 0; group < 2; group++) {
        struct flow_crew crew = crew_of(group);
        listen_to_it(&f.nursery);
        assert_true(is_called(f.nursery.spare.pid, "nursery"));
        assert_true(flow_nursery_give(&f.nursery, &crew));
        assert_int_equal(flow_channel_send(crew.fd, FLOW_SAY_NEW, FLOW_OK, NULL), FLOW_OK);
        assert_int_equal(hear(crew.fd), FLOW_SAY_READY);
        assert_true(is_called(crew.pid, group == 0 ? "from" : "a-consumer"));
        assert_int_equal(flow_read(&f.board.groups[group].pid), (uint64_t)crew.pid);
        assert_int_equal(flow_channel_send(crew.fd, FLOW_SAY_ABORT, FLOW_OK, NULL), FLOW_OK);
        assert_int_equal(hear(crew.fd), FLOW_SAY_ENDED);
        struct flow_death death;
        flow_process_launcher.collect(&crew, &death);
        assert_true(death.known && death.signal == 0 && death.code == 0);
    }
    tear_down(&f);
}

TEST(where_there_is_none_nothing_is_given)
{
    struct fixture f;
    set_up(&f);
    struct flow_crew crew = crew_of(0);
    assert_false(flow_nursery_give(&f.nursery, &crew));
    flow_nursery_hear(&f.nursery);
    assert_int_equal(crew.fd, -1);
    tear_down(&f);
}

TEST(a_spare_that_was_killed_is_not_given_and_the_next_one_is)
{
    struct fixture f;
    set_up(&f);
    flow_nursery_open(&f.nursery, &f.launch);
    listen_to_it(&f.nursery);
    const pid_t killed = f.nursery.spare.pid;
    struct pollfd closed = {.fd = f.nursery.spare.fd};
    assert_int_equal(kill(killed, SIGKILL), 0);
    assert_int_equal(poll(&closed, 1, PATIENCE_MS), 1);
    struct flow_crew crew = crew_of(0);
    assert_false(flow_nursery_give(&f.nursery, &crew));
    listen_to_it(&f.nursery);
    assert_true(flow_nursery_give(&f.nursery, &crew));
    assert_int_not_equal(crew.pid, killed);
    end(&crew);
    tear_down(&f);
}

TEST(one_that_was_killed_can_be_begun_anew)
{
    struct fixture f;
    set_up(&f);
    flow_nursery_open(&f.nursery, &f.launch);
    listen_to_it(&f.nursery);
    assert_int_equal(kill(f.nursery.home.pid, SIGKILL), 0);
    struct pollfd closed = {.fd = f.nursery.home.fd};
    assert_int_equal(poll(&closed, 1, PATIENCE_MS), 1);
    flow_nursery_hear(&f.nursery);
    assert_int_equal(flow_nursery_fd(&f.nursery), -1);
    struct flow_crew crew = crew_of(1);
    assert_true(flow_nursery_give(&f.nursery, &crew)); /* the spare outlives it */
    end(&crew);
    assert_false(flow_nursery_give(&f.nursery, &crew));

    flow_nursery_open(&f.nursery, &f.launch);
    listen_to_it(&f.nursery);
    assert_true(flow_nursery_give(&f.nursery, &crew));
    end(&crew);
    tear_down(&f);
}

TEST(where_it_cannot_be_it_is_not_tried_again)
{
    struct fixture f;
    set_up(&f);
    setenv("FLOW_TEST_THREAD", "1", 1); /* a process with two threads cannot be copied */
    flow_nursery_open(&f.nursery, &f.launch);
    listen_to_it(&f.nursery);
    unsetenv("FLOW_TEST_THREAD");
    assert_int_equal(flow_nursery_fd(&f.nursery), -1);
    flow_nursery_open(&f.nursery, &f.launch);
    assert_int_equal(flow_nursery_fd(&f.nursery), -1);
    struct flow_crew crew = crew_of(0);
    assert_false(flow_nursery_give(&f.nursery, &crew));
    tear_down(&f);
}

static void *wait_in_thread(void *context)
{
    wait_for_ever();
    return context;
}

/* What no process that is copied may have.  ThreadSanitizer brings a thread of its own. */
static bool has_threads(void)
{
#if defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    return true;
#endif
#endif
    return false;
}

int main(int argc, char **argv)
{
    const struct flow_session_options options = {.builtin = fake_builtin};
    int exit_code = 0;
    pthread_t thread;
    if (getenv("FLOW_TEST_THREAD") != NULL &&
        pthread_create(&thread, NULL, wait_in_thread, NULL) != 0)
        return 1;
    if (flow_worker_main(&options, argc, argv, &exit_code))
        return exit_code;

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_there_is_none_nothing_is_given),
        cmocka_unit_test(where_it_cannot_be_it_is_not_tried_again),
        cmocka_unit_test(what_it_makes_is_a_child_of_ours_with_the_name_and_the_work_of_its_group),
        cmocka_unit_test(a_spare_that_was_killed_is_not_given_and_the_next_one_is),
        cmocka_unit_test(one_that_was_killed_can_be_begun_anew),
    };
    return _cmocka_run_group_tests("nursery", tests, has_threads() ? 2 : COUNT(tests), NULL, NULL);
}

/* NOLINTEND(concurrency-mt-unsafe) */
