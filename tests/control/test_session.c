/* SPDX-License-Identifier: MIT */
#include "flowrun/run.h"

#include <fcntl.h>

#include "base/mem.h"
#include "control/fake_group.h"
#include "control/session.h"
#include "support/check.h"

/* NOLINTBEGIN(concurrency-mt-unsafe): nothing else uses the environment meanwhile */

static const char sound[] = "{\"flowrun\": 1, \"stages\": {\"from\": {\"use\": \"fake.from\"},"
                            " \"to\": {\"use\": \"fake.to\", \"from\": \"from\"}}}";

static char path[64]; /* of the graph file that each test writes */

static void write_file(const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct flow_session *new_session(void)
{
    const struct flow_session_options options = {.builtin = fake_builtin};
    struct flow_error err = {0};
    struct flow_session *session = flow_session_new(&options, &err);
    assert_non_null(session);
    return session;
}

static struct flow_graph *load(struct flow_session *session, char **messages,
                               struct flow_error *err)
{
    *err = (struct flow_error){0};
    *messages = NULL;
    return flow_graph_load(session, path, NULL, messages, err);
}

static struct flow_graph *load_sound(struct flow_session *session)
{
    char *messages = NULL;
    struct flow_error err;
    write_file(sound);
    struct flow_graph *graph = load(session, &messages, &err);
    assert_non_null(graph);
    assert_null(messages);
    return graph;
}

TEST(a_file_that_is_not_there_is_an_error_of_the_system)
{
    struct flow_session *session = new_session();
    char *messages = NULL;
    struct flow_error err = {0};
    assert_null(flow_graph_load(session, "/nonexistent/graph.json", NULL, &messages, &err));
    assert_null(messages);
    assert_int_equal(err.status, FLOW_EIO);
    assert_string_equal(err.text,
                        "cannot open '/nonexistent/graph.json': No such file or directory");
    flow_session_free(session);
}

TEST(a_folder_is_no_graph)
{
    struct flow_session *session = new_session();
    char *messages = NULL;
    struct flow_error err = {0};
    assert_null(flow_graph_load(session, "/tmp", NULL, &messages, &err));
    assert_null(messages);
    assert_int_equal(err.status, FLOW_EIO);
    assert_string_equal(err.text, "cannot read '/tmp': Is a directory");
    flow_session_free(session);
}

TEST(a_graph_that_is_refused_comes_back_as_messages)
{
    struct flow_session *session = new_session();
    char *messages = NULL;
    struct flow_error err;
    write_file("{\"flowrun\": 1, \"stages\": {\"from\": {\"use\": \"fake.form\"}}}");
    assert_null(load(session, &messages, &err));
    assert_int_equal(err.status, FLOW_EINVAL);
    assert_non_null(strstr(err.text, "is refused: "));
    assert_non_null(messages);
    assert_memory_equal(messages, path, strlen(path));
    assert_non_null(strstr(messages, "fake.form"));
    assert_non_null(strstr(messages, "did you mean 'fake.from'?"));
    free(messages);
    flow_session_free(session);
}

TEST(messages_need_not_be_wanted)
{
    struct flow_session *session = new_session();
    struct flow_error err = {0};
    write_file("{");
    assert_null(flow_graph_load(session, path, NULL, NULL, &err));
    assert_int_equal(err.status, FLOW_EINVAL);
    flow_session_free(session);
}

TEST(a_graph_comes_from_standard_input_too)
{
    struct flow_session *session = new_session();
    struct flow_error err = {0};
    write_file(sound);
    const int saved = dup(STDIN_FILENO);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(saved >= 0 && fd >= 0);
    assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    struct flow_graph *graph = flow_graph_load(session, "-", NULL, NULL, &err);
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    close(saved);
    close(fd);
    assert_non_null(graph);
    assert_string_equal(graph->folder, ".");
    flow_graph_unload(graph);
    flow_session_free(session);
}

TEST(a_plan_is_explained_as_text_and_json_only)
{
    struct flow_session *session = new_session();
    struct flow_graph *graph = load_sound(session);
    struct flow_error err = {0};
    char *text = flow_graph_explain(graph, FLOW_FORMAT_TEXT, &err);
    char *json = flow_graph_explain(graph, FLOW_FORMAT_JSON, &err);
    assert_non_null(strstr(text, "fake.from"));
    assert_int_equal(json[0], '{');
    assert_int_equal(json[strlen(json) - 1], '\n');
    assert_null(flow_graph_explain(graph, FLOW_FORMAT_DOT, &err));
    assert_int_equal(err.status, FLOW_EINVAL);
    assert_string_equal(err.text, "a plan is shown as text or JSON, not as DOT");
    free(text);
    free(json);
    flow_graph_unload(graph);
    flow_session_free(session);
}

TEST(a_graph_is_drawn_as_text_dot_and_mermaid_only)
{
    struct flow_session *session = new_session();
    struct flow_graph *graph = load_sound(session);
    struct flow_error err = {0};
    char *text = flow_graph_draw(graph, FLOW_FORMAT_TEXT, &err);
    char *dot = flow_graph_draw(graph, FLOW_FORMAT_DOT, &err);
    char *mermaid = flow_graph_draw(graph, FLOW_FORMAT_MERMAID, &err);
    assert_non_null(strstr(text, "from"));
    assert_non_null(strstr(dot, "digraph"));
    assert_non_null(strstr(mermaid, "flowchart"));
    assert_null(flow_graph_draw(graph, FLOW_FORMAT_JSON, &err));
    assert_string_equal(err.text, "a graph is drawn as text, DOT or Mermaid, not as JSON");
    free(text);
    free(dot);
    free(mermaid);
    flow_graph_unload(graph);
    flow_session_free(session);
}

/* Left to itself nothing of it is fused; the command line has the last word. */
TEST(drawings_show_what_is_fused_in_the_run_that_is_asked_for)
{
    static const char *const ways[] = {"auto", "on"};
    struct flow_session *session = new_session();
    for (size_t i = 0; i < COUNT(ways); i++) {
        struct flow_error err = {0};
        write_file(sound);
        const struct flow_load_options options = {.fuse = ways[i]};
        struct flow_graph *graph = flow_graph_load(session, path, &options, NULL, &err);
        assert_non_null(graph);
        char *text = flow_graph_draw(graph, FLOW_FORMAT_TEXT, &err);
        char *dot = flow_graph_draw(graph, FLOW_FORMAT_DOT, &err);
        char *mermaid = flow_graph_draw(graph, FLOW_FORMAT_MERMAID, &err);
        assert_int_equal(strstr(text, "fused") != NULL, i == 1);
        assert_int_equal(strstr(dot, "subgraph cluster_0 {") != NULL, i == 1);
        assert_int_equal(strstr(mermaid, "subgraph fused0 [\"fused\"]") != NULL, i == 1);
        free(text);
        free(dot);
        free(mermaid);
        flow_graph_unload(graph);
    }
    flow_session_free(session);
}

TEST(a_graph_that_cannot_be_planned_is_drawn)
{
    struct flow_session *session = new_session();
    struct flow_error err = {0};
    struct flow_graph *graph = load_sound(session);
    graph->memory = 1;
    assert_null(flow_graph_explain(graph, FLOW_FORMAT_TEXT, &err));
    char *text = flow_graph_draw(graph, FLOW_FORMAT_TEXT, &err);
    assert_non_null(strstr(text, "from"));
    free(text);
    flow_graph_unload(graph);
    flow_session_free(session);
}

TEST(stage_types_are_listed_and_described)
{
    struct flow_session *session = new_session();
    struct flow_error err = {0};
    char *list = flow_stages_list(session, FLOW_FORMAT_TEXT, &err);
    char *json = flow_stages_list(session, FLOW_FORMAT_JSON, &err);
    char *one = flow_stage_describe(session, "fake.to", FLOW_FORMAT_TEXT, &err);
    char *one_json = flow_stage_describe(session, "fake.to", FLOW_FORMAT_JSON, &err);
    assert_non_null(
        strstr(list, "fake.from        producer  a producer that does as it is told\n"));
    assert_non_null(strstr(json, "\"name\": \"fake.to\""));
    assert_memory_equal(one, "fake.to: a consumer that does as it is told\n\nrole: consumer\n", 60);
    assert_non_null(strstr(one, "\ninputs:\n  in "));
    assert_null(strstr(one, "outputs:"));
    assert_non_null(strstr(one, "\nparameters:\n"));
    assert_non_null(strstr(one_json, "\"role\": \"consumer\""));
    assert_non_null(strstr(one_json, "\"light\": false"));
    assert_null(strstr(one, "light"));
    free(list);
    free(json);
    free(one);
    free(one_json);
    flow_session_free(session);
}

TEST(an_unknown_stage_type_cannot_be_described)
{
    struct flow_session *session = new_session();
    struct flow_error err = {0};
    assert_null(flow_stage_describe(session, "fake.nothing", FLOW_FORMAT_TEXT, &err));
    assert_int_equal(err.status, FLOW_ENOENT);
    assert_non_null(strstr(err.text, "fake.nothing"));
    flow_session_free(session);
}

TEST(the_schema_knows_the_stage_types)
{
    struct flow_session *session = new_session();
    struct flow_error err = {0};
    char *schema = flow_schema(session, &err);
    assert_non_null(strstr(schema, "fake.from"));
    free(schema);
    flow_session_free(session);
}

TEST(plugin_folders_are_searched_in_their_order)
{
    static const char *const given[] = {"/given/a", "/given/b", NULL};
    const struct flow_session_options options = {.builtin = fake_builtin, .plugin_folders = given};
    struct flow_error err = {0};
    setenv("FLOWRUN_PLUGIN_PATH", "/path/c::/path/d", 1);
    struct flow_session *session = flow_session_new(&options, &err);
    unsetenv("FLOWRUN_PLUGIN_PATH");
    static const char *const expected[] = {"/given/a", "/given/b", "/path/c", "/path/d"};
    for (size_t i = 0; i < COUNT(expected); i++)
        assert_string_equal(session->plugin_folders[i], expected[i]);
    assert_non_null(session->plugin_folders[4]); /* the installed one */
    assert_null(session->plugin_folders[5]);
    flow_session_free(session);
}

TEST(freeing_nothing_does_nothing)
{
    flow_session_free(NULL);
    flow_graph_unload(NULL);
}

/* A session, a graph and a run of it, as far as it goes. */
static enum flow_status do_all(const char *mode, struct flow_error *err)
{
    const struct flow_session_options options = {.builtin = fake_builtin};
    const struct flow_load_options how = {.mode = mode};
    const struct flow_run_options run_options = {.stop_fd = -1};
    struct flow_run_result result = {0};
    char *messages = NULL;
    struct flow_graph *graph = NULL;
    struct flow_session *session = flow_session_new(&options, err);
    if (session != NULL)
        graph = flow_graph_load(session, path, &how, &messages, err);
    enum flow_status rc = err->status;
    if (graph != NULL)
        rc = flow_run(session, graph, &run_options, &result, err);
    free(result.report_text);
    free(result.report_json);
    free(messages);
    flow_graph_unload(graph);
    flow_session_free(session);
    return rc;
}

/* Is the allocation that was to fail still to come? */
static bool is_armed(void)
{
    bool armed = false;
    for (int i = 0; i < 10000 && !armed; i++) {
        void *probe = flow_alloc(1);
        armed = probe == NULL;
        free(probe);
    }
    return armed;
}

TEST(a_lack_of_memory_at_any_point_ends_a_run_without_harm)
{
    static const char *const modes[] = {"threads", "processes"};
    write_file(sound);
    for (size_t i = 0; i < COUNT(modes); i++) {
        bool armed = false;
        for (int n = 0; !armed; n++) {
            struct flow_error err = {0};
            flow_mem_fail_at(n);
            const enum flow_status rc = do_all(modes[i], &err);
            armed = is_armed();
            flow_mem_fail_at(-1);
            assert_int_equal(err.status, rc);
            assert_true(rc == FLOW_OK || err.text[0] != '\0');
            assert_true(rc == FLOW_OK || !armed);
        }
    }
}

static int name_file(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/flow-test-XXXXXX");
    const int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static int drop_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(int argc, char **argv)
{
    const struct flow_session_options options = {.builtin = fake_builtin};
    int exit_code = 0;
    if (flow_worker_main(&options, argc, argv, &exit_code))
        return exit_code;

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_is_not_there_is_an_error_of_the_system),
        cmocka_unit_test(a_folder_is_no_graph),
        cmocka_unit_test(a_graph_that_is_refused_comes_back_as_messages),
        cmocka_unit_test(messages_need_not_be_wanted),
        cmocka_unit_test(a_graph_comes_from_standard_input_too),
        cmocka_unit_test(a_plan_is_explained_as_text_and_json_only),
        cmocka_unit_test(a_graph_is_drawn_as_text_dot_and_mermaid_only),
        cmocka_unit_test(drawings_show_what_is_fused_in_the_run_that_is_asked_for),
        cmocka_unit_test(a_graph_that_cannot_be_planned_is_drawn),
        cmocka_unit_test(stage_types_are_listed_and_described),
        cmocka_unit_test(an_unknown_stage_type_cannot_be_described),
        cmocka_unit_test(the_schema_knows_the_stage_types),
        cmocka_unit_test(plugin_folders_are_searched_in_their_order),
        cmocka_unit_test(freeing_nothing_does_nothing),
        cmocka_unit_test(a_lack_of_memory_at_any_point_ends_a_run_without_harm),
    };
    return cmocka_run_group_tests(tests, name_file, drop_file);
}

/* NOLINTEND(concurrency-mt-unsafe) */
