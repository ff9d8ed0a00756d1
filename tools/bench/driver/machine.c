/* SPDX-License-Identifier: MIT */
#include "driver/machine.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>

#include "common/work.h"
#include "driver/alloc.h"
#include "driver/process.h"

#define STEPS 1000000
#define TRIES 20

/* What stands behind `key` and a colon in the file, for free. */
static char *find_line(const char *path, const char *key)
{
    char *text = bench_read_file(path);
    const char *line = text != NULL ? strstr(text, key) : NULL;
    line = line != NULL ? strchr(line, ':') : NULL;
    line = line != NULL ? line + 1 + strspn(line + 1, " \t") : "unknown";
    char *value = bench_format("%.*s", (int)strcspn(line, "\n"), line);
    free(text);
    return value;
}

static void set_text(json_t *object, const char *key, char *value)
{
    json_object_set_new(object, key, json_string(value));
    free(value);
}

/* The first line that a command prints. */
static char *ask(const char *program, const char *argument)
{
    char *argv[] = {bench_format("%s", program), bench_format("%s", argument), NULL};
    const struct bench_run_options options = {.timeout = 10};
    struct bench_run run = bench_run_command(argv, &options);
    char *line = run.failure != NULL
                     ? bench_format("unknown")
                     : bench_format("%.*s", (int)strcspn(run.output, "\n"), run.output);
    bench_run_clear(&run);
    free(argv[0]);
    free(argv[1]);
    return line;
}

static int count_cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;
}

json_t *bench_machine_describe(const struct bench_setup *setup)
{
    json_t *machine = json_object();
    struct utsname system;
    double load[3] = {0, 0, 0};
    char date[32];
    const time_t now = time(NULL);
    struct tm day;
    (void)gmtime_r(&now, &day);
    (void)strftime(date, sizeof(date), "%Y-%m-%d", &day);
    (void)uname(&system);
    (void)getloadavg(load, 3);
    char *memory = find_line("/proc/meminfo", "MemTotal");
    set_text(machine, "date", bench_format("%s", date));
    set_text(machine, "processor", find_line("/proc/cpuinfo", "model name"));
    json_object_set_new(machine, "cores", json_integer(count_cores()));
    json_object_set_new(machine, "memory_gib",
                        json_real((double)(strtoll(memory, NULL, 10) * 10 / 1048576) / 10));
    set_text(machine, "system", bench_format("%s %s", system.sysname, system.release));
    set_text(machine, "compiler", bench_format("%s", BENCH_COMPILER));
    char *naive = bench_format("%s/naive_zmq", setup->programs);
    set_text(machine, "libzmq", ask(naive, "version"));
    set_text(machine, "flowrun", ask(setup->flowrun, "--version"));
    set_text(machine, "peers", bench_format("%s", BENCH_PEERS));
    json_object_set_new(machine, "load_at_start", json_real(load[0]));
    json_object_set_new(machine, "step_ns", json_real(setup->step_ns));
    free(naive);
    free(memory);
    return machine;
}

/* The least of several tries: whatever disturbs only adds to it. */
double bench_machine_step_ns(void)
{
    double least = 1e9;
    uint64_t x = 1;
    for (int i = 0; i < TRIES; i++) {
        struct timespec start;
        struct timespec end;
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
        x = bench_work(x, STEPS);
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
        const double ns =
            (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
        if (ns / STEPS < least)
            least = ns / STEPS;
    }
    return x != 0 ? least : 1;
}
