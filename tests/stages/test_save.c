/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "support/check.h"
#include "support/harness.h"

/* A stage that is saved, and another that is restored from that, do together what one does. */

static struct flow_harness *make(const char *type, const char *with, bool resumes)
{
    const struct flow_harness_options options = {
        .with = with, .checkpoints = true, .resumes = resumes};
    return flow_harness_new(harness_builtin(type), &options);
}

static void must_save(struct flow_harness *h, struct flow_harness_saved *saved)
{
    assert_int_equal(flow_harness_save(h, saved), FLOW_OK);
}

/* Half a state is none, wherever it is cut off; nothing is read beyond it. */
static void assert_halves_are_refused(const char *type, const char *with,
                                      const struct flow_harness_saved *saved)
{
    for (size_t size = 0; size < saved->size; size++) {
        const struct flow_harness_saved half = {saved->bytes, size};
        struct flow_harness *h = make(type, with, true);
        assert_int_equal(flow_harness_open(h), FLOW_OK);
        assert_int_not_equal(flow_harness_restore(h, &half), FLOW_OK);
        flow_harness_free(h);
    }
}

static const char *const words[] = {"7 seven",
                                    "1 one",
                                    "",
                                    "12 a word that is longer than what lies in a slot by itself",
                                    "3 three one one",
                                    "1 one",
                                    "-5 minus",
                                    "7 seven",
                                    "12 twelve",
                                    NULL};

static void feed(struct flow_harness *h, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        flow_harness_feed(h, words[i]);
}

TEST(a_worker_goes_on_with_the_state_it_has_saved)
{
    static const struct {
        const char *type, *with;
    } cases[] = {
        {"count.records", NULL},
        {"count.keys", NULL},
        {"sort.top", "{\"n\": 3}"},
        {"sort.top", "{\"n\": 100, \"ascending\": true}"},
    };
    for (size_t c = 0; c < COUNT(cases); c++) {
        struct flow_harness *whole = make(cases[c].type, cases[c].with, false);
        feed(whole, 0, COUNT(words) - 1);
        assert_int_equal(flow_harness_run(whole), FLOW_OK);
        for (size_t cut = 0; cut < COUNT(words); cut++) {
            struct flow_harness_saved saved;
            struct flow_harness *first = make(cases[c].type, cases[c].with, false);
            feed(first, 0, cut);
            assert_int_equal(flow_harness_open(first), FLOW_OK);
            assert_int_equal(flow_harness_work(first), FLOW_OK);
            must_save(first, &saved);
            flow_harness_free(first);

            struct flow_harness *second = make(cases[c].type, cases[c].with, true);
            feed(second, cut, COUNT(words) - 1);
            assert_int_equal(flow_harness_open(second), FLOW_OK);
            assert_int_equal(flow_harness_restore(second, &saved), FLOW_OK);
            assert_int_equal(flow_harness_work(second), FLOW_OK);
            assert_int_equal(flow_harness_finish(second), FLOW_OK);
            assert_string_equal(flow_harness_text(second, 0), flow_harness_text(whole, 0));
            flow_harness_free(second);
            assert_halves_are_refused(cases[c].type, cases[c].with, &saved);
            free(saved.bytes);
        }
        flow_harness_free(whole);
    }
}

TEST(words_that_are_counted_and_held_back_are_saved)
{
    static const char with[] = "{\"count\": true, \"hold\": \"1h\"}";
    struct flow_harness_saved saved;
    struct flow_harness *first = make("text.words", with, false);
    flow_harness_feed(first, "one two one");
    assert_int_equal(flow_harness_open(first), FLOW_OK);
    assert_int_equal(flow_harness_work(first), FLOW_OK);
    assert_int_equal(flow_harness_count(first, 0), 0);
    must_save(first, &saved);
    flow_harness_free(first);
    struct flow_harness *second = make("text.words", with, true);
    flow_harness_feed(second, "one");
    assert_int_equal(flow_harness_open(second), FLOW_OK);
    assert_int_equal(flow_harness_restore(second, &saved), FLOW_OK);
    assert_int_equal(flow_harness_work(second), FLOW_OK);
    assert_int_equal(flow_harness_finish(second), FLOW_OK);
    const char *text = flow_harness_text(second, 0);
    assert_true(strcmp(text, "3 one\n1 two\n") == 0 || strcmp(text, "1 two\n3 one\n") == 0);
    flow_harness_free(second);
    assert_halves_are_refused("text.words", with, &saved);
    free(saved.bytes);
}

/* The first part, up to about `stop` records, then the rest: its text, to be freed. */
static char *in_two_parts(const char *type, const char *with, size_t stop)
{
    struct flow_harness_saved saved;
    const struct flow_harness_options options = {
        .with = with, .checkpoints = true, .stop_after = stop};
    struct flow_harness *first = flow_harness_new(harness_builtin(type), &options);
    assert_int_equal(flow_harness_open(first), FLOW_OK);
    assert_int_equal(flow_harness_work(first), FLOW_OK);
    must_save(first, &saved);
    struct flow_harness *second = make(type, with, true);
    assert_int_equal(flow_harness_open(second), FLOW_OK);
    assert_int_equal(flow_harness_restore(second, &saved), FLOW_OK);
    assert_int_equal(flow_harness_work(second), FLOW_OK);
    char *both = NULL;
    if (asprintf(&both, "%s%s", flow_harness_text(first, 0), flow_harness_text(second, 0)) < 0)
        abort();
    flow_harness_free(first);
    flow_harness_free(second);
    free(saved.bytes);
    return both;
}

static void assert_parts_make_the_whole(const char *type, const char *with)
{
    struct flow_harness *whole = make(type, with, false);
    assert_int_equal(flow_harness_run(whole), FLOW_OK);
    static const size_t stops[] = {1, 256, 300, 512, 1000, 1024, 5000};
    for (size_t i = 0; i < COUNT(stops); i++) {
        char *both = in_two_parts(type, with, stops[i]);
        assert_string_equal(both, flow_harness_text(whole, 0));
        free(both);
    }
    flow_harness_free(whole);
}

TEST(a_sequence_goes_on_with_its_next_number)
{
    assert_parts_make_the_whole("gen.sequence", "{\"count\": 3000}");
    assert_parts_make_the_whole("gen.sequence", "{\"count\": 3000, \"from\": -5, \"step\": -7}");
    assert_parts_make_the_whole("gen.sequence", "{\"count\": 3000, \"size\": 30, \"step\": 9}");
}

static void put_lines(const struct folder *folder, const char *name, size_t count)
{
    char *text = calloc(count, 24);
    size_t size = 0;
    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        size += (size_t)sprintf(text + size, "%s %zu\n", name, i);
    folder_put(folder, name, text, size - 1); /* the last line lacks its end */
    free(text);
}

TEST(files_are_read_on_from_where_reading_was)
{
    const struct folder folder = folder_new();
    put_lines(&folder, "a", 700);
    put_lines(&folder, "b", 1500);
    char *with = folder_with(&folder, "path", "{a,b}", "");
    assert_parts_make_the_whole("lines.read", with);
    free(with);
    folder_look(&folder, 1);
}

TEST(a_file_that_has_changed_before_that_place_is_refused)
{
    const struct folder folder = folder_new();
    char *with = folder_with(&folder, "path", "a", "");
    put_lines(&folder, "a", 5000);
    struct flow_harness_saved saved;
    const struct flow_harness_options options = {
        .with = with, .checkpoints = true, .stop_after = 900};
    struct flow_harness *first = flow_harness_new(harness_builtin("lines.read"), &options);
    assert_int_equal(flow_harness_open(first), FLOW_OK);
    assert_int_equal(flow_harness_work(first), FLOW_OK);
    must_save(first, &saved);
    flow_harness_free(first);

    put_lines(&folder, "a", 6000); /* what has come behind it is welcome */
    struct flow_harness *second = make("lines.read", with, true);
    assert_int_equal(flow_harness_open(second), FLOW_OK);
    assert_int_equal(flow_harness_restore(second, &saved), FLOW_OK);
    flow_harness_free(second);

    put_lines(&folder, "a", 100);
    second = make("lines.read", with, true);
    assert_int_equal(flow_harness_open(second), FLOW_OK);
    assert_int_equal(flow_harness_restore(second, &saved), FLOW_EIO);
    assert_non_null(strstr(flow_harness_failure(second), "is not the file that was read before"));
    flow_harness_free(second);
    assert_halves_are_refused("lines.read", with, &saved);
    free(saved.bytes);
    free(with);
    folder_look(&folder, 1);
}

/* ---- lines.write ---- */

static struct flow_harness *writer(const char *with, bool resumes, const char *line)
{
    struct flow_harness *h = make("lines.write", with, resumes);
    if (line != NULL)
        flow_harness_feed(h, line);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    return h;
}

TEST(what_was_written_behind_the_checkpoint_is_cut_off)
{
    const struct folder folder = folder_new();
    char *with = folder_with(&folder, "path", "out", "");
    struct flow_harness_saved saved;
    struct flow_harness *h = writer(with, false, "one");
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    must_save(h, &saved);
    flow_harness_feed(h, "one");
    assert_int_equal(flow_harness_work(h), FLOW_OK); /* once more */
    struct flow_harness_saved later;
    must_save(h, &later);
    flow_harness_free(h);
    assert_string_equal(folder_get(&folder, "out"), "(none)");
    assert_string_equal(folder_get(&folder, "out.part-stage"), "one\none\n");

    h = writer(with, true, "two");
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_OK);
    assert_string_equal(folder_get(&folder, "out.part-stage"), "one\n");
    assert_int_equal(flow_harness_commit(h, 1), FLOW_OK); /* it has not finished: nothing to show */
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_int_equal(flow_harness_finish(h), FLOW_OK);
    struct flow_harness_saved end;
    must_save(h, &end);
    assert_string_equal(folder_get(&folder, "out"), "(none)");
    assert_int_equal(flow_harness_commit(h, 2), FLOW_OK);
    flow_harness_free(h);
    assert_string_equal(folder_get(&folder, "out"), "one\ntwo\n");
    assert_int_equal(folder_look(&folder, 0), 1);

    /* Nobody had noted that it was shown. */
    h = writer(with, true, NULL);
    assert_int_equal(flow_harness_restore(h, &end), FLOW_OK);
    assert_int_equal(flow_harness_commit(h, 2), FLOW_OK);
    struct flow_harness_saved again;
    must_save(h, &again);
    assert_int_equal(again.size, end.size);
    assert_memory_equal(again.bytes, end.bytes, end.size);
    flow_harness_free(h);
    assert_string_equal(folder_get(&folder, "out"), "one\ntwo\n");

    free(saved.bytes);
    free(later.bytes);
    free(end.bytes);
    free(again.bytes);
    free(with);
    folder_look(&folder, 1);
}

TEST(a_file_that_is_shorter_than_at_the_checkpoint_or_gone_is_refused)
{
    const struct folder folder = folder_new();
    char *with = folder_with(&folder, "path", "out", "");
    struct flow_harness_saved saved;
    struct flow_harness *h = writer(with, false, "one");
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    must_save(h, &saved);
    flow_harness_free(h);
    folder_put(&folder, "out.part-stage", "on", 2);
    h = writer(with, true, NULL);
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_EIO);
    assert_non_null(strstr(flow_harness_failure(h), "has 2 bytes, at the checkpoint it had 4"));
    flow_harness_free(h);
    folder_look(&folder, 1);
    h = writer(with, true, NULL);
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_EIO);
    flow_harness_free(h);
    free(saved.bytes);
    free(with);
}

TEST(two_runs_do_not_write_to_the_same_file)
{
    const struct folder folder = folder_new();
    char *with = folder_with(&folder, "path", "out", "");
    struct flow_harness *one = writer(with, false, NULL);
    struct flow_harness *two = make("lines.write", with, false);
    assert_int_equal(flow_harness_open(two), FLOW_EIO);
    assert_non_null(strstr(flow_harness_failure(two), "another run writes to it"));
    flow_harness_free(two);
    flow_harness_free(one);
    free(with);
    folder_look(&folder, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_goes_on_with_the_state_it_has_saved),
        cmocka_unit_test(words_that_are_counted_and_held_back_are_saved),
        cmocka_unit_test(a_sequence_goes_on_with_its_next_number),
        cmocka_unit_test(files_are_read_on_from_where_reading_was),
        cmocka_unit_test(a_file_that_has_changed_before_that_place_is_refused),
        cmocka_unit_test(what_was_written_behind_the_checkpoint_is_cut_off),
        cmocka_unit_test(a_file_that_is_shorter_than_at_the_checkpoint_or_gone_is_refused),
        cmocka_unit_test(two_runs_do_not_write_to_the_same_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
