/* SPDX-License-Identifier: MIT */

/*
 * The verb that runs a graph's own tests.  Each runs in a process of its own, with the environment
 * that it asks for: a stage that crashes or never ends costs one test.  What the test found comes
 * through a pipe, whose end is also the end of the process.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exit_code.h"
#include "say.h"
#include "session.h"
#include "verbs.h"

#define NS_PER_MS 1000000
#define GRACE_NS ((int64_t)5 * 1000 * NS_PER_MS) /* for a test that is asked to end */

enum {
    CHILD_PASSED = 0,
    CHILD_FAILED = 1,
    CHILD_BROKEN = 2, /* there was no test: the pipe says why */
};

/* A test under way, and afterwards. */
struct trial {
    const struct arguments *arguments;
    const struct opened *opened;
    size_t index;
    struct flow_test_info info;
    pid_t pid;
    int found;  /* reads what the test found; -1: none */
    int stop;   /* writing asks the run to end; -1: none */
    char *text; /* what it found, ends with a zero; NULL: nothing */
    size_t size;
    bool overdue;
    int status; /* as waitpid has it */
    int64_t took_ns;
};

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- in the test's process ---- */

static void set_environment(const struct trial *trial)
{
    const char *value = NULL;
    const char *name;
    for (size_t i = 0;
         (name = flow_graph_test_env(trial->opened->graph, trial->index, i, &value)) != NULL; i++)
        (void)setenv(name, value, 1);
}

static void tell(int to, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        const ssize_t done = write(to, text, left);
        if (done < 0)
            return;
        text += done;
        left -= (size_t)done;
    }
}

/* Does not return.  What stages print is no result here. */
static void serve(const struct trial *trial, int to, int stop)
{
    const struct flow_load_options load = load_options(trial->arguments);
    const struct flow_run_options options = {.stop_fd = stop};
    struct flow_error err = {0};
    char *findings = NULL;
    (void)dup2(STDERR_FILENO, STDOUT_FILENO);
    set_environment(trial);
    const enum flow_status rc = flow_test_run(trial->opened->session, trial->arguments->operand,
                                              &load, trial->index, &options, &findings, &err);
    if (rc != FLOW_OK)
        tell(to, err.text);
    else if (findings != NULL)
        tell(to, findings);
    _exit(rc != FLOW_OK ? CHILD_BROKEN : findings != NULL ? CHILD_FAILED : CHILD_PASSED);
}

/* ---- in this process ---- */

static void close_pipe(int ends[2])
{
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            (void)close(ends[i]);
}

static bool begin(struct trial *trial)
{
    int found[2] = {-1, -1};
    int stop[2] = {-1, -1};
    if (pipe2(found, O_CLOEXEC) != 0 || pipe2(stop, O_CLOEXEC) != 0) {
        close_pipe(found);
        return say_error("cannot make a pipe: %s", strerror(errno));
    }
    (void)fflush(NULL);
    trial->pid = fork();
    if (trial->pid == 0) {
        (void)close(found[0]);
        (void)close(stop[1]);
        serve(trial, found[1], stop[0]);
    }
    if (trial->pid < 0) {
        (void)say_error("cannot start a process: %s", strerror(errno));
        close_pipe(found);
        close_pipe(stop);
        return false;
    }
    (void)close(found[1]);
    (void)close(stop[0]);
    trial->found = found[0];
    trial->stop = stop[1];
    return true;
}

/* Take what has come.  False: the other end is closed, or there is no memory. */
static bool take(struct trial *trial)
{
    char *text = realloc(trial->text, trial->size + 4097);
    if (text == NULL)
        return false;
    trial->text = text;
    const ssize_t got = read(trial->found, text + trial->size, 4096);
    trial->size += got > 0 ? (size_t)got : 0;
    text[trial->size] = '\0';
    return got > 0 || (got < 0 && errno == EINTR);
}

/* Until the other end is closed, or `until`.  False: it is still open. */
static bool listen_until(struct trial *trial, int64_t until)
{
    for (;;) {
        const int64_t left = until - now_ns();
        struct pollfd ready = {.fd = trial->found, .events = POLLIN};
        const int64_t ms = left > 0 ? left / NS_PER_MS + 1 : 0;
        const int rc = poll(&ready, 1, ms < 60000 ? (int)ms : 60000);
        if (rc > 0 && !take(trial))
            return true;
        if (rc == 0 && left <= 0)
            return false;
    }
}

/* Let the test run to its end, or bring it to one. */
static void finish(struct trial *trial)
{
    const int64_t begun = now_ns();
    trial->overdue = !listen_until(trial, begun + trial->info.within_ns);
    if (trial->overdue) {
        const ssize_t asked = write(trial->stop, "xx", 2); /* the second aborts */
        if (asked != 2 || !listen_until(trial, now_ns() + GRACE_NS))
            (void)kill(trial->pid, SIGKILL);
    }
    while (waitpid(trial->pid, &trial->status, 0) < 0 && errno == EINTR)
        continue;
    trial->took_ns = now_ns() - begun;
    (void)close(trial->found);
    (void)close(trial->stop);
}

/* ---- the account of it ---- */

static bool has_passed(const struct trial *trial)
{
    return !trial->overdue && WIFEXITED(trial->status) &&
           WEXITSTATUS(trial->status) == CHILD_PASSED;
}

/* Each line of what was found, behind `margin`. */
static void print_lines(const char *margin, const char *text)
{
    while (text != NULL && *text != '\0') {
        const size_t size = strcspn(text, "\n");
        (void)printf("%s%.*s\n", margin, (int)size, text);
        text += size + (text[size] == '\n' ? 1 : 0);
    }
}

static void print_why(const struct trial *trial, const char *margin)
{
    const char *path = trial->arguments->operand;
    if (trial->overdue)
        (void)printf("%s%s:%zu: not done within %.3g s\n", margin, path, trial->info.line,
                     (double)trial->info.within_ns / 1e9);
    else if (WIFSIGNALED(trial->status))
        (void)printf("%s%s:%zu: the process of the test ended by signal %d (%s)\n", margin, path,
                     trial->info.line, WTERMSIG(trial->status), strsignal(WTERMSIG(trial->status)));
    else
        print_lines(margin, trial->text != NULL && trial->text[0] != '\0'
                                ? trial->text
                                : "the process of the test ended without a word");
}

static void print_trial(const struct trial *trial)
{
    const bool passed = has_passed(trial);
    if (trial->arguments->tap)
        (void)printf("%sok %zu - %s\n", passed ? "" : "not ", trial->index + 1, trial->info.name);
    else
        (void)printf("%-6s %s (%.2f s)\n", passed ? "ok" : "FAILED", trial->info.name,
                     (double)trial->took_ns / 1e9);
    if (!passed)
        print_why(trial, trial->arguments->tap ? "# " : "       ");
    (void)fflush(stdout);
}

static int run_tests(const struct arguments *arguments, const struct opened *opened)
{
    const size_t count = flow_graph_test_count(opened->graph);
    size_t passed = 0;
    if (arguments->tap)
        (void)printf("TAP version 13\n1..%zu\n", count);
    for (size_t i = 0; i < count; i++) {
        struct trial trial = {
            .arguments = arguments,
            .opened = opened,
            .index = i,
            .info = flow_graph_test_info(opened->graph, i),
        };
        if (!begin(&trial))
            return EXIT_ENVIRONMENT;
        finish(&trial);
        print_trial(&trial);
        passed += has_passed(&trial);
        free(trial.text);
    }
    if (!arguments->tap)
        (void)printf("%zu passed, %zu failed\n", passed, count - passed);
    return passed == count ? EXIT_DONE : EXIT_FAILED;
}

int test_graph(const struct arguments *arguments)
{
    if (strcmp(arguments->operand, "-") == 0) {
        (void)say_error("'test' reads the graph once for each test: name its file, not '-'");
        return EXIT_USAGE;
    }
    struct opened opened = {0};
    int code = graph_open(arguments, &opened);
    if (code == EXIT_DONE && flow_graph_test_count(opened.graph) == 0) {
        (void)say_error("'%s' has no tests: add a list \"tests\"", arguments->operand);
        code = EXIT_GRAPH;
    } else if (code == EXIT_DONE) {
        code = run_tests(arguments, &opened);
    }
    opened_close(&opened);
    return code;
}
