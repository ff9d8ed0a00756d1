/* SPDX-License-Identifier: MIT */
#include <sys/stat.h>

#include "folder.h"
#include "support/check.h"
#include "support/harness.h"

static void shell(const struct folder *folder, const char *command)
{
    char *line = NULL;
    assert_true(asprintf(&line, "cd %s && %s", folder->path, command) > 0);
    assert_int_equal(system(line), 0); /* NOLINT(cert-env33-c,concurrency-mt-unsafe) */
    free(line);
}

static struct flow_harness *lister(const struct folder *folder, const char *name, const char *rest,
                                   size_t stop_after, bool resumes)
{
    char *with = folder_with(folder, "path", name, rest);
    const struct flow_harness_options options = {
        .with = with, .stop_after = stop_after, .checkpoints = true, .resumes = resumes};
    struct flow_harness *h = flow_harness_new(harness_builtin("files.list"), &options);
    free(with);
    return h;
}

/* A copy of what was listed, without the folder's own path; to be freed. */
static char *listed(const struct folder *folder, struct flow_harness *h)
{
    char *text = strdup(flow_harness_text(h, 0));
    char *to = text;
    const size_t size = strlen(folder->path) + 1;
    for (const char *c = text; *c != '\0';) {
        if (strncmp(c, folder->path, size - 1) == 0 && c[size - 1] == '/')
            c += size;
        else
            *to++ = *c++;
    }
    *to = '\0';
    return text;
}

static void expect(const struct folder *folder, const char *name, const char *rest,
                   const char *text)
{
    struct flow_harness *h = lister(folder, name, rest, 0, false);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    char *got = listed(folder, h);
    assert_string_equal(got, text);
    free(got);
    flow_harness_free(h);
}

static struct folder tree(void)
{
    const struct folder folder = folder_new();
    shell(&folder,
          "mkdir -p a/b/c a.d none && echo 1 >a/1 && echo 22 >a/b/2 && echo 333 >a/b/c/3 &&"
          "echo >a.d/x.jpg && echo >a.txt && echo >b.jpg && ln -s b.jpg link &&"
          "ln -s nowhere dangling && mkfifo pipe && echo >.hidden");
    return folder;
}

static void remove_tree(const struct folder *folder)
{
    shell(folder, "rm -rf ./* ./.h*");
    folder_look(folder, 1);
}

TEST(a_folder_is_listed_in_order)
{
    const struct folder folder = tree();
    expect(&folder, "", "", ".hidden\na.txt\nb.jpg\nlink\n");
    expect(&folder, "", ", \"kind\": \"folder\"", "a\na.d\nnone\n");
    expect(&folder, "", ", \"kind\": \"other\"", "dangling\npipe\n");
    expect(&folder, "none", "", "");
    expect(&folder, "b.jpg", "", "b.jpg\n");
    expect(&folder, "*.{txt,jpg}", "", "a.txt\nb.jpg\n");
    remove_tree(&folder);
}

TEST(a_tree_is_listed_in_the_order_of_its_paths)
{
    const struct folder folder = tree();
    expect(&folder, "", ", \"tree\": true, \"kind\": \"any\"",
           ".hidden\na\na.d\na.d/x.jpg\na.txt\na/1\na/b\na/b/2\na/b/c\na/b/c/3\nb.jpg\ndangling\n"
           "link\nnone\npipe\n");
    expect(&folder, "", ", \"tree\": true, \"match\": [\"*.jpg\", \"[0-9]\"]",
           "a.d/x.jpg\na/1\na/b/2\na/b/c/3\nb.jpg\n");
    expect(&folder, "", ", \"tree\": true, \"exclude\": [\"b\", \".*\", \"*.jpg\"]",
           "a.txt\na/1\nlink\n");
    expect(&folder, "", ", \"tree\": true, \"min_size\": 3, \"max_size\": \"3B\"", "a/b/2\n");
    remove_tree(&folder);
}

TEST(json_has_size_and_time)
{
    const struct folder folder = folder_new();
    shell(&folder, "printf 12345 >'a \"b\"' && touch -d @1000000000.5 a*");
    struct flow_harness *h = lister(&folder, "", ", \"emit\": \"json\"", 0, false);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_non_null(strstr(flow_harness_text(h, 0), "/a \\\"b\\\"\",\"kind\":\"file\",\"size\":5,"
                                                    "\"modified\":1000000000.500000}\n"));
    flow_harness_free(h);
    shell(&folder, "touch \"$(printf 'a\\377')\"");
    h = lister(&folder, "", ", \"emit\": \"json\"", 0, false);
    assert_int_equal(flow_harness_run(h), FLOW_EINVAL);
    assert_non_null(strstr(flow_harness_failure(h), "is not UTF-8"));
    flow_harness_free(h);
    folder_look(&folder, 1);
}

TEST(what_is_not_there_or_makes_no_sense_is_refused)
{
    const struct folder folder = folder_new();
    static const struct {
        const char *name, *rest, *words;
    } cases[] = {
        {"none", "", "cannot list '"},
        {"*.txt", "", "nothing matches"},
        {"", ", \"min_size\": 2, \"max_size\": 1", "'max_size' is below 'min_size'"},
        {"file", ", \"watch\": true", "'watch' watches folders"},
    };
    folder_put(&folder, "file", "", 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h = lister(&folder, cases[i].name, cases[i].rest, 0, false);
        assert_int_not_equal(flow_harness_open(h), FLOW_OK);
        assert_non_null(strstr(flow_harness_failure(h), cases[i].words));
        flow_harness_free(h);
    }
    folder_look(&folder, 1);
}

static void assert_halves_are_refused(const struct folder *folder, const char *rest,
                                      const struct flow_harness_saved *saved)
{
    for (size_t size = 0; size < saved->size; size++) {
        const struct flow_harness_saved half = {saved->bytes, size};
        struct flow_harness *h = lister(folder, "", rest, 0, true);
        assert_int_equal(flow_harness_open(h), FLOW_OK);
        assert_int_not_equal(flow_harness_restore(h, &half), FLOW_OK);
        flow_harness_free(h);
    }
}

TEST(a_listing_goes_on_behind_what_was_emitted)
{
    const struct folder folder = folder_new();
    const char *rest = ", \"tree\": true, \"kind\": \"any\"";
    shell(&folder, "for i in 1 2 3 4 5 6 7 8; do mkdir -p d$i/e && "
                   "(cd d$i && seq 1 200 | xargs touch && cd e && seq 1 200 | xargs touch); done");
    struct flow_harness *whole = lister(&folder, "", rest, 0, false);
    assert_int_equal(flow_harness_run(whole), FLOW_OK);
    assert_int_equal(flow_harness_count(whole, 0), 8 * 402);
    static const size_t stops[] = {1, 200, 401, 402, 403, 1000, 2048, 3215, 3216};
    for (size_t i = 0; i < COUNT(stops); i++) {
        struct flow_harness_saved saved;
        struct flow_harness *first = lister(&folder, "", rest, stops[i], false);
        assert_int_equal(flow_harness_open(first), FLOW_OK);
        assert_int_equal(flow_harness_work(first), FLOW_OK);
        assert_int_equal(flow_harness_save(first, &saved), FLOW_OK);
        struct flow_harness *second = lister(&folder, "", rest, 0, true);
        assert_int_equal(flow_harness_open(second), FLOW_OK);
        assert_int_equal(flow_harness_restore(second, &saved), FLOW_OK);
        assert_int_equal(flow_harness_work(second), FLOW_OK);
        char *both = NULL;
        assert_true(
            asprintf(&both, "%s%s", flow_harness_text(first, 0), flow_harness_text(second, 0)) > 0);
        assert_string_equal(both, flow_harness_text(whole, 0));
        free(both);
        flow_harness_free(first);
        flow_harness_free(second);
        if (i == 2)
            assert_halves_are_refused(&folder, rest, &saved);
        free(saved.bytes);
    }
    flow_harness_free(whole);
    shell(&folder, "rm -r d*");
    folder_look(&folder, 1);
}

/* ---- watching ---- */

static const char watch[] = ", \"watch\": true, \"tree\": true, \"exclude\": \".*\"";

static void step(struct flow_harness *h, size_t count)
{
    while (flow_harness_count(h, 0) < count)
        assert_int_equal(flow_harness_step(h), FLOW_OK);
}

static void expect_text(const struct folder *folder, struct flow_harness *h, const char *text)
{
    char *got = listed(folder, h);
    assert_string_equal(got, text);
    free(got);
}

TEST(files_are_emitted_as_they_are_closed_moved_in_or_linked)
{
    const struct folder folder = folder_new();
    shell(&folder, "mkdir d && echo >d/old");
    struct flow_harness *h = lister(&folder, "", watch, 0, false);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    step(h, 1);
    shell(&folder, "echo 1 >d/1 && echo 2 >.2 && mv .2 2 && ln 2 3 && ln -s 2 4");
    step(h, 5);
    expect_text(&folder, h, "d/old\nd/1\n2\n3\n4\n");
    shell(&folder, "mkdir -p d/e/f && echo 5 >d/e/f/5");
    step(h, 6);
    shell(&folder, "echo 6 >d/e/f/6");
    step(h, 7);
    shell(&folder, "mv d/e g && echo 7 >g/f/7");
    step(h, 10);
    expect_text(&folder, h, "d/old\nd/1\n2\n3\n4\nd/e/f/5\nd/e/f/6\ng/f/5\ng/f/6\ng/f/7\n");
    flow_harness_free(h);
    shell(&folder, "rm -rf ./*");
    folder_look(&folder, 1);
}

TEST(a_file_that_is_there_when_watching_begins_comes_once)
{
    const struct folder folder = folder_new();
    shell(&folder, "echo >a");
    struct flow_harness *h = lister(&folder, "", watch, 0, false);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    step(h, 1);
    shell(&folder, "echo >b");
    step(h, 2);
    expect_text(&folder, h, "a\nb\n");
    flow_harness_free(h);
    folder_look(&folder, 1);
}

/* At most once. */
static void leave_out(char *text, const char *line)
{
    char *found = strstr(text, line);
    if (found != NULL)
        memmove(found, found + strlen(line), strlen(found + strlen(line)) + 1);
}

TEST(what_came_while_nobody_watched_is_found)
{
    const struct folder folder = folder_new();
    shell(&folder, "mkdir d && echo >d/old && mkdir .out && echo >.out/1 && touch -d @1 .out/1");
    struct flow_harness *h = lister(&folder, "", watch, 0, false);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    step(h, 1);
    shell(&folder, "echo >d/seen");
    step(h, 2);
    struct flow_harness_saved saved;
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    flow_harness_free(h);

    shell(&folder, "echo >new && mv .out d/out && mkdir e && echo >e/2");
    h = lister(&folder, "", watch, 0, true);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_OK);
    step(h, 3);
    shell(&folder, "echo >last");
    while (strstr(flow_harness_text(h, 0), "last\n") == NULL)
        assert_int_equal(flow_harness_step(h), FLOW_OK);
    /* What was written in the very tick of the clock before the checkpoint may come again. */
    char *got = listed(&folder, h);
    leave_out(got, "d/old\n");
    leave_out(got, "d/seen\n");
    assert_string_equal(got, "d/out/1\ne/2\nnew\nlast\n");
    free(got);
    flow_harness_free(h);
    free(saved.bytes);
    shell(&folder, "rm -rf ./*");
    folder_look(&folder, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_listed_in_order),
        cmocka_unit_test(a_tree_is_listed_in_the_order_of_its_paths),
        cmocka_unit_test(json_has_size_and_time),
        cmocka_unit_test(what_is_not_there_or_makes_no_sense_is_refused),
        cmocka_unit_test(a_listing_goes_on_behind_what_was_emitted),
        cmocka_unit_test(files_are_emitted_as_they_are_closed_moved_in_or_linked),
        cmocka_unit_test(a_file_that_is_there_when_watching_begins_comes_once),
        cmocka_unit_test(what_came_while_nobody_watched_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
