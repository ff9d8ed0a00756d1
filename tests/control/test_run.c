/* SPDX-License-Identifier: MIT */
#include "flowrun/run.h"

/*
 * Whole runs over groups without an engine.  This program serves as its own worker program, and,
 * started with "coordinate FILE MODE", as a program of its own around flow_run, for the tests in
 * which that must die or cannot go on afterwards.
 */

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "control/fake_group.h"
#include "support/check.h"

/* NOLINTBEGIN(concurrency-mt-unsafe): what is named so is used by one thread */

#define SECOND ((int64_t)1000 * 1000 * 1000)
#define SOON (3 * SECOND) /* a second, and some for a machine that has other things to do */
#define PATIENCE_MS 20000 /* a test that waits longer has failed */

/* ---- one run ---- */

struct ran {
    enum flow_status rc;
    struct flow_error err;
    struct flow_run_result result;
    int64_t took_ns;
    char log[400]; /* the lines that were told, each with a newline */
    unsigned ticks;
};

static char base[64]; /* where runs make their folders, and where graphs lie */

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

/* Write a graph of two stages into the base folder. */
static void write_graph(const char *from_act, const char *to_act, const char *more, char path[100])
{
    (void)snprintf(path, 100, "%s.json", base);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fprintf(file,
                  "{\"flowrun\": 1, \"stages\": {"
                  " \"from\": {\"use\": \"fake.from\", \"with\": {\"act\": \"%s\"}},"
                  " \"to\": {\"use\": \"fake.to\", \"from\": \"from\", \"with\": {\"act\": \"%s\"}}"
                  "}%s}",
                  from_act, to_act, more);
    assert_int_equal(fclose(file), 0);
}

static void keep_line(void *context, const char *line)
{
    struct ran *ran = context;
    const size_t used = strlen(ran->log);
    (void)snprintf(ran->log + used, sizeof(ran->log) - used, "%s\n", line);
}

static void count_tick(void *context, const struct flow_progress *progress)
{
    struct ran *ran = context;
    ran->ticks += progress->elapsed_ns > 0;
}

struct setting {
    const char *mode;
    const char *worker_program; /* NULL: this one */
    int stop_fd;
    bool progress;
};

static struct ran run_file(const char *path, const struct setting *setting)
{
    struct ran ran = {0};
    const struct flow_session_options session_options = {.builtin = fake_builtin,
                                                         .worker_program = setting->worker_program};
    const struct flow_load_options load = {.mode = setting->mode};
    const struct flow_run_options options = {
        .stop_fd = setting->stop_fd,
        .context = &ran,
        .progress = setting->progress ? count_tick : NULL,
        .log = keep_line,
    };
    char *messages = NULL;
    struct flow_session *session = flow_session_new(&session_options, &ran.err);
    struct flow_graph *graph = flow_graph_load(session, path, &load, &messages, &ran.err);
    if (graph == NULL) {
        ran.rc = ran.err.status;
        free(messages);
    } else {
        const int64_t start_ns = now_ns();
        ran.rc = flow_run(session, graph, &options, &ran.result, &ran.err);
        ran.took_ns = now_ns() - start_ns;
    }
    if (!ran.result.stuck) {
        flow_graph_unload(graph);
        flow_session_free(session);
    }
    return ran;
}

static struct ran run_acts(const char *from_act, const char *to_act, const char *mode)
{
    char path[100];
    const struct setting setting = {.mode = mode, .stop_fd = -1};
    write_graph(from_act, to_act, "", path);
    return run_file(path, &setting);
}

static void drop(struct ran *ran)
{
    free(ran->result.report_text);
    free(ran->result.report_json);
}

static void assert_no_child(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void assert_no_folder(void)
{
    DIR *dir = opendir(base);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        assert_int_equal(entry->d_name[0], '.');
    closedir(dir);
}

static const char *const modes[] = {"threads", "processes"};

/* ---- runs that end by themselves ---- */

TEST(a_run_that_ends_well_is_reported_as_done)
{
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct ran ran = run_acts("end", "end", modes[i]);
        assert_string_equal(ran.err.text, "");
        assert_int_equal(ran.rc, FLOW_OK);
        assert_false(ran.result.stopped);
        assert_false(ran.result.stuck);
        assert_non_null(ran.result.report_text);
        assert_non_null(strstr(ran.result.report_json, "\"done\""));
        drop(&ran);
        assert_no_child();
        assert_no_folder();
    }
}

TEST(a_failure_in_any_phase_ends_the_run_with_its_message)
{
    static const struct {
        const char *act;
        const char *text;
        bool reported;
    } cases[] = {
        {"fail_open", "stage 'x': cannot open 'nothing.txt'", true},
        {"fail", "stage 'x': the disk is full", true},
    };
    for (size_t n = 0; n < COUNT(cases); n++) {
        for (size_t i = 0; i < COUNT(modes); i++) {
            const bool one_group = strcmp(modes[i], "threads") == 0; /* which acts as one */
            struct ran ran = run_acts(one_group ? "end" : "drain", cases[n].act, modes[i]);
            assert_int_equal(ran.rc, FLOW_EIO);
            assert_string_equal(ran.err.text, cases[n].text);
            assert_int_equal(ran.result.report_text != NULL, cases[n].reported);
            assert_false(ran.result.stuck);
            assert_true(ran.took_ns < SOON);
            drop(&ran);
            assert_no_child();
            assert_no_folder();
        }
    }
}

TEST(a_group_that_cannot_bind_is_a_fault_of_the_environment_without_a_report)
{
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct ran ran = run_acts("fail_new", "end", modes[i]);
        assert_int_equal(ran.rc, FLOW_EIO);
        assert_string_equal(ran.err.text, "cannot bind group 0");
        assert_null(ran.result.report_text);
        assert_null(ran.result.report_json);
        assert_no_child();
        assert_no_folder();
    }
}

TEST(what_stages_say_is_passed_on)
{
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct ran ran = run_acts("log", "end", modes[i]);
        assert_int_equal(ran.rc, FLOW_OK);
        assert_string_equal(ran.log, "stage 'x': hello\n");
        drop(&ran);
    }
}

TEST(a_run_whose_books_do_not_balance_fails_and_says_where)
{
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct ran ran = run_acts("lose", "end", modes[i]);
        assert_int_equal(ran.rc, FLOW_EPROTO);
        assert_non_null(strstr(ran.err.text, "from -> to"));
        assert_non_null(strstr(ran.result.report_json, "\"failed\""));
        drop(&ran);
    }
}

/* ---- deaths ---- */

TEST(a_process_that_dies_ends_the_run_within_a_second_and_is_named)
{
    static const struct {
        const char *act;
        const char *text;
    } cases[] = {
        {"crash", ") was killed by signal 11 (Segmentation fault) "},
        {"exit", ") exited with code 3 "},
    };
    for (size_t n = 0; n < COUNT(cases); n++) {
        struct ran ran = run_acts("abort", cases[n].act, "processes");
        assert_int_equal(ran.rc, FLOW_EIO);
        assert_memory_equal(ran.err.text, "stage 'to' replica 0 (pid ", 26);
        assert_non_null(strstr(ran.err.text, cases[n].text));
        assert_true(ran.took_ns < SOON);
        assert_non_null(ran.result.report_text);
        drop(&ran);
        assert_no_child();
        assert_no_folder();
    }
}

static void forget_kill(void)
{
    char path[200];
    (void)snprintf(path, sizeof(path), "%s/.killed", base);
    assert_int_equal(unlink(path), 0);
}

TEST(a_process_that_is_killed_before_records_flow_is_started_again)
{
    static const char *const acts[][2] = {
        {"die_new", "end"}, {"end", "die_new"}, {"die_open", "end"}, {"end", "die_open"}};
    for (size_t i = 0; i < COUNT(acts); i++) {
        struct ran ran = run_acts(acts[i][0], acts[i][1], "processes");
        assert_string_equal(ran.err.text, "");
        assert_int_equal(ran.rc, FLOW_OK);
        assert_non_null(strstr(ran.log, ") was killed by signal 9 (Killed) "));
        assert_non_null(strstr(ran.log, "; its process is replaced (1 of 5)\n"));
        forget_kill();
        drop(&ran);
        assert_no_child();
        assert_no_folder();
    }
}

TEST(who_is_killed_at_every_start_ends_the_run_at_the_limit_of_restart)
{
    char path[100];
    (void)snprintf(path, sizeof(path), "%s.json", base);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fprintf(file, "{\"flowrun\": 1, \"stages\": {"
                        "\"from\": {\"use\": \"fake.from\"},"
                        "\"to\": {\"use\": \"fake.to\", \"from\": \"from\","
                        " \"restart\": {\"tries\": 2, \"backoff\": \"1ms\"},"
                        " \"with\": {\"act\": \"doomed\"}}}}");
    assert_int_equal(fclose(file), 0);
    const struct setting setting = {.mode = "processes", .stop_fd = -1};
    struct ran ran = run_file(path, &setting);
    assert_int_equal(ran.rc, FLOW_EIO);
    assert_non_null(strstr(ran.err.text, "it had been replaced 2 times within "));
    drop(&ran);
    assert_no_child();
    assert_no_folder();
}

TEST(the_death_of_an_isolated_stage_ends_a_run_of_threads)
{
    char path[100];
    (void)snprintf(path, sizeof(path), "%s.json", base);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fprintf(file, "{\"flowrun\": 1, \"stages\": {"
                        "\"from\": {\"use\": \"fake.from\", \"with\": {\"act\": \"abort\"}},"
                        "\"to\": {\"use\": \"fake.to\", \"from\": \"from\", \"isolate\": true,"
                        " \"with\": {\"act\": \"crash\"}}}}");
    assert_int_equal(fclose(file), 0);
    const struct setting setting = {.mode = "threads", .stop_fd = -1};
    struct ran ran = run_file(path, &setting);
    assert_int_equal(ran.rc, FLOW_EIO);
    assert_memory_equal(ran.err.text, "stage 'to' replica 0 (pid ", 26);
    assert_true(ran.took_ns < SOON);
    drop(&ran);
    assert_no_child();
    assert_no_folder();
}

TEST(a_process_that_is_deaf_to_abort_is_killed_within_a_second)
{
    struct ran ran = run_acts("stuck", "fail", "processes");
    assert_int_equal(ran.rc, FLOW_EIO);
    assert_string_equal(ran.err.text, "stage 'x': the disk is full");
    assert_string_equal(ran.log, "stage 'x' does not come back from process\n");
    assert_false(ran.result.stuck);
    assert_true(ran.took_ns < SOON);
    drop(&ran);
    assert_no_child();
    assert_no_folder();
}

TEST(a_process_stuck_in_opening_is_killed_within_a_second_of_a_failure)
{
    struct ran ran = run_acts("stuck_open", "fail_open", "processes");
    assert_int_equal(ran.rc, FLOW_EIO);
    assert_string_equal(ran.err.text, "stage 'x': cannot open 'nothing.txt'");
    assert_string_equal(ran.log, "stage 'from' replica 0 did not end in time and is killed\n");
    assert_true(ran.took_ns < SOON);
    drop(&ran);
    assert_no_child();
    assert_no_folder();
}

TEST(a_worker_program_that_is_none_is_told_so)
{
    static const struct {
        const char *program;
        const char *text;
    } cases[] = {
        {"/nonexistent/flowrun", "cannot start '/nonexistent/flowrun' as process 0 of the run: No "
                                 "such file or directory"},
        {"/bin/false", ") exited with code 1 before it was ready; the program started for it must "
                       "call flow_worker_main first, and must find its libraries"},
    };
    for (size_t n = 0; n < COUNT(cases); n++) {
        char path[100];
        const struct setting setting = {
            .mode = "processes", .worker_program = cases[n].program, .stop_fd = -1};
        write_graph("end", "end", "", path);
        struct ran ran = run_file(path, &setting);
        assert_int_equal(ran.rc, FLOW_EIO);
        assert_non_null(strstr(ran.err.text, cases[n].text));
        assert_null(ran.result.report_text);
        assert_no_child();
        assert_no_folder();
    }
}

TEST(a_process_that_closes_its_channel_and_lives_on_is_killed_and_told)
{
    setenv("FLOW_TEST_HANG_UP", "1", 1);
    struct ran ran = run_acts("end", "end", "processes");
    unsetenv("FLOW_TEST_HANG_UP");
    assert_int_equal(ran.rc, FLOW_EIO);
    assert_non_null(strstr(ran.err.text, ") closed its control channel, which a stage must not do, "
                                         "and was killed before it was ready"));
    assert_true(ran.took_ns < SOON);
    assert_no_child();
    assert_no_folder();
}

TEST(a_program_that_does_not_serve_as_worker_cannot_start_itself_without_end)
{
    setenv("FLOW_TEST_NO_WORKER", "1", 1);
    struct ran ran = run_acts("end", "end", "processes");
    unsetenv("FLOW_TEST_NO_WORKER");
    assert_int_equal(ran.rc, FLOW_EIO);
    assert_non_null(strstr(ran.err.text, ") exited with code 42 before it was ready"));
    assert_no_child();
    assert_no_folder();
}

/* ---- stopping ---- */

/* Run with a stop_fd on which `bytes` have been written before. */
static struct ran run_stopped(const char *act, const char *mode, const char *bytes,
                              const char *more)
{
    int ends[2];
    char path[100];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], bytes, strlen(bytes)), strlen(bytes));
    write_graph(act, "end", more, path);
    const struct setting setting = {.mode = mode, .stop_fd = ends[0]};
    struct ran ran = run_file(path, &setting);
    close(ends[0]);
    close(ends[1]);
    return ran;
}

TEST(the_first_wish_to_stop_drains)
{
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct ran ran = run_stopped("drain", modes[i], "s", "");
        assert_int_equal(ran.rc, FLOW_OK);
        assert_true(ran.result.stopped);
        assert_non_null(strstr(ran.result.report_json, "\"stopped\""));
        drop(&ran);
        assert_no_child();
        assert_no_folder();
    }
}

TEST(the_second_wish_to_stop_aborts)
{
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct ran ran = run_stopped("abort", modes[i], "ss", "");
        assert_int_equal(ran.rc, FLOW_EABORT);
        assert_string_equal(ran.err.text,
                            "the run was aborted: it was asked to stop a second time");
        assert_true(ran.result.stopped);
        assert_true(ran.took_ns < SOON);
        drop(&ran);
        assert_no_child();
        assert_no_folder();
    }
}

TEST(draining_takes_no_longer_than_the_graph_allows)
{
    struct ran ran = run_stopped("abort", "processes", "s", ", \"run\": {\"drain\": \"20ms\"}");
    assert_int_equal(ran.rc, FLOW_EABORT);
    assert_non_null(strstr(ran.err.text, "draining took longer than run.drain allows (20"));
    assert_true(ran.result.stopped);
    drop(&ran);
    assert_no_child();
}

TEST(a_closed_stop_descriptor_wishes_nothing)
{
    int ends[2];
    char path[100];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[1]);
    write_graph("log", "end", "", path);
    const struct setting setting = {.mode = "threads", .stop_fd = ends[0]};
    struct ran ran = run_file(path, &setting);
    assert_int_equal(ran.rc, FLOW_OK);
    assert_false(ran.result.stopped);
    drop(&ran);
    close(ends[0]);
}

TEST(progress_is_told_while_a_run_goes_on)
{
    int ends[2];
    char path[100];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "s", 1), 1);
    write_graph("abort", "end", ", \"run\": {\"drain\": \"450ms\"}", path);
    const struct setting setting = {.mode = "threads", .stop_fd = ends[0], .progress = true};
    struct ran ran = run_file(path, &setting);
    assert_int_equal(ran.rc, FLOW_EABORT);
    assert_in_range(ran.ticks, 1, 4);
    drop(&ran);
    close(ends[0]);
    close(ends[1]);
}

/* ---- a program around flow_run that dies or cannot go on ---- */

struct coordinator {
    pid_t pid;
    int out; /* what it and its processes write to $FLOW_TEST_FD */
};

static struct coordinator start_coordinator(const char *path, const char *mode)
{
    int ends[2];
    char fd[16], self[200];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    assert_true(size > 0);
    self[size] = '\0';
    (void)snprintf(fd, sizeof(fd), "%d", ends[1]);
    setenv("FLOW_TEST_FD", fd, 1);

    struct coordinator coordinator = {.out = ends[0]};
    char word[] = "coordinate", file[100], how[16];
    (void)snprintf(file, sizeof(file), "%s", path);
    (void)snprintf(how, sizeof(how), "%s", mode);
    char *argv[] = {self, word, file, how, NULL};
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], ends[1]), 0);
    assert_int_equal(posix_spawn(&coordinator.pid, self, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    unsetenv("FLOW_TEST_FD");
    close(ends[1]);
    return coordinator;
}

/* Read until `lines` lines have come, or, with 0, until the end of the file. */
static void read_lines(int fd, unsigned lines, char *text, size_t size)
{
    size_t used = 0;
    unsigned seen = 0;
    text[0] = '\0';
    while (lines == 0 || seen < lines) {
        struct pollfd event = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&event, 1, PATIENCE_MS), 1);
        assert_true(used + 1 < size);
        const ssize_t got = read(fd, text + used, 1);
        assert_true(got >= 0);
        if (got == 0)
            break;
        seen += text[used] == '\n';
        used += (size_t)got;
        text[used] = '\0';
    }
    if (lines > 0)
        assert_int_equal(seen, lines);
}

TEST(when_the_coordinator_is_killed_its_processes_and_its_folder_go_too)
{
    static const char *const acts[] = {"drain", "stuck"};
    for (size_t i = 0; i < COUNT(acts); i++) {
        char path[100], text[200];
        write_graph("abort", acts[i], "", path);
        struct coordinator coordinator = start_coordinator(path, "processes");
        read_lines(coordinator.out, 2, text, sizeof(text)); /* both processes have begun */
        assert_int_equal(kill(coordinator.pid, SIGKILL), 0);
        assert_int_equal(waitpid(coordinator.pid, NULL, 0), coordinator.pid);
        read_lines(coordinator.out, 0, text, sizeof(text)); /* all have gone */
        close(coordinator.out);
        assert_no_folder();
    }
}

TEST(a_process_stuck_in_opening_goes_with_its_coordinator)
{
    char path[100], text[200];
    write_graph("stuck_open", "stuck_open", "", path);
    struct coordinator coordinator = start_coordinator(path, "processes");
    read_lines(coordinator.out, 2, text, sizeof(text));
    assert_int_equal(kill(coordinator.pid, SIGKILL), 0);
    assert_int_equal(waitpid(coordinator.pid, NULL, 0), coordinator.pid);
    read_lines(coordinator.out, 0, text, sizeof(text));
    close(coordinator.out);
    assert_no_folder();
}

TEST(a_thread_that_is_stuck_is_left_behind_and_told)
{
    static const struct {
        const char *act;
        const char *text;
    } cases[] = {
        {"stuck", "2 stuck stage 'x' does not come back from process\n"},
        {"stuck_open",
         "2 stuck stage 'from' replica 0 and 1 others does not come back from a callback and is "
         "left behind\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[100], text[400];
        int status = 0;
        write_graph(cases[i].act, "end", "", path);
        struct coordinator coordinator = start_coordinator(path, "threads");
        read_lines(coordinator.out, 1, text, sizeof(text)); /* it is stuck by now */
        assert_int_equal(kill(coordinator.pid, SIGTERM), 0);
        read_lines(coordinator.out, 0, text, sizeof(text));
        assert_int_equal(waitpid(coordinator.pid, &status, 0), coordinator.pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 7);
        assert_non_null(strstr(text, cases[i].text + 2));
        close(coordinator.out);
    }
}

TEST(a_signal_to_the_whole_family_of_processes_reaches_only_the_coordinator)
{
    char path[100], text[200], *rest = NULL;
    int status = 0;
    write_graph("drain", "drain", "", path);
    struct coordinator coordinator = start_coordinator(path, "processes");
    read_lines(coordinator.out, 2, text, sizeof(text));
    const pid_t first = (pid_t)strtol(text, &rest, 10);
    const pid_t second = (pid_t)strtol(rest, NULL, 10);
    const int signals[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < COUNT(signals); i++) {
        assert_int_equal(kill(first, signals[i]), 0);
        assert_int_equal(kill(second, signals[i]), 0);
    }
    assert_int_equal(kill(coordinator.pid, SIGUSR1), 0); /* one wish to stop */
    assert_int_equal(waitpid(coordinator.pid, &status, 0), coordinator.pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(coordinator.out);
}

/* ---- nothing is left ---- */

static size_t count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

TEST(many_runs_leave_no_descriptor_no_process_and_no_file)
{
    static const char *const acts[] = {"end", "fail_new", "fail_open", "fail", "crash"};
    struct ran first = run_acts("end", "end", "processes");
    drop(&first);
    const size_t before = count_descriptors();
    for (int n = 0; n < 20; n++) {
        for (size_t i = 0; i < COUNT(acts); i++) {
            struct ran ran = run_acts("end", acts[i], "processes");
            drop(&ran);
        }
        struct ran ran = run_acts("end", "end", "threads");
        assert_int_equal(ran.rc, FLOW_OK);
        drop(&ran);
    }
    assert_int_equal(count_descriptors(), before);
    assert_no_child();
    assert_no_folder();
}

/* ---- the program ---- */

static int stop_pipe[2] = {-1, -1};

static void on_signal(int number)
{
    const ssize_t wishes = number == SIGTERM ? 2 : 1;
    if (write(stop_pipe[1], "ss", (size_t)wishes) != wishes)
        abort();
}

/* SIGUSR1 wishes to stop, SIGTERM wishes it twice. */
static int coordinate(const char *path, const char *mode)
{
    const char *fd = getenv("FLOW_TEST_FD");
    if (pipe2(stop_pipe, O_CLOEXEC) != 0 || fd == NULL)
        return 9;
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGUSR1, on_signal);
    const struct setting setting = {.mode = mode, .stop_fd = stop_pipe[0]};
    struct ran ran = run_file(path, &setting);
    if (ran.result.stuck) {
        if (dprintf((int)strtol(fd, NULL, 10), "stuck %s", ran.log) < 0)
            return 9;
        _exit(7);
    }
    drop(&ran);
    return ran.rc == FLOW_OK ? 0 : 1;
}

static int make_base(void **state)
{
    (void)state;
    (void)snprintf(base, sizeof(base), "/tmp/flow-test-XXXXXX");
    if (mkdtemp(base) == NULL)
        return -1;
    setenv("XDG_RUNTIME_DIR", base, 1);
    return 0;
}

static int drop_base(void **state)
{
    (void)state;
    char path[100];
    (void)snprintf(path, sizeof(path), "%s.json", base);
    (void)unlink(path);
    return rmdir(base);
}

/* A worker that closes its channel, and lives on. */
static int hang_up(const char *channel)
{
    close((int)strtol(channel, NULL, 10));
    wait_for_ever();
    return 0;
}

/* A program that forgot to call flow_worker_main and begins anew.  42: it was told so. */
static int run_again(void)
{
    char path[100];
    const struct setting setting = {.mode = "processes", .stop_fd = -1};
    (void)snprintf(path, sizeof(path), "%s.json", getenv("XDG_RUNTIME_DIR"));
    const struct ran ran = run_file(path, &setting);
    return ran.rc == FLOW_EINVAL && strstr(ran.err.text, "call flow_worker_main") != NULL ? 42 : 1;
}

int main(int argc, char **argv)
{
    const struct flow_session_options options = {.builtin = fake_builtin};
    int exit_code = 0;
    if (argc > 2 && getenv("FLOW_TEST_HANG_UP") != NULL)
        return hang_up(argv[2]);
    if (argc > 2 && getenv("FLOW_TEST_NO_WORKER") != NULL)
        return run_again();
    if (flow_worker_main(&options, argc, argv, &exit_code))
        return exit_code;
    if (argc == 4 && strcmp(argv[1], "coordinate") == 0)
        return coordinate(argv[2], argv[3]);

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_that_ends_well_is_reported_as_done),
        cmocka_unit_test(a_failure_in_any_phase_ends_the_run_with_its_message),
        cmocka_unit_test(a_group_that_cannot_bind_is_a_fault_of_the_environment_without_a_report),
        cmocka_unit_test(what_stages_say_is_passed_on),
        cmocka_unit_test(a_run_whose_books_do_not_balance_fails_and_says_where),
        cmocka_unit_test(a_process_that_dies_ends_the_run_within_a_second_and_is_named),
        cmocka_unit_test(a_process_that_is_killed_before_records_flow_is_started_again),
        cmocka_unit_test(who_is_killed_at_every_start_ends_the_run_at_the_limit_of_restart),
        cmocka_unit_test(the_death_of_an_isolated_stage_ends_a_run_of_threads),
        cmocka_unit_test(a_process_that_is_deaf_to_abort_is_killed_within_a_second),
        cmocka_unit_test(a_process_stuck_in_opening_is_killed_within_a_second_of_a_failure),
        cmocka_unit_test(a_worker_program_that_is_none_is_told_so),
        cmocka_unit_test(a_process_that_closes_its_channel_and_lives_on_is_killed_and_told),
        cmocka_unit_test(a_program_that_does_not_serve_as_worker_cannot_start_itself_without_end),
        cmocka_unit_test(the_first_wish_to_stop_drains),
        cmocka_unit_test(the_second_wish_to_stop_aborts),
        cmocka_unit_test(draining_takes_no_longer_than_the_graph_allows),
        cmocka_unit_test(a_closed_stop_descriptor_wishes_nothing),
        cmocka_unit_test(progress_is_told_while_a_run_goes_on),
        cmocka_unit_test(when_the_coordinator_is_killed_its_processes_and_its_folder_go_too),
        cmocka_unit_test(a_process_stuck_in_opening_goes_with_its_coordinator),
        cmocka_unit_test(a_thread_that_is_stuck_is_left_behind_and_told),
        cmocka_unit_test(a_signal_to_the_whole_family_of_processes_reaches_only_the_coordinator),
        cmocka_unit_test(many_runs_leave_no_descriptor_no_process_and_no_file),
    };
    return cmocka_run_group_tests(tests, make_base, drop_base);
}

/* NOLINTEND(concurrency-mt-unsafe) */
