/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTS_FAKE_TYPES_H
#define FLOW_TESTS_FAKE_TYPES_H

/*
 * Stage types for tests of graphs: the shapes of the built-in ones (names, roles, traits, ports,
 * parameters) without their work, and a few more for what no built-in one has: ports of other
 * types, several inputs, a plugin in a file.
 */

#include <stdbool.h>
#include <string.h>

#include "graph/graph.h"

/* One struct for all of them: only the tables matter here. */
struct fake {
    int64_t count, from, step, n, limit, keys;
    uint64_t size, max_line, max_size;
    int64_t delay;
    double factor;
    char *pattern, *newline, *path, *headers;
    bool lower, ignore_case, invert, keep_ends, ascending;
    struct flow_list paths;
    int filter;
};

#define FAKE_PARAMS(name) static const struct flow_param name[]

FAKE_PARAMS(fake_sequence) = {
    FLOW_PARAM_I64(struct fake, count, FLOW_REQUIRED, 0, 1e15, "how many [records]"),
    FLOW_PARAM_I64(struct fake, from, "1", -1e15, 1e15, "the first number"),
    FLOW_PARAM_I64(struct fake, step, "1", -1e15, 1e15, "from one number to the next"),
    FLOW_PARAM_SIZE(struct fake, size, "0B", 0, 16 << 20, "size of each record [bytes]"),
    FLOW_PARAM_I64(struct fake, keys, "0", 0, 1e15, "how many keys"),
    FLOW_PARAM_END,
};
FAKE_PARAMS(fake_read) = {
    {"path", FLOW_LIST, offsetof(struct fake, paths), 0, 0, FLOW_REQUIRED, NULL, "files to read"},
    FLOW_PARAM_BOOL(struct fake, keep_ends, "false", "leave the line ends on"),
    FLOW_PARAM_SIZE(struct fake, max_line, "64MiB", 1, 1 << 28, "longest line [bytes]"),
    FLOW_PARAM_END,
};
FAKE_PARAMS(fake_words) = {
    FLOW_PARAM_BOOL(struct fake, lower, "false", "turn A-Z into a-z"),
    FLOW_PARAM_END,
};
FAKE_PARAMS(fake_grep) = {
    FLOW_PARAM_STR(struct fake, pattern, FLOW_REQUIRED, "regular expression"),
    FLOW_PARAM_BOOL(struct fake, ignore_case, "false", "a and A are the same"),
    FLOW_PARAM_BOOL(struct fake, invert, "false", "swap the two ports"),
    FLOW_PARAM_END,
};
FAKE_PARAMS(fake_top) = {
    FLOW_PARAM_I64(struct fake, n, "10", 1, 100000000, "how many to keep [records]"),
    FLOW_PARAM_BOOL(struct fake, ascending, "false", "keep the smallest"),
    FLOW_PARAM_END,
};
FAKE_PARAMS(fake_sleep) = {
    FLOW_PARAM_DURATION(struct fake, delay, "0ms", 0, 8.64e13, "how long"),
    FLOW_PARAM_END,
};
FAKE_PARAMS(fake_write) = {
    FLOW_PARAM_STR(struct fake, path, "-", "file to write"),
    FLOW_PARAM_STR(struct fake, newline, "\n", "written after each record"),
    FLOW_PARAM_END,
};
FAKE_PARAMS(fake_inspect) = {
    FLOW_PARAM_I64(struct fake, limit, "0", 0, 1e15, "how many to print [records]"),
    FLOW_PARAM_SIZE(struct fake, max_size, "1KiB", 0, 16 << 20, "of each [bytes]"),
    FLOW_PARAM_END,
};
FAKE_PARAMS(fake_scale) = {
    FLOW_PARAM_F64(struct fake, factor, "0.5", 0.01, 100, "new size [of the old]"),
    FLOW_PARAM_ENUM(struct fake, filter, "box", "box|linear|cubic", "how to scale"),
    FLOW_PARAM_JSON(struct fake, headers, NULL, "written into the file"),
    FLOW_PARAM_END,
};

#define FAKE_PORTS(name) static const struct flow_port name[]

FAKE_PORTS(fake_bytes_in) = {{"in", "bytes", "anything"}, {0}};
FAKE_PORTS(fake_bytes_out) = {{"out", "bytes", "the same"}, {0}};
FAKE_PORTS(fake_text_in) = {{"in", "text", "a line"}, {0}};
FAKE_PORTS(fake_text_out) = {{"out", "text", "a line"}, {0}};
FAKE_PORTS(fake_grep_out) = {
    {"out", "bytes", "records that match"}, {"unmatched", "bytes", "the others"}, {0}};
FAKE_PORTS(fake_json_out) = {{"out", "json", "a document"}, {0}};
FAKE_PORTS(fake_json_in) = {{"in", "json", "a document"}, {0}};
FAKE_PORTS(fake_image_in) = {{"in", "image/raw", "pixels"}, {0}};
FAKE_PORTS(fake_image_out) = {{"out", "image/raw", "pixels"}, {0}};
FAKE_PORTS(fake_join_in) = {{"left", "text", "one side"}, {"right", "text", "the other"}, {0}};

#define FAKE_WORKER(type_name, in, out, rows)                                                      \
    {                                                                                              \
        .name = (type_name), .help = "a worker", .role = FLOW_WORKER, .inputs = (in),              \
        .outputs = (out), .params = (rows), .state_size = sizeof(struct fake)                      \
    }

static const struct flow_stage_type fake_types[] = {
    {.name = "count.keys",
     .role = FLOW_WORKER,
     .traits = FLOW_STATEFUL,
     .inputs = fake_bytes_in,
     .outputs = fake_text_out},
    {.name = "count.records",
     .role = FLOW_WORKER,
     .traits = FLOW_STATEFUL,
     .inputs = fake_bytes_in,
     .outputs = fake_text_out},
    FAKE_WORKER("cpu.squares", fake_bytes_in, fake_text_out, NULL),
    {.name = "gen.sequence",
     .role = FLOW_PRODUCER,
     .outputs = fake_text_out,
     .params = fake_sequence,
     .state_size = sizeof(struct fake)},
    FAKE_WORKER("image.decode", fake_bytes_in, fake_image_out, NULL),
    FAKE_WORKER("image.encode", fake_image_in, fake_bytes_out, NULL),
    FAKE_WORKER("image.label", fake_image_in, fake_json_out, NULL),
    {.name = "inspect",
     .role = FLOW_EITHER,
     .inputs = fake_bytes_in,
     .outputs = fake_bytes_out,
     .params = fake_inspect,
     .state_size = sizeof(struct fake)},
    FAKE_WORKER("json.fields", fake_json_in, fake_json_out, NULL),
    FAKE_WORKER("json.parse", fake_text_in, fake_json_out, NULL),
    {.name = "lines.read",
     .role = FLOW_PRODUCER,
     .traits = FLOW_SINGLE,
     .outputs = fake_text_out,
     .params = fake_read,
     .state_size = sizeof(struct fake)},
    {.name = "lines.write",
     .role = FLOW_CONSUMER,
     .traits = FLOW_SINGLE,
     .inputs = fake_bytes_in,
     .params = fake_write,
     .state_size = sizeof(struct fake)},
    {.name = "null", .role = FLOW_CONSUMER, .inputs = fake_bytes_in},
    {.name = "sleep",
     .role = FLOW_EITHER,
     .inputs = fake_bytes_in,
     .outputs = fake_bytes_out,
     .params = fake_sleep,
     .state_size = sizeof(struct fake)},
    {.name = "sort.top",
     .role = FLOW_WORKER,
     .traits = FLOW_STATEFUL | FLOW_SINGLE,
     .inputs = fake_bytes_in,
     .outputs = fake_bytes_out,
     .params = fake_top,
     .state_size = sizeof(struct fake)},
    FAKE_WORKER("text.grep", fake_bytes_in, fake_grep_out, fake_grep),
    FAKE_WORKER("text.join", fake_join_in, fake_text_out, NULL),
    FAKE_WORKER("text.upper", fake_text_in, fake_text_out, NULL),
    FAKE_WORKER("text.words", fake_bytes_in, fake_text_out, fake_words),
};
#define FAKE_TYPE_COUNT (sizeof(fake_types) / sizeof(fake_types[0]))

/* What lies in the files that a graph may name. */
static const struct flow_stage_type fake_plugin_scale =
    FAKE_WORKER("image.scale", fake_image_in, fake_image_out, fake_scale);
static const struct flow_stage_type fake_plugin_null = {.name = "null", .role = FLOW_CONSUMER};

static inline const struct flow_stage_type *fake_find(void *context, const char *use,
                                                      const char *folder, struct flow_error *err)
{
    (void)context;
    (void)folder;
    if (strcmp(use, "./scale.so") == 0 || strcmp(use, "./scale.so:image.scale") == 0)
        return &fake_plugin_scale;
    if (strcmp(use, "./null.so") == 0)
        return &fake_plugin_null;
    if (strchr(use, '/') != NULL) {
        (void)flow_fail(err, FLOW_EIO, "cannot load plugin '%s': there is no such file", use);
        return NULL;
    }
    for (size_t i = 0; i < FAKE_TYPE_COUNT; i++)
        if (strcmp(fake_types[i].name, use) == 0)
            return &fake_types[i];
    (void)flow_fail(err, FLOW_ENOENT, "unknown stage type '%s'", use);
    return NULL;
}

static inline const char *const *fake_names(void *context)
{
    (void)context;
    static const char *const names[] = {
        "count.keys",   "count.records", "cpu.squares", "gen.sequence", "image.decode",
        "image.encode", "image.label",   "inspect",     "json.fields",  "json.parse",
        "lines.read",   "lines.write",   "null",        "sleep",        "sort.top",
        "text.grep",    "text.join",     "text.upper",  "text.words",   NULL,
    };
    return names;
}

static const struct flow_types fake_catalog = {.find = fake_find, .names = fake_names};

#endif /* FLOW_TESTS_FAKE_TYPES_H */
