/* SPDX-License-Identifier: MIT */
#include <sys/stat.h>

#include "folder.h"
#include "support/check.h"
#include "support/harness.h"

static struct harness *filer(const struct folder *folder, const char *name, const char *rest,
                             bool checkpoints, bool resumes)
{
    char *with = folder_with(folder, "path", name, rest);
    const struct harness_options options = {
        .with = with, .checkpoints = checkpoints, .resumes = resumes};
    struct harness *h = harness_new(harness_builtin("files.write"), &options);
    free(with);
    return h;
}

static void work(struct harness *h)
{
    assert_int_equal(harness_open(h), FLOW_OK);
    assert_int_equal(harness_work(h), FLOW_OK);
}

TEST(files_are_named_by_key_number_and_field)
{
    const struct folder folder = folder_new();
    struct harness *h = filer(&folder, "{key}-{n:3}.{replica}.{/a/0}{{.x", "", false, false);
    harness_feed_keyed(h, "k", "{\"a\": [\"\\u00e9\"]}");
    harness_feed_keyed(h, "l", "{\"a\": [12]}");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_reject_count(h), 0);
    harness_free(h);
    assert_string_equal(folder_get(&folder, "k-001.0.\xc3\xa9{.x"), "{\"a\": [\"\\u00e9\"]}");
    assert_string_equal(folder_get(&folder, "l-002.0.12{.x"), "{\"a\": [12]}");
    assert_int_equal(folder_look(&folder, 1), 2);
}

TEST(records_of_any_size_are_files)
{
    const struct folder folder = folder_new();
    char *large = malloc(3000000);
    memset(large, 'x', 3000000);
    struct harness *h = filer(&folder, "{n}", ", \"end\": \"\\n\"", false, false);
    harness_feed(h, "");
    harness_feed_bytes(h, "a\0b", 3);
    harness_feed_bytes(h, large, 3000000);
    assert_int_equal(harness_run(h), FLOW_OK);
    harness_free(h);
    free(large);
    assert_string_equal(folder_get(&folder, "1"), "\n");
    assert_memory_equal(folder_get(&folder, "2"), "a\0b\n", 5);
    struct stat st;
    char *path = folder_path(&folder, "3");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 3000001);
    free(path);
    assert_int_equal(folder_look(&folder, 1), 3);
}

TEST(names_that_would_lead_elsewhere_are_refused)
{
    static const struct {
        const char *name, *rest, *key, *words;
    } cases[] = {
        {"{key}", "", NULL, "the record has no key"},
        {"{key}", "", "a/b", "has a '/'"},
        {"{key}", ", \"key_folders\": true", "a/../b", "is no name for a file"},
        {"{key}", ", \"key_folders\": true", "a/", "is no name for a file"},
        {"{key}", "", "..", "is no name for a file"},
        {"{key}", "", ".", "is no name for a file"},
        {"{/a}", "", "k", "no text or number at 'a'"},
        {"{/b}", "", "k", "no JSON"},
    };
    const struct folder folder = folder_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct harness *h = filer(&folder, cases[i].name, cases[i].rest, false, false);
        const char *text = strcmp(cases[i].name, "{/b}") == 0 ? "{\"b\":" : "{\"a\": {}}";
        if (cases[i].key != NULL)
            harness_feed_keyed(h, cases[i].key, text);
        else
            harness_feed(h, text);
        assert_int_equal(harness_run(h), FLOW_OK);
        assert_int_equal(harness_reject_count(h), 1);
        assert_non_null(strstr(harness_reject(h, 0), cases[i].words));
        harness_free(h);
    }
    char name[300];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    struct harness *h = filer(&folder, "{key}", "", false, false);
    harness_feed_keyed(h, name, "");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_reject_count(h), 1);
    harness_free(h);
    assert_int_equal(folder_look(&folder, 1), 0);
}

TEST(wrong_templates_are_refused)
{
    static const struct {
        const char *name, *words;
    } cases[] = {
        {"a{", "a brace is opened and not closed"},
        {"{name}", "{/field} are known"},
        {"{n:x}", "{/field} are known"},
        {"{/a~2}", "a '~' stands before"},
        {"a/", "names no file"},
    };
    const struct folder folder = folder_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct harness *h = filer(&folder, cases[i].name, "", false, false);
        assert_int_equal(harness_open(h), FLOW_EINVAL);
        assert_non_null(strstr(harness_failure(h), cases[i].words));
        harness_free(h);
    }
    folder_look(&folder, 1);
}

static void put_same(const struct folder *folder, const char *policy, const char *expected,
                     const char *second, size_t rejects, bool checkpoints)
{
    char rest[64];
    (void)snprintf(rest, sizeof(rest), ", \"on_exists\": \"%s\"", policy);
    folder_put(folder, "a.txt", "old", 3);
    struct harness *h = filer(folder, "{key}.txt", rest, checkpoints, false);
    harness_feed_keyed(h, "a", "1");
    harness_feed_keyed(h, "a", "2");
    harness_feed_keyed(h, "b", "3");
    harness_feed_keyed(h, "b", "4");
    work(h);
    assert_int_equal(harness_finish(h), FLOW_OK);
    if (checkpoints) {
        struct harness_saved saved;
        assert_int_equal(harness_save(h, &saved), FLOW_OK);
        assert_int_equal(harness_commit(h, 1), FLOW_OK);
        free(saved.bytes);
    }
    assert_int_equal(harness_reject_count(h), rejects);
    harness_free(h);
    assert_string_equal(folder_get(folder, "a.txt"), expected);
    assert_string_equal(folder_get(folder, "b.txt"), second);
    const size_t files = strcmp(policy, "number") == 0 ? 5 : 2;
    if (files == 5) {
        assert_string_equal(folder_get(folder, "a-2.txt"), "1");
        assert_string_equal(folder_get(folder, "a-3.txt"), "2");
        assert_string_equal(folder_get(folder, "b-2.txt"), "4");
    }
    assert_int_equal(folder_look(folder, 1), files);
}

TEST(a_name_that_is_taken_is_replaced_refused_kept_or_numbered)
{
    for (int checkpoints = 0; checkpoints < 2; checkpoints++) {
        struct folder folder = folder_new();
        put_same(&folder, "replace", "2", "4", 0, checkpoints);
        folder = folder_new();
        put_same(&folder, "refuse", "old", "3", 3, checkpoints);
        folder = folder_new();
        put_same(&folder, "keep", "old", "3", 0, checkpoints);
        folder = folder_new();
        put_same(&folder, "number", "old", "3", 0, checkpoints);
    }
}

TEST(folders_are_made)
{
    const struct folder folder = folder_new();
    struct harness *h = filer(&folder, "x/{key}", ", \"key_folders\": true", false, false);
    harness_feed_keyed(h, "y/z", "1");
    assert_int_equal(harness_run(h), FLOW_OK);
    harness_free(h);
    assert_string_equal(folder_get(&folder, "x/y/z"), "1");
    static const char *const names[] = {"x/y/z", "x/y", "x"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char *path = folder_path(&folder, names[i]);
        assert_int_equal(remove(path), 0);
        free(path);
    }
    assert_int_equal(folder_look(&folder, 1), 0);
}

/* ---- checkpoints ---- */

TEST(files_get_their_names_when_the_checkpoint_is_for_good)
{
    const struct folder folder = folder_new();
    struct harness *h = filer(&folder, "{key}", "", true, false);
    struct harness_saved saved;
    harness_feed_keyed(h, "a", "1");
    work(h);
    assert_int_equal(harness_save(h, &saved), FLOW_OK);
    assert_string_equal(folder_get(&folder, "a"), "(none)");
    assert_int_equal(harness_work(h), FLOW_OK); /* once more, behind the checkpoint */
    assert_int_equal(harness_commit(h, 1), FLOW_OK);
    assert_string_equal(folder_get(&folder, "a"), "1");
    harness_free(h);

    h = filer(&folder, "{key}", "", true, true);
    harness_feed_keyed(h, "b", "2");
    assert_int_equal(harness_open(h), FLOW_OK);
    assert_int_equal(harness_restore(h, &saved), FLOW_OK);
    assert_int_equal(harness_commit(h, 1), FLOW_OK); /* nobody knows whether that was done */
    assert_int_equal(harness_work(h), FLOW_OK);
    struct harness_saved end;
    assert_int_equal(harness_save(h, &end), FLOW_OK);
    harness_free(h);

    /* The run was killed before the commit. */
    h = filer(&folder, "{key}", "", true, true);
    assert_int_equal(harness_open(h), FLOW_OK);
    assert_int_equal(harness_restore(h, &end), FLOW_OK);
    assert_string_equal(folder_get(&folder, "b"), "(none)");
    assert_int_equal(harness_commit(h, 2), FLOW_OK);
    harness_free(h);
    assert_string_equal(folder_get(&folder, "b"), "2");

    for (size_t size = 0; size < end.size; size++) {
        const struct harness_saved half = {end.bytes, size};
        h = filer(&folder, "{key}", "", true, true);
        assert_int_equal(harness_open(h), FLOW_OK);
        assert_int_not_equal(harness_restore(h, &half), FLOW_OK);
        harness_free(h);
    }
    free(saved.bytes);
    free(end.bytes);
    assert_int_equal(folder_look(&folder, 1), 2);
}

TEST(two_runs_do_not_write_to_the_same_folder)
{
    const struct folder folder = folder_new();
    struct harness *one = filer(&folder, "{key}", "", false, false);
    struct harness *two = filer(&folder, "{key}", "", false, false);
    assert_int_equal(harness_open(one), FLOW_OK);
    assert_int_equal(harness_open(two), FLOW_EIO);
    assert_non_null(strstr(harness_failure(two), "another run writes to"));
    harness_free(two);
    harness_free(one);
    assert_int_equal(folder_look(&folder, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_named_by_key_number_and_field),
        cmocka_unit_test(records_of_any_size_are_files),
        cmocka_unit_test(names_that_would_lead_elsewhere_are_refused),
        cmocka_unit_test(wrong_templates_are_refused),
        cmocka_unit_test(a_name_that_is_taken_is_replaced_refused_kept_or_numbered),
        cmocka_unit_test(folders_are_made),
        cmocka_unit_test(files_get_their_names_when_the_checkpoint_is_for_good),
        cmocka_unit_test(two_runs_do_not_write_to_the_same_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
