/* SPDX-License-Identifier: MIT */
#include "driver/graph.h"

#include <jansson.h>

#include "driver/alloc.h"

struct drawing {
    json_t *stages;
    const char *plugin;
};

/* A stage more; `from` NULL for a producer.  Takes ownership of `with`, which may be NULL. */
static json_t *add_stage(const struct drawing *drawing, const char *name, const char *type,
                         const char *from, json_t *with)
{
    json_t *stage = json_object();
    json_object_set_new(stage, "use", json_sprintf("%s:%s", drawing->plugin, type));
    if (from != NULL)
        json_object_set_new(stage, "from", json_string(from));
    if (with != NULL)
        json_object_set_new(stage, "with", with);
    json_object_set_new(drawing->stages, name, stage);
    return stage;
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static void draw_chain(const struct drawing *drawing, const struct bench_options *o, bool each)
{
    char from[32] = "gen";
    json_t *with =
        json_pack("{s:o, s:o, s:s}", "count", number(0), "size", number(o->size), "read", o->read);
    (void)add_stage(drawing, from, "bench.gen", NULL, with);
    for (uint64_t i = 1; i + 1 < o->stages; i++) {
        char name[32];
        char type[64];
        (void)snprintf(name, sizeof(name), "stage%" PRIu64, i);
        (void)snprintf(type, sizeof(type), "bench.%s%s", o->middle, each ? "_each" : "");
        (void)add_stage(drawing, name, type, from, NULL);
        memcpy(from, name, sizeof(from));
    }
    const char *end = bench_is(o->read, "head") ? "bench.head"
                      : each                    ? "bench.sum_each"
                                                : "bench.sum";
    (void)add_stage(drawing, "end", end, from, NULL);
}

static void draw_broadcast(const struct drawing *drawing, const struct bench_options *o, bool each)
{
    json_t *with = json_pack("{s:o, s:o}", "count", number(0), "size", number(o->size));
    (void)add_stage(drawing, "gen", "bench.gen", NULL, with);
    for (uint64_t i = 1; i <= o->readers; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "end%" PRIu64, i);
        (void)add_stage(drawing, name, each ? "bench.sum_each" : "bench.sum", "gen", NULL);
    }
}

static void draw_jobs(const struct drawing *drawing, const struct bench_options *o, bool each)
{
    (void)each;
    json_t *with = json_pack("{s:o, s:o, s:o, s:o}", "count", number(0), "steps", number(o->steps),
                             "long_steps", number(o->long_steps), "every", number(o->every));
    (void)add_stage(drawing, "gen", "bench.jobs", NULL, with);
    json_t *work = add_stage(drawing, "work", "bench.spin", "gen", NULL);
    json_object_set_new(work, "workers", number(o->workers));
    json_object_set_new(work, "order", json_string(o->order));
    (void)add_stage(drawing, "end", "bench.sum", "work", NULL);
}

static void draw_keyed(const struct drawing *drawing, const struct bench_options *o, bool each)
{
    (void)each;
    json_t *with = json_pack("{s:o, s:o}", "count", number(0), "keys", number(o->keys));
    (void)add_stage(drawing, "gen", "bench.keys", NULL, with);
    json_object_set_new(drawing->stages, "count",
                        json_pack("{s:s, s:{s:s, s:s}, s:o}", "use", "count.keys", "from", "stage",
                                  "gen", "share", "key", "workers", number(o->workers)));
    (void)add_stage(drawing, "end", "bench.text", "count", NULL);
}

static void draw_latency(const struct drawing *drawing, const struct bench_options *o, bool each)
{
    (void)each;
    json_t *with = json_pack("{s:o, s:o, s:o}", "count", number(0), "size", number(o->size), "rate",
                             number(o->rate));
    (void)add_stage(drawing, "gen", "bench.ticks", NULL, with);
    (void)add_stage(drawing, "copy", "bench.copy", "gen", NULL);
    (void)add_stage(drawing, "end", "bench.latency", "copy", NULL);
}

/* Takes ownership of `stages`. */
static void write_graph(const char *path, json_t *stages)
{
    json_t *graph = json_pack("{s:i, s:o}", "flowrun", 1, "stages", stages);
    if (graph == NULL || json_dump_file(graph, path, JSON_INDENT(2)) != 0)
        bench_die("cannot write %s", path);
    json_decref(graph);
}

void bench_graph_write(const char *path, const char *plugin, const struct bench_options *options,
                       bool each)
{
    static const struct {
        const char *name;
        void (*draw)(const struct drawing *drawing, const struct bench_options *o, bool each);
    } workloads[] = {
        {"chain", draw_chain}, {"broadcast", draw_broadcast}, {"jobs", draw_jobs},
        {"keyed", draw_keyed}, {"latency", draw_latency},
    };
    const struct drawing drawing = {.stages = json_object(), .plugin = plugin};
    for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
        if (bench_is(options->workload, workloads[i].name))
            workloads[i].draw(&drawing, options, each);
    }
    write_graph(path, drawing.stages);
}

void bench_graph_write_words(const char *path, const char *text, unsigned workers, bool first)
{
    const int width = (int)workers;
    json_t *stages = json_object();
    json_object_set_new(stages, "read",
                        json_pack("{s:s, s:{s:s}}", "use", "lines.read", "with", "path", text));
    json_object_set_new(stages, "words",
                        json_pack("{s:s, s:s, s:i, s:s, s:{s:b}}", "use", "text.words", "from",
                                  "read", "workers", width, "order", "none", "with", "count",
                                  first));
    json_object_set_new(stages, "count",
                        json_pack("{s:s, s:{s:s, s:s}, s:i, s:{s:b}}", "use", "count.keys", "from",
                                  "stage", "words", "share", "key", "workers", width, "with", "sum",
                                  first));
    json_object_set_new(
        stages, "top",
        json_pack("{s:s, s:s, s:{s:i}}", "use", "sort.top", "from", "count", "with", "n", 20));
    json_object_set_new(stages, "print",
                        json_pack("{s:s, s:s}", "use", "lines.write", "from", "top"));
    write_graph(path, stages);
}
