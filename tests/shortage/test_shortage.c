/* SPDX-License-Identifier: MIT */
/*
 * Memory runs short at each allocation of a run, once: the run either does not need it and comes to
 * its right end, or fails with a message that says so, and leaves neither a descriptor nor a
 * process nor a folder behind.  Built with AddressSanitizer, no memory either.
 *
 *     test_shortage MODE STEP        (every STEP-th allocation; MODE threads or processes)
 *
 * In processes the coordinator's allocations fail, then those of each of its processes, which find
 * in their surroundings which of them is meant.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flowrun/run.h"
#include "stages/builtin.h"
#include "support/check.h"

/* NOLINTBEGIN(concurrency-mt-unsafe): what is named so is used by one thread */

#define PATIENCE_S 60 /* a run that takes longer hangs */
#define LINES 400

/* ---- allocations that fail ---- */

static atomic_int countdown = -1; /* allocations that still succeed; negative: all of them */
static atomic_bool fired;
static int mark_fd = -1; /* of a worker: told when one has failed */

static bool must_fail(void)
{
    if (atomic_load_explicit(&countdown, memory_order_relaxed) < 0 ||
        atomic_fetch_sub_explicit(&countdown, 1, memory_order_relaxed) != 0)
        return false;
    atomic_store(&fired, true);
    if (mark_fd >= 0)
        (void)!write(mark_fd, "!", 1);
    errno = ENOMEM;
    return true;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
int __real_posix_memalign(void **memory, size_t alignment, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
    return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return must_fail() ? NULL : __real_realloc(old, size);
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t size)
{
    return must_fail() ? ENOMEM : __real_posix_memalign(memory, alignment, size);
}

char *__wrap_strdup(const char *text)
{
    return must_fail() ? NULL : __real_strdup(text);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* ---- one run ---- */

static char base[64]; /* a folder for everything */
static char graph_path[96], output_path[96], mark_path[96];
static const char *mode;
static int step = 1;

struct ran {
    enum flow_status rc;
    struct flow_error err;
    bool fired;
};

static void write_input(void)
{
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/in.txt", base);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    for (int i = 0; i < LINES; i++)
        (void)fprintf(file, "the word%d and the word%d of line %d\n", i % 7, i % 5, i);
    assert_int_equal(fclose(file), 0);

    file = fopen(graph_path, "we");
    assert_non_null(file);
    (void)fprintf(file,
                  "{\"flowrun\": 1, \"stages\": {"
                  "\"read\": {\"use\": \"lines.read\", \"with\": {\"path\": \"%s\"}},"
                  "\"words\": {\"use\": \"text.words\", \"from\": \"read\", \"workers\": 2},"
                  "\"count\": {\"use\": \"count.keys\","
                  " \"from\": {\"stage\": \"words\", \"share\": \"key\"}, \"workers\": 2},"
                  "\"top\": {\"use\": \"sort.top\", \"from\": \"count\"},"
                  "\"print\": {\"use\": \"lines.write\", \"from\": \"top\","
                  " \"with\": {\"path\": \"%s\"}}}}",
                  path, output_path);
    assert_int_equal(fclose(file), 0);
}

static char said[256]; /* the last line that a run has told */

static void keep_line(void *context, const char *line)
{
    (void)context;
    (void)snprintf(said, sizeof(said), "%s", line);
}

/* The whole of it, as the program does it, with allocation `n` of this process failing. */
static struct ran run_failing_at(int n)
{
    struct ran ran = {0};
    const struct flow_session_options session_options = {.builtin = flow_builtin_plugins};
    const struct flow_load_options load = {.mode = mode};
    const struct flow_run_options options = {.stop_fd = -1, .log = keep_line};
    struct flow_run_result result = {0};
    char *messages = NULL;
    (void)unlink(output_path);
    (void)alarm(PATIENCE_S);
    atomic_store(&fired, false);
    atomic_store(&countdown, n);

    struct flow_session *session = flow_session_new(&session_options, &ran.err);
    struct flow_graph *graph =
        session != NULL ? flow_graph_load(session, graph_path, &load, &messages, &ran.err) : NULL;
    if (graph != NULL)
        ran.rc = flow_run(session, graph, &options, &result, &ran.err);
    else
        ran.rc = ran.err.status != FLOW_OK ? ran.err.status : FLOW_EINVAL;

    atomic_store(&countdown, -1);
    (void)alarm(0);
    ran.fired = atomic_load(&fired);
    if (result.stuck) /* what its threads use may not be released */
        fail_msg("with allocation %d failing threads are left behind: %s; '%s'", n, said,
                 ran.err.text);
    flow_graph_unload(graph);
    flow_session_free(session);
    free(messages);
    free(result.report_text);
    free(result.report_json);
    return ran;
}

static unsigned count_entries(const char *path)
{
    unsigned count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static void read_output(char *text, size_t size)
{
    const int fd = open(output_path, O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd >= 0 ? read(fd, text, size - 1) : 0;
    text[got > 0 ? got : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

static unsigned descriptors, files; /* after a run without faults */
static char expected[8192];

/* Right, or an honest failure, and nothing left. */
static void assert_clean(const struct ran *ran, int n)
{
    char output[sizeof(expected)];
    read_output(output, sizeof(output));
    /* Memory may also run short when the work is done and only its report is missing. */
    if (strcmp(output, expected) != 0 && (ran->rc == FLOW_OK || output[0] != '\0'))
        fail_msg("with allocation %d failing there is a file as if all were well, but wrong", n);
    const bool honest = ran->rc == FLOW_ENOMEM ||
                        (ran->rc == FLOW_EIO && strstr(ran->err.text, strerror(ENOMEM)) != NULL);
    if (ran->rc != FLOW_OK && (!honest || strstr(ran->err.text, "memory") == NULL))
        fail_msg("with allocation %d failing: status %d, '%s'", n, (int)ran->rc, ran->err.text);
    assert_int_equal(count_entries("/proc/self/fd"), descriptors);
    assert_int_equal(count_entries(base), files - (output[0] == '\0' ? 1 : 0));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void try_once(void)
{
    const struct ran ran = run_failing_at(-1);
    if (ran.rc != FLOW_OK)
        fail_msg("a run without faults fails: %s", ran.err.text);
    read_output(expected, sizeof(expected));
    assert_true(strlen(expected) > 20);
    descriptors = count_entries("/proc/self/fd");
    files = count_entries(base);
}

TEST(every_allocation_of_a_run_may_fail_once)
{
    try_once();
    unsigned failed = 0, done = 0;
    struct ran ran = {.fired = true};
    for (int n = 0; ran.fired; n += step) {
        ran = run_failing_at(n);
        assert_clean(&ran, n);
        failed += ran.fired && ran.rc != FLOW_OK;
        done += ran.fired && ran.rc == FLOW_OK;
    }
    print_message("%u allocations failed the run, %u it could do without\n", failed, done);
    assert_true(failed > 0);
}

/* Of a process of the run; whether it came to that. */
static bool try_worker(unsigned group, int n)
{
    char value[32];
    (void)snprintf(value, sizeof(value), "%u %d", group, n);
    assert_int_equal(setenv("FLOW_TEST_SHORTAGE", value, 1), 0);
    const int mark = open(mark_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(mark >= 0);
    close(mark);
    const struct ran ran = run_failing_at(-1);
    struct stat info;
    assert_int_equal(stat(mark_path, &info), 0);
    (void)unlink(mark_path);
    assert_clean(&ran, n);
    (void)unsetenv("FLOW_TEST_SHORTAGE");
    return info.st_size > 0;
}

TEST(every_allocation_of_a_process_of_a_run_may_fail_once)
{
    if (strcmp(mode, "processes") != 0)
        skip();
    try_once();
    for (unsigned group = 0; group < 7; group++) {
        int n = (int)group % step;
        while (try_worker(group, n))
            n += step;
        print_message("process %u: %d allocations\n", group, n);
    }
}

/* ---- main ---- */

/* As a process of the run: is it the one whose allocations shall fail? */
static void prepare_worker(int argc, char **argv)
{
    const char *value = getenv("FLOW_TEST_SHORTAGE");
    unsigned group = 0;
    int n = -1;
    (void)snprintf(mark_path, sizeof(mark_path), "%s/mark", getenv("TMPDIR"));
    if (value == NULL || argc < 7 || sscanf(value, "%u %d", &group, &n) != 2 ||
        strtoul(argv[6], NULL, 10) != group)
        return;
    mark_fd = open(mark_path, O_WRONLY | O_APPEND | O_CLOEXEC);
    atomic_store(&countdown, n);
}

static int make_base(void **state)
{
    (void)state;
    (void)snprintf(base, sizeof(base), "/tmp/flowrun-shortage-XXXXXX");
    if (mkdtemp(base) == NULL || setenv("TMPDIR", base, 1) != 0)
        return -1;
    (void)unsetenv("XDG_RUNTIME_DIR");
    (void)snprintf(graph_path, sizeof(graph_path), "%s/graph.json", base);
    (void)snprintf(output_path, sizeof(output_path), "%s/out.txt", base);
    (void)snprintf(mark_path, sizeof(mark_path), "%s/mark", base);
    write_input();
    return 0;
}

static int remove_base(void **state)
{
    (void)state;
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/in.txt", base);
    (void)unlink(path);
    (void)unlink(graph_path);
    (void)unlink(output_path);
    return rmdir(base);
}

int main(int argc, char **argv)
{
    const struct flow_session_options options = {.builtin = flow_builtin_plugins};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_a_run_may_fail_once),
        cmocka_unit_test(every_allocation_of_a_process_of_a_run_may_fail_once),
    };
    int code = 0;
    if (argc > 1 && strncmp(argv[1], "--flowrun", 9) == 0)
        prepare_worker(argc, argv);
    if (flow_worker_main(&options, argc, argv, &code))
        return code;
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s threads|processes STEP\n", argv[0]);
        return 2;
    }
    mode = argv[1];
    step = atoi(argv[2]);
    return cmocka_run_group_tests(tests, make_base, remove_base);
}

/* NOLINTEND(concurrency-mt-unsafe) */
