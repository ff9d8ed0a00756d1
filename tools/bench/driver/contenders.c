/* SPDX-License-Identifier: MIT */
#include "driver/contenders.h"

#include <stdlib.h>
#include <unistd.h>

#include "driver/alloc.h"
#include "driver/graph.h"

#define ALL "chain broadcast jobs keyed latency"

const struct bench_contender bench_contenders[] = {
    {"flowrun threads", BENCH_OURS, NULL, "threads", "off", ALL, 20000, NULL},
    {"flowrun fused", BENCH_OURS, NULL, "threads", "on", "chain broadcast latency", 20000, NULL},
    {"flowrun processes", BENCH_OURS, NULL, "processes", "off", ALL, 20000, NULL},
    {"naive ZeroMQ threads", BENCH_NAIVE, "naive_zmq", "threads", NULL, ALL, 5000, NULL},
    {"naive ZeroMQ processes", BENCH_NAIVE, "naive_zmq", "processes", NULL, ALL, 5000, NULL},
    {"hand-written rings", BENCH_LIMIT, "rings", "threads", NULL, ALL, 20000, NULL},
    {"hand-written loop", BENCH_LIMIT, "loop", "threads", NULL, "chain broadcast keyed", 20000,
     NULL},
    {"even split", BENCH_LIMIT, "loop", "threads", NULL, "jobs", 20000, NULL},
    {"two hand-written threads", BENCH_LIMIT, "words", "threads", NULL, "wordcount", 0, NULL},
    {"oneTBB flow graph", BENCH_PEER, "tbb", "graph", NULL, "chain broadcast jobs", 5000,
     "libtbb-dev or a C++ compiler is missing"},
    {"oneTBB pipeline", BENCH_PEER, "tbb", "pipeline", NULL, "chain jobs", 5000,
     "libtbb-dev or a C++ compiler is missing"},
    {"Taskflow pipeline", BENCH_PEER, "taskflow", "pipeline", NULL, "chain jobs", 5000,
     "the headers of Taskflow or a C++ compiler are missing"},
    {"GNU Radio", BENCH_PEER, "gnuradio", "threads", NULL, "chain broadcast", 5000,
     "gnuradio-dev or a C++ compiler is missing"},
    {"GStreamer (no copy)", BENCH_PEER, "gstreamer", "threads", NULL, "chain broadcast latency",
     2000, "libgstreamer-plugins-base1.0-dev or gstreamer1.0-plugins-base is missing"},
    {"Python multiprocessing", BENCH_PYTHON, "peers.py", "multiprocessing", NULL, ALL, 500,
     "python3 is missing"},
    {"Python threads", BENCH_PYTHON, "peers.py", "threads", NULL, ALL, 500, "python3 is missing"},
    {"Python asyncio", BENCH_PYTHON, "peers.py", "asyncio", NULL, "chain broadcast keyed latency",
     500, "python3 is missing"},
};
const size_t bench_contender_count = sizeof(bench_contenders) / sizeof(bench_contenders[0]);

bool bench_contender_does(const struct bench_contender *contender, const char *workload)
{
    const size_t size = strlen(workload);
    for (const char *at = contender->does; *at != '\0'; at += strspn(at, " ")) {
        const size_t word = strcspn(at, " ");
        if (word == size && strncmp(at, workload, size) == 0)
            return true;
        at += word;
    }
    return false;
}

bool bench_has_program(const char *name)
{
    const char *path = getenv("PATH");
    for (const char *at = path != NULL ? path : ""; *at != '\0';) {
        const size_t size = strcspn(at, ":");
        char *file = bench_format("%.*s/%s", (int)size, at, name);
        const bool is_there = access(file, X_OK) == 0;
        free(file);
        if (is_there)
            return true;
        at += size + (at[size] == ':');
    }
    return false;
}

void bench_call_flowrun(const struct bench_contender *contender, const struct bench_setup *setup,
                        struct bench_row *row, const char *graph, bool count)
{
    bench_row_argue(row, bench_format("%s", setup->flowrun));
    bench_row_argue(row, bench_format("%s", graph));
    bench_row_argue(row, bench_format("--quiet"));
    bench_row_argue(row, bench_format("--mode=%s", contender->mode));
    if (count)
        bench_row_argue(row, bench_format("--set=gen.count={count}"));
    if (setup->has_fuse)
        bench_row_argue(row, bench_format("--fuse=%s", contender->fuse));
    else if (bench_is(contender->fuse, "on"))
        row->absent = bench_format("this flowrun does not fuse");
}

/* A file name out of what tells the row from all others. */
static char *graph_path(const struct bench_setup *setup, const struct bench_row *row)
{
    char *path =
        bench_format("%s/%s-%s-%s.json", setup->folder, row->workload, row->point, row->variant);
    for (char *at = path + strlen(setup->folder) + 1; *at != '\0'; at++) {
        if (*at == ' ' || *at == ',' || *at == '/')
            *at = '-';
    }
    return path;
}

static void call_ours(const struct bench_contender *contender, const struct bench_setup *setup,
                      struct bench_row *row, bool each)
{
    char *path = graph_path(setup, row);
    char *plugin = bench_format("%s/bench.so", setup->programs);
    bench_graph_write(path, plugin, &row->options, each);
    bench_call_flowrun(contender, setup, row, path, true);
    free(plugin);
    free(path);
}

/* Everything is told to everyone, by the names in common/options.h. */
static void tell_options(struct bench_row *row)
{
    const struct bench_options *o = &row->options;
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"size", o->size},       {"stages", o->stages}, {"workers", o->workers},
        {"readers", o->readers}, {"rate", o->rate},     {"keys", o->keys},
        {"steps", o->steps},     {"every", o->every},   {"long_steps", o->long_steps},
    };
    bench_row_argue(row, bench_format("%s", o->workload));
    bench_row_argue(row, bench_format("count={count}"));
    bench_row_argue(row, bench_format("mode=%s", o->mode));
    bench_row_argue(row, bench_format("middle=%s", o->middle));
    bench_row_argue(row, bench_format("read=%s", o->read));
    bench_row_argue(row, bench_format("order=%s", o->order));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        bench_row_argue(row, bench_format("%s=%" PRIu64, numbers[i].name, numbers[i].value));
}

void bench_contender_call(const struct bench_contender *contender, const struct bench_setup *setup,
                          struct bench_row *row, bool each)
{
    row->options.mode = contender->mode;
    if (contender->program == NULL) {
        call_ours(contender, setup, row, each);
        return;
    }
    const bool is_script = contender->kind == BENCH_PYTHON;
    char *path =
        bench_format("%s/%s", is_script ? setup->scripts : setup->programs, contender->program);
    if (is_script ? !bench_has_program("python3") : access(path, X_OK) != 0)
        row->absent = bench_format("%s", contender->missing != NULL ? contender->missing
                                                                    : "it was not built");
    if (is_script)
        bench_row_argue(row, bench_format("python3"));
    bench_row_argue(row, path);
    tell_options(row);
}

const struct bench_contender *bench_contender_find(const char *name)
{
    for (size_t i = 0; i < bench_contender_count; i++) {
        if (bench_is(bench_contenders[i].name, name))
            return &bench_contenders[i];
    }
    return NULL;
}

bool bench_is_limit(const char *contender)
{
    const struct bench_contender *found = bench_contender_find(contender);
    return found != NULL && found->kind == BENCH_LIMIT;
}

bool bench_is_ours(const char *contender)
{
    const struct bench_contender *found = bench_contender_find(contender);
    return found != NULL && found->kind == BENCH_OURS;
}
