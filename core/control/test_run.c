/* SPDX-License-Identifier: MIT */

/* A graph's own tests: the graph is rigged for one of them and run by the engine as any other. */

#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "control/folder.h"
#include "control/origin.h"
#include "control/session.h"
#include "control/test_compare.h"
#include "control/test_ends.h"
#include "graph/rig.h"

size_t flow_graph_test_count(const struct flow_graph *graph)
{
    return graph->test_count;
}

struct flow_test_info flow_graph_test_info(const struct flow_graph *graph, size_t test)
{
    const struct flow_graph_test *t = &graph->tests[test];
    return (struct flow_test_info){.name = t->name, .line = t->line, .within_ns = t->within_ns};
}

const char *flow_graph_test_env(const struct flow_graph *graph, size_t test, size_t i,
                                const char **value)
{
    json_t *env = graph->tests[test].env;
    void *at = json_object_iter(env);
    for (; at != NULL && i > 0; i--)
        at = json_object_iter_next(env, at);
    if (at == NULL)
        return NULL;
    *value = json_string_value(json_object_iter_value(at));
    return json_object_iter_key(at);
}

static enum flow_status write_feeds(const struct flow_graph_test *test, const struct flow_rig *rig,
                                    struct flow_error *err)
{
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; rc == FLOW_OK && i < test->feed_count; i++) {
        struct flow_str path = {0};
        flow_rig_feed_path(rig, i, &path);
        rc = path.failed ? flow_fail(err, FLOW_ENOMEM, "no memory for a path")
                         : flow_test_write(path.text, test->feeds[i].records, err);
        flow_str_clear(&path);
    }
    return rc;
}

static enum flow_status compare(const struct flow_graph *graph, const struct flow_graph_test *test,
                                const struct flow_rig *rig, struct flow_str *findings,
                                struct flow_error *err)
{
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; rc == FLOW_OK && i < test->expect_count; i++) {
        struct flow_test_records records = {0};
        struct flow_str path = {0};
        flow_rig_take_path(rig, i, &path);
        rc = path.failed ? flow_fail(err, FLOW_ENOMEM, "no memory for a path")
                         : flow_test_read(path.text, &records, err);
        if (rc == FLOW_OK)
            flow_test_compare(&test->expects[i], &records, graph->origin->path, findings);
        flow_test_records_clear(&records);
        flow_str_clear(&path);
    }
    return rc;
}

/* Run the graph, which is rigged; what is not as it should be is a finding. */
static enum flow_status run(struct flow_session *session, struct flow_graph *graph,
                            const struct flow_graph_test *test,
                            const struct flow_run_options *options, struct flow_str *findings,
                            struct flow_error *err)
{
    const struct flow_rig rig = {.folder = graph->origin->test_folder};
    struct flow_run_result result = {0};
    struct flow_error why = {0};
    enum flow_status rc = write_feeds(test, &rig, err);
    if (rc != FLOW_OK)
        return rc;
    const enum flow_status run_rc = flow_run(session, graph, options, &result, &why);
    if (run_rc != FLOW_OK)
        flow_str_addf(findings, "%s:%zu: the run failed: %s\n", graph->origin->path, test->line,
                      why.text);
    else
        rc = compare(graph, test, &rig, findings, err);
    free(result.report_text);
    free(result.report_json);
    return rc;
}

/* Make `origin` that of a test whose files lie in `folder`. */
static enum flow_status set_test(struct flow_graph_origin *origin, size_t test, const char *folder,
                                 struct flow_error *err)
{
    origin->test = test + 1;
    origin->test_folder = flow_strdup(folder);
    return origin->test_folder != NULL ? FLOW_OK
                                       : flow_fail(err, FLOW_ENOMEM, "no memory for a test");
}

static enum flow_status run_in(struct flow_session *session, struct flow_graph_origin *origin,
                               const struct flow_run_options *options, struct flow_str *findings,
                               struct flow_error *err)
{
    struct flow_diag diag = {.path = origin->path, .text = origin->text, .text_size = origin->size};
    struct flow_graph *graph = flow_origin_read_graph(origin, &session->types, &diag);
    enum flow_status rc = FLOW_OK;
    if (graph == NULL && diag.count > 0) {
        flow_diag_print(&diag, findings);
    } else if (graph == NULL) {
        rc = flow_fail(err, FLOW_ENOMEM, "no memory to read '%s'", origin->path);
    } else {
        graph->origin = origin;
        rc = run(session, graph, &graph->tests[origin->test - 1], options, findings, err);
    }
    flow_graph_free(graph);
    flow_diag_clear(&diag);
    return rc;
}

enum flow_status flow_test_run(struct flow_session *session, const char *path,
                               const struct flow_load_options *load, size_t test,
                               const struct flow_run_options *options, char **findings,
                               struct flow_error *err)
{
    struct flow_folder folder = FLOW_FOLDER_NONE;
    struct flow_str out = {0};
    enum flow_status rc = FLOW_OK;
    *findings = NULL;
    struct flow_graph_origin *origin = flow_origin_new(path, load, err);
    if (origin == NULL)
        return err != NULL ? err->status : FLOW_EIO;
    rc = flow_folder_new(&folder, err);
    if (rc == FLOW_OK)
        rc = set_test(origin, test, folder.path, err);
    if (rc == FLOW_OK)
        rc = run_in(session, origin, options, &out, err);
    if (rc == FLOW_OK && (out.size > 0 || out.failed)) {
        *findings = out.failed ? NULL : flow_str_take(&out);
        if (*findings == NULL)
            rc = flow_fail(err, FLOW_ENOMEM, "no memory to tell what the test found");
    }
    flow_str_clear(&out);
    flow_folder_remove(&folder);
    flow_origin_free(origin);
    return rc;
}
