/* SPDX-License-Identifier: MIT */
#include "control/origin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "control/system.h"
#include "control/test_ends.h"
#include "graph/rig.h"

#define READ_STEP ((size_t)64 << 10)

size_t flow_texts_count(const char *const *texts)
{
    size_t count = 0;
    while (texts != NULL && texts[count] != NULL)
        count++;
    return count;
}

char **flow_texts_copy(const char *const *texts)
{
    const size_t count = flow_texts_count(texts);
    char **copy = texts != NULL ? flow_calloc(count + 1, sizeof(*copy)) : NULL;
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = flow_strdup(texts[i]);
        if (copy[i] == NULL) {
            flow_texts_free(copy);
            copy = NULL;
        }
    }
    return copy;
}

void flow_texts_free(char **texts)
{
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++)
        free(texts[i]);
    free(texts);
}

/* Read up to the end, or to one byte more than a graph may have. */
static enum flow_status read_all(int fd, struct flow_graph_origin *origin, struct flow_error *err)
{
    size_t capacity = 0;
    for (;;) {
        if (!flow_grow(&origin->text, &capacity, origin->size + READ_STEP + 1, 1))
            return flow_fail(err, FLOW_ENOMEM, "no memory to read '%s'", origin->path);
        const ssize_t got = read(fd, origin->text + origin->size, READ_STEP);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return flow_system_fail(err, errno, "cannot read '%s'", origin->path);
        origin->size += (size_t)got;
        origin->text[origin->size] = '\0';
        if (got == 0 || origin->size > FLOW_GRAPH_MAX_BYTES)
            return FLOW_OK;
    }
}

static enum flow_status read_file(const char *path, struct flow_graph_origin *origin,
                                  struct flow_error *err)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, origin, err);

    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return flow_system_fail(err, errno, "cannot open '%s'", path);
    const enum flow_status rc = read_all(fd, origin, err);
    close(fd);
    return rc;
}

char *flow_text_load(const char *path, size_t *size, struct flow_error *err)
{
    struct flow_graph_origin origin = {.path = flow_strdup(path)};
    enum flow_status rc = FLOW_OK;
    if (origin.path == NULL)
        rc = flow_fail(err, FLOW_ENOMEM, "no memory to load '%s'", path);
    else
        rc = read_file(path, &origin, err);
    free(origin.path);
    *size = origin.size;
    if (rc == FLOW_OK)
        return origin.text;
    free(origin.text);
    return NULL;
}

static bool copy_texts(const char *const *texts, char ***copy)
{
    *copy = flow_texts_copy(texts);
    return *copy != NULL || texts == NULL;
}

static bool copy_options(const struct flow_load_options *options, struct flow_graph_origin *origin)
{
    if (options == NULL)
        return true;
    if (options->mode != NULL && (origin->mode = flow_strdup(options->mode)) == NULL)
        return false;
    if (options->fuse != NULL && (origin->fuse = flow_strdup(options->fuse)) == NULL)
        return false;
    if (options->pin != NULL && (origin->pin = flow_strdup(options->pin)) == NULL)
        return false;
    if (options->stall != NULL && (origin->stall = flow_strdup(options->stall)) == NULL)
        return false;
    if (options->state != NULL && (origin->state = flow_strdup(options->state)) == NULL)
        return false;
    if (options->checkpoint != NULL &&
        (origin->checkpoint = flow_strdup(options->checkpoint)) == NULL)
        return false;
    return copy_texts(options->params, &origin->params) &&
           copy_texts(options->sets, &origin->sets) &&
           copy_texts(options->workers, &origin->workers);
}

struct flow_graph_origin *flow_origin_new(const char *path, const struct flow_load_options *options,
                                          struct flow_error *err)
{
    struct flow_graph_origin *origin = flow_alloc(sizeof(*origin));
    if (origin != NULL)
        origin->path = flow_strdup(strcmp(path, "-") == 0 ? "<stdin>" : path);

    enum flow_status rc;
    if (origin == NULL || origin->path == NULL || !copy_options(options, origin))
        rc = flow_fail(err, FLOW_ENOMEM, "no memory to load '%s'", path);
    else
        rc = read_file(path, origin, err);
    if (rc == FLOW_OK)
        return origin;
    flow_origin_free(origin);
    return NULL;
}

void flow_origin_free(struct flow_graph_origin *origin)
{
    if (origin == NULL)
        return;
    free(origin->path);
    free(origin->text);
    free(origin->mode);
    free(origin->fuse);
    free(origin->pin);
    free(origin->stall);
    free(origin->state);
    free(origin->checkpoint);
    free(origin->test_folder);
    flow_texts_free(origin->params);
    flow_texts_free(origin->sets);
    flow_texts_free(origin->workers);
    free(origin);
}

struct flow_graph *flow_origin_read_graph(const struct flow_graph_origin *origin,
                                          const struct flow_types *types, struct flow_diag *diag)
{
    const struct flow_graph_options options = {
        .path = origin->path,
        .params = (const char *const *)origin->params,
        .sets = (const char *const *)origin->sets,
        .workers = (const char *const *)origin->workers,
        .mode = origin->mode,
        .fuse = origin->fuse,
        .pin = origin->pin,
        .stall = origin->stall,
        .state = origin->state,
        .checkpoint = origin->checkpoint,
        .test = origin->test,
    };
    struct flow_graph *graph = flow_graph_read(origin->text, origin->size, &options, types, diag);
    const struct flow_rig rig = {origin->test_folder, &flow_test_feed, &flow_test_take};
    if (graph == NULL || origin->test == 0 || flow_graph_rig(graph, origin->test - 1, &rig))
        return graph;
    diag->failed = true;
    flow_graph_free(graph);
    return NULL;
}
