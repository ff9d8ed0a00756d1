/* SPDX-License-Identifier: MIT */
#include <sys/stat.h>

#include "folder.h"
#include "lines/rotation.h"
#include "support/check.h"
#include "support/harness.h"

/* lines.write with several files and with compression. */

struct made {
    struct folder folder;
    char *with;
};

static struct made made_new(const char *path, const char *rest)
{
    struct made made = {.folder = folder_new()};
    made.with = folder_with(&made.folder, "path", path, rest);
    return made;
}

static void made_free(struct made *made, size_t files)
{
    assert_int_equal(folder_look(&made->folder, 0), files);
    folder_look(&made->folder, 1);
    free(made->with);
}

static struct flow_harness *writer(const struct made *made, bool checkpoints, bool resumes)
{
    const struct flow_harness_options options = {
        .with = made->with, .checkpoints = checkpoints, .resumes = resumes, .batch = 1};
    return flow_harness_new(harness_builtin("lines.write"), &options);
}

static struct flow_harness *opened(const struct made *made)
{
    struct flow_harness *h = writer(made, true, false);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    return h;
}

static struct flow_harness *restored(const struct made *made,
                                     const struct flow_harness_saved *saved)
{
    struct flow_harness *h = writer(made, true, true);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, saved), FLOW_OK);
    return h;
}

static void take(struct flow_harness *h, const char *const *lines)
{
    for (; *lines != NULL; lines++)
        flow_harness_feed(h, *lines);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
}

#define TAKE(h, ...) take(h, (const char *const[]){__VA_ARGS__, NULL})

static void run(const struct made *made, const char *const *lines)
{
    struct flow_harness *h = writer(made, false, false);
    for (; *lines != NULL; lines++)
        flow_harness_feed(h, *lines);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    flow_harness_free(h);
}

#define RUN(made, ...) run(made, (const char *const[]){__VA_ARGS__, NULL})

static void assert_file(const struct made *made, const char *name, const char *text)
{
    assert_string_equal(folder_get(&made->folder, name), text);
}

/* What lines.read makes of it. */
static void assert_packed(const struct made *made, const char *name, const char *text)
{
    char *with = folder_with(&made->folder, "path", name, "");
    const struct flow_harness_options options = {.with = with};
    struct flow_harness *h = flow_harness_new(harness_builtin("lines.read"), &options);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), text);
    flow_harness_free(h);
    free(with);
}

static void cut_off(const struct made *made, const char *name, off_t size)
{
    char *path = folder_path(&made->folder, name);
    assert_int_equal(truncate(path, size), 0);
    free(path);
}

/* ---- files in a row ---- */

TEST(a_file_ends_before_it_would_be_too_large)
{
    struct made made = made_new("out-{n:3}.txt", ", \"rotate_size\": \"8B\"");
    RUN(&made, "one", "two", "three", "", "a line that is longer than a file", "x");
    assert_file(&made, "out-001.txt", "one\ntwo\n");
    assert_file(&made, "out-002.txt", "three\n\n");
    assert_file(&made, "out-003.txt", "a line that is longer than a file\n");
    assert_file(&made, "out-004.txt", "x\n");
    made_free(&made, 4);
}

TEST(a_file_appears_when_the_next_one_begins)
{
    struct made made = made_new("{n}", ", \"rotate_size\": \"4B\"");
    struct flow_harness *h = writer(&made, false, false);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    TAKE(h, "one");
    assert_file(&made, "1", "(none)");
    TAKE(h, "two");
    assert_file(&made, "1", "one\n");
    flow_harness_free(h); /* an aborted run */
    made_free(&made, 1);
}

TEST(without_a_record_there_is_no_file)
{
    struct made made = made_new("{n}", ", \"rotate_size\": \"4B\"");
    struct flow_harness *h = writer(&made, false, false);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    flow_harness_free(h);
    made_free(&made, 0);
}

TEST(numbers_go_on_behind_those_that_are_there)
{
    struct made made = made_new("a{{{n}.b", ", \"rotate_size\": \"4B\"");
    folder_put(&made.folder, "a{9.b", "old", 3);
    folder_put(&made.folder, "a{10.b", "old", 3);
    folder_put(&made.folder, "a{77.bc", "another", 7);
    folder_put(&made.folder, "a{.b", "another", 7);
    RUN(&made, "one", "two");
    assert_file(&made, "a{11.b", "one\n");
    assert_file(&made, "a{12.b", "two\n");
    made_free(&made, 6);
}

TEST(the_oldest_files_are_removed)
{
    struct made made = made_new("l{n}", ", \"rotate_size\": \"4B\", \"keep\": 2");
    folder_put(&made.folder, "l9", "old", 3);
    folder_put(&made.folder, "l10", "old", 3);
    folder_put(&made.folder, "lamp", "another", 7);
    RUN(&made, "one", "two", "six");
    assert_file(&made, "l12", "two\n");
    assert_file(&made, "l13", "six\n");
    assert_file(&made, "lamp", "another");
    made_free(&made, 3);
}

TEST(by_their_time_the_oldest_are_found_too)
{
    struct made made = made_new("{time:%d.%m.%Y}.log", ", \"rotate_every\": \"24h\", \"keep\": 2");
    folder_put(&made.folder, "31.01.2020.log", "old", 3);
    folder_put(&made.folder, "01.02.2020.log", "old", 3);
    folder_put(&made.folder, "32.02.2020.log", "another", 7);
    RUN(&made, "one");
    assert_file(&made, "31.01.2020.log", "(none)");
    assert_file(&made, "01.02.2020.log", "old");
    made_free(&made, 3);
}

TEST(a_file_ends_when_its_time_is_over)
{
    struct made made = made_new("{n}", ", \"rotate_every\": \"1ms\"");
    struct flow_harness *h = writer(&made, false, false);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    TAKE(h, "one");
    const int64_t begun = flow_rotation_now();
    while (flow_rotation_now() < begun + 2000000)
        continue;
    TAKE(h, "two");
    assert_file(&made, "1", "one\n");
    assert_int_equal(flow_harness_finish(h), FLOW_OK);
    assert_file(&made, "2", "two\n");
    flow_harness_free(h);
    made_free(&made, 2);
}

TEST(times_in_names_begin_at_whole_periods)
{
    static const struct flow_series series = {
        .path = "x/{time:%Y-%m-%d}.{n:2}", .folder_size = 2, .numbered = true, .timed = true};
    char *name = flow_series_make(&series, 7, 1714557600);
    uint64_t place = 0;
    assert_string_equal(name, "x/2024-05-01.07");
    assert_true(flow_series_match(&series, name + 2, &place));
    assert_int_equal(place, 7);
    assert_false(flow_series_match(&series, "2024-05-01.07x", &place));
    assert_false(flow_series_match(&series, "2024-05-.07", &place));
    free(name);
}

TEST(what_cannot_be_rotated_is_refused_with_what_would_do)
{
    static const struct {
        const char *with, *text;
    } cases[] = {
        {"{\"path\": \"a\", \"rotate_size\": 1}",
         "'rotate_size' needs {n} in 'path', the number of the file: 'a'"},
        {"{\"path\": \"a{time}\", \"rotate_size\": 1}",
         "'rotate_size' needs {n} in 'path', the number of the file: 'a{time}'"},
        {"{\"path\": \"a\", \"rotate_every\": \"1h\"}",
         "'rotate_every' needs {time} or {n} in 'path', or each file would replace the one before "
         "it: 'a'"},
        {"{\"path\": \"a{time:x%%y}\", \"rotate_every\": \"1h\"}",
         "'path': two files in a row would be called 'ax%y': write the time more finely, or add "
         "{n}"},
        {"{\"path\": \"a{m}\", \"rotate_size\": 1}",
         "'path': {m} is neither {n}, {n:4}, {time} nor {time:FORMAT}; {{ is a brace"},
        {"{\"path\": \"a{n\", \"rotate_size\": 1}",
         "'path': {n is neither {n}, {n:4}, {time} nor {time:FORMAT}; {{ is a brace"},
        {"{\"path\": \"{n}/a\", \"rotate_size\": 1}",
         "'path': a '{' stands before the last '/' of '{n}/a': only the name of the file may have "
         "{n} and {time}"},
        {"{\"path\": \"{time:%D}\", \"rotate_every\": \"1h\"}",
         "'path': {time:%D} makes no name of a file: it is 01/01/00"},
        {"{\"path\": \"-\", \"rotate_size\": 1}",
         "standard output cannot be rotated: 'path' is to name a file"},
        {"{\"path\": \"a\", \"keep\": 1}",
         "'keep' needs 'rotate_size' or 'rotate_every': there is one file"},
        {"{\"path\": \"{n}{time:%d}\", \"rotate_size\": 1, \"keep\": 1}", "'keep': '1"},
        {"{\"path\": \"/nowhere/{n}\", \"rotate_size\": 1}",
         "cannot look into '/nowhere/': No such file or directory"},
        {"{\"path\": \"a\", \"compression\": \"gz\", \"level\": 10}",
         "\"compression\": \"gz\", level 10: gzip has the levels 1 to 9"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct flow_harness_options options = {.with = cases[i].with};
        struct flow_harness *h = flow_harness_new(harness_builtin("lines.write"), &options);
        assert_int_not_equal(flow_harness_open(h), FLOW_OK);
        const char *text = flow_harness_failure(h);
        if (strncmp(text, cases[i].text, strlen(cases[i].text)) != 0)
            fail_msg("'%s' is not '%s'", text, cases[i].text);
        flow_harness_free(h);
    }
}

/* ---- compression ---- */

TEST(what_was_compressed_is_read_as_it_was)
{
    static const char *const kinds[] = {"gz", "zst"};
    char *big = malloc(400000);
    assert_non_null(big);
    for (size_t i = 0; i < 400000; i++)
        big[i] = (char)('a' + (i * i) % 23);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char rest[64];
        (void)snprintf(rest, sizeof(rest), ", \"compression\": \"%s\", \"level\": 1", kinds[i]);
        struct made made = made_new("out", rest);
        struct flow_harness *h = writer(&made, false, false);
        flow_harness_feed(h, "one");
        flow_harness_feed_bytes(h, big, 400000);
        flow_harness_feed(h, "");
        assert_int_equal(flow_harness_run(h), FLOW_OK);
        flow_harness_free(h);
        char *text = NULL;
        assert_true(asprintf(&text, "one\n%.400000s\n\n", big) > 0);
        assert_packed(&made, "out", text);
        free(text);
        made_free(&made, 1);
    }
    free(big);
}

TEST(a_compressed_file_without_records_is_still_one)
{
    struct made made = made_new("out", ", \"compression\": \"gz\"");
    struct flow_harness *h = writer(&made, false, false);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    flow_harness_free(h);
    assert_true(strlen(folder_get(&made.folder, "out")) > 2);
    assert_packed(&made, "out", "");
    made_free(&made, 1);
}

TEST(each_file_in_a_row_is_compressed_by_itself)
{
    struct made made =
        made_new("{n}.zst", ", \"rotate_size\": \"4B\", \"compression\": \"zst\", \"keep\": 2");
    RUN(&made, "one", "two", "six");
    assert_packed(&made, "2.zst", "two\n");
    assert_packed(&made, "3.zst", "six\n");
    made_free(&made, 2);
}

/* ---- checkpoints ---- */

TEST(files_get_their_names_when_a_checkpoint_holds_them)
{
    struct made made = made_new("{n}.txt", ", \"rotate_size\": \"8B\"");
    struct flow_harness_saved saved;
    struct flow_harness *h = opened(&made);
    TAKE(h, "one", "two", "six");
    assert_file(&made, "{n}.txt.part-stage-1", "one\ntwo\n");
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    TAKE(h, "ten", "red", "1", "2", "3", "4", "5"); /* after the checkpoint */
    assert_int_equal(flow_harness_commit(h, 1), FLOW_OK);
    assert_file(&made, "1.txt", "one\ntwo\n");
    assert_file(&made, "2.txt", "(none)");
    assert_file(&made, "{n}.txt.part-stage-2", "six\nten\n");
    flow_harness_free(h); /* killed; file 4 had been begun */
    assert_int_equal(folder_look(&made.folder, 0), 4);

    h = restored(&made, &saved);
    assert_file(&made, "{n}.txt.part-stage-2", "six\n");
    assert_int_equal(folder_look(&made.folder, 0), 2);
    assert_int_equal(flow_harness_commit(h, 1), FLOW_OK);
    TAKE(h, "sun", "sea");
    assert_int_equal(flow_harness_finish(h), FLOW_OK);
    free(saved.bytes);
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    assert_int_equal(flow_harness_commit(h, 2), FLOW_OK);
    flow_harness_free(h);
    assert_file(&made, "2.txt", "six\nsun\n");
    assert_file(&made, "3.txt", "sea\n");

    h = restored(&made, &saved); /* nobody had noted that they were shown */
    assert_int_equal(flow_harness_commit(h, 2), FLOW_OK);
    flow_harness_free(h);
    free(saved.bytes);
    made_free(&made, 3);
}

TEST(a_checkpoint_ends_a_frame_at_which_the_file_can_be_cut)
{
    static const char *const kinds[] = {"gz", "zst"};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char rest[64];
        (void)snprintf(rest, sizeof(rest), ", \"compression\": \"%s\"", kinds[i]);
        struct made made = made_new("out", rest);
        struct flow_harness_saved saved;
        struct flow_harness *h = opened(&made);
        TAKE(h, "one");
        assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
        assert_packed(&made, "out.part-stage", "one\n");
        TAKE(h, "lost");
        struct flow_harness_saved later;
        assert_int_equal(flow_harness_save(h, &later), FLOW_OK);
        free(later.bytes);
        flow_harness_free(h);

        h = restored(&made, &saved);
        TAKE(h, "two");
        assert_int_equal(flow_harness_finish(h), FLOW_OK);
        free(saved.bytes);
        assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
        assert_int_equal(flow_harness_commit(h, 2), FLOW_OK);
        flow_harness_free(h);
        free(saved.bytes);
        assert_packed(&made, "out", "one\ntwo\n");
        made_free(&made, 1);
    }
}

TEST(a_file_that_waits_and_has_changed_is_refused)
{
    struct made made = made_new("{n}.txt", ", \"rotate_size\": \"4B\"");
    struct flow_harness_saved saved;
    struct flow_harness *h = opened(&made);
    TAKE(h, "one", "two");
    assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
    flow_harness_free(h);
    cut_off(&made, "{n}.txt.part-stage-1", 3);
    h = writer(&made, true, true);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_restore(h, &saved), FLOW_EIO);
    assert_non_null(strstr(flow_harness_failure(h),
                           "{n}.txt.part-stage-1' has 3 bytes, at the checkpoint it had 4"));
    flow_harness_free(h);
    for (size_t size = 0; size < saved.size; size++) {
        const struct flow_harness_saved half = {saved.bytes, size};
        h = writer(&made, true, true);
        assert_int_equal(flow_harness_open(h), FLOW_OK);
        assert_int_not_equal(flow_harness_restore(h, &half), FLOW_OK);
        flow_harness_free(h);
    }
    free(saved.bytes);
    made_free(&made, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_ends_before_it_would_be_too_large),
        cmocka_unit_test(a_file_appears_when_the_next_one_begins),
        cmocka_unit_test(without_a_record_there_is_no_file),
        cmocka_unit_test(numbers_go_on_behind_those_that_are_there),
        cmocka_unit_test(the_oldest_files_are_removed),
        cmocka_unit_test(by_their_time_the_oldest_are_found_too),
        cmocka_unit_test(a_file_ends_when_its_time_is_over),
        cmocka_unit_test(times_in_names_begin_at_whole_periods),
        cmocka_unit_test(what_cannot_be_rotated_is_refused_with_what_would_do),
        cmocka_unit_test(what_was_compressed_is_read_as_it_was),
        cmocka_unit_test(a_compressed_file_without_records_is_still_one),
        cmocka_unit_test(each_file_in_a_row_is_compressed_by_itself),
        cmocka_unit_test(files_get_their_names_when_a_checkpoint_holds_them),
        cmocka_unit_test(a_checkpoint_ends_a_frame_at_which_the_file_can_be_cut),
        cmocka_unit_test(a_file_that_waits_and_has_changed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
