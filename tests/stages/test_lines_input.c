/* SPDX-License-Identifier: MIT */
#include <sys/stat.h>

#include "folder.h"
#include "support/check.h"
#include "support/harness.h"

/* What lines.read does besides reading lines of a plain file: framing, compression, following. */

static struct harness *reader(const struct folder *folder, const char *name, const char *rest,
                              size_t stop_after)
{
    char *with = folder_with(folder, "path", name, rest);
    const struct harness_options options = {
        .with = with, .stop_after = stop_after, .checkpoints = true};
    struct harness *h = harness_new(harness_builtin("lines.read"), &options);
    free(with);
    return h;
}

/* Run a program in the folder. */
static void shell(const struct folder *folder, const char *command)
{
    char *line = NULL;
    assert_true(asprintf(&line, "cd %s && %s", folder->path, command) > 0);
    assert_int_equal(system(line), 0); /* NOLINT(cert-env33-c,concurrency-mt-unsafe) */
    free(line);
}

static void expect(const struct folder *folder, const char *name, const char *rest,
                   const char *text)
{
    struct harness *h = reader(folder, name, rest, 0);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_text(h, 0), text);
    harness_free(h);
}

static void expect_failure(const struct folder *folder, const char *name, const char *rest,
                           const char *words)
{
    struct harness *h = reader(folder, name, rest, 0);
    assert_int_not_equal(harness_run(h), FLOW_OK);
    if (strstr(harness_failure(h), words) == NULL)
        fail_msg("'%s' lacks '%s'", harness_failure(h), words);
    harness_free(h);
}

/* ---- framing ---- */

TEST(records_may_end_with_a_zero_byte)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "in", "one\ntwo\0\0three\r\0four", 20);
    struct harness *h = reader(&folder, "in", ", \"framing\": \"nul\"", 0);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_text(h, 0), "one\ntwo\n\nthree\r\nfour\n");
    assert_int_equal(harness_count(h, 0), 4);
    harness_free(h);
    h = reader(&folder, "in", ", \"framing\": \"nul\", \"keep_ends\": true", 0);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_record(h, 0, 0)->size, 8);
    harness_free(h);
    folder_look(&folder, 1);
}

TEST(records_may_have_their_size_before_them)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "in", "\3\0\0\0one\0\0\0\0\5\0\0\0a\0b\nc", 20);
    struct harness *h = reader(&folder, "in", ", \"framing\": \"length\"", 0);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_count(h, 0), 3);
    assert_string_equal(harness_record(h, 0, 0)->data, "one");
    assert_int_equal(harness_record(h, 0, 1)->size, 0);
    assert_int_equal(harness_record(h, 0, 2)->size, 5);
    assert_memory_equal(harness_record(h, 0, 2)->data, "a\0b\nc", 5);
    harness_free(h);
    folder_look(&folder, 1);
}

TEST(a_record_with_a_size_that_is_wrong_is_refused)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "in", "\3\0\0\0one\4\0\0\0two", 14);
    expect_failure(&folder, "in", ", \"framing\": \"length\"",
                   "/in' ends in the middle of record 2, with 7 bytes of it and its size");
    folder_put(&folder, "in", "\3\0\0\0one\4\0", 9);
    expect_failure(&folder, "in", ", \"framing\": \"length\"", "in the middle of record 2, with 2");
    folder_put(&folder, "in", "\xff\xff\xff\xffone", 7);
    expect_failure(&folder, "in", ", \"framing\": \"length\"",
                   "record 1 is longer than max_line, 67108864 bytes");
    expect_failure(&folder, "in", ", \"framing\": \"length\", \"keep_ends\": true", "no meaning");
    folder_look(&folder, 1);
}

TEST(records_longer_than_the_buffer_come_whole_in_each_framing)
{
    const struct folder folder = folder_new();
    const size_t size = 700000;
    char *text = malloc(size + 5);
    memset(text, 'x', size + 5);
    text[size] = '\0';
    folder_put(&folder, "nul", text, size + 1);
    memcpy(text, "\x60\xae\x0a\0", 4); /* 700000 */
    text[size] = 'x';
    folder_put(&folder, "length", text, size + 4);
    static const char *const names[] = {"nul", "length"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char rest[64];
        (void)snprintf(rest, sizeof(rest), ", \"framing\": \"%s\"", names[i]);
        struct harness *h = reader(&folder, names[i], rest, 0);
        assert_int_equal(harness_run(h), FLOW_OK);
        assert_int_equal(harness_count(h, 0), 1);
        assert_int_equal(harness_record(h, 0, 0)->size, size);
        harness_free(h);
    }
    free(text);
    folder_look(&folder, 1);
}

/* ---- compression ---- */

static void put_numbers(const struct folder *folder)
{
    shell(folder, "seq 1 100000 >plain && gzip -k plain && zstd -q plain &&"
                  " (head -n 5 plain | gzip; tail -n 3 plain | gzip) >two.gz &&"
                  " (head -n 5 plain | zstd -q; tail -n 3 plain | zstd -q) >two.zst");
}

TEST(compressed_files_are_known_by_their_first_bytes)
{
    const struct folder folder = folder_new();
    put_numbers(&folder);
    struct harness *plain = reader(&folder, "plain", "", 0);
    assert_int_equal(harness_run(plain), FLOW_OK);
    assert_int_equal(harness_count(plain, 0), 100000);
    expect(&folder, "plain.gz", "", harness_text(plain, 0));
    expect(&folder, "plain.zst", "", harness_text(plain, 0));
    expect(&folder, "plain.zst", ", \"compression\": \"zst\"", harness_text(plain, 0));
    harness_free(plain);
    expect(&folder, "two.{gz,zst}", "",
           "1\n2\n3\n4\n5\n99998\n99999\n100000\n"
           "1\n2\n3\n4\n5\n99998\n99999\n100000\n");
    folder_put(&folder, "short", "(", 1);
    expect(&folder, "short", "", "(\n");
    folder_put(&folder, "short", "(\n", 2);
    expect(&folder, "short", "", "(\n");
    folder_put(&folder, "short", "", 0);
    expect(&folder, "short", "", "");
    folder_look(&folder, 1);
}

TEST(compressed_files_that_are_damaged_are_refused_with_the_place)
{
    const struct folder folder = folder_new();
    put_numbers(&folder);
    shell(&folder, "head -c 1000 plain.gz >cut.gz; head -c 1000 plain.zst >cut.zst;"
                   "{ head -c 1000 plain.gz; echo; tail -c +1002 plain.gz; } >bad.gz;"
                   "(cat two.gz; echo rest) >rest.gz");
    expect_failure(&folder, "cut.gz", "", "cut.gz' at byte 1000: it ends in the middle");
    expect_failure(&folder, "cut.zst", "", "cut.zst' at byte 1000: it ends in the middle");
    expect_failure(&folder, "bad.gz", "", "cannot decompress '");
    expect_failure(&folder, "rest.gz", "", "incorrect header check");
    expect_failure(&folder, "plain", ", \"compression\": \"gz\"",
                   "plain' at byte 2: incorrect header check");
    expect_failure(&folder, "plain", ", \"compression\": \"zst\"", "Unknown frame descriptor");
    folder_look(&folder, 1);
}

TEST(without_decompression_bytes_are_what_they_are)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "in", "\x1f\x8b\x08 no gzip\n", 12);
    expect(&folder, "in", ", \"compression\": \"none\"", "\x1f\x8b\x08 no gzip\n");
    folder_look(&folder, 1);
}

/* ---- going on ---- */

static void assert_parts_make_the_whole(const struct folder *folder, const char *name,
                                        const char *rest)
{
    struct harness *whole = reader(folder, name, rest, 0);
    assert_int_equal(harness_run(whole), FLOW_OK);
    static const size_t stops[] = {1, 256, 5000, 70000};
    for (size_t i = 0; i < COUNT(stops); i++) {
        struct harness *first = reader(folder, name, rest, stops[i]);
        struct harness_saved saved;
        assert_int_equal(harness_open(first), FLOW_OK);
        assert_int_equal(harness_work(first), FLOW_OK);
        assert_int_equal(harness_save(first, &saved), FLOW_OK);
        char *with = folder_with(folder, "path", name, rest);
        const struct harness_options options = {.with = with, .checkpoints = true, .resumes = true};
        struct harness *second = harness_new(harness_builtin("lines.read"), &options);
        assert_int_equal(harness_open(second), FLOW_OK);
        assert_int_equal(harness_restore(second, &saved), FLOW_OK);
        assert_int_equal(harness_work(second), FLOW_OK);
        char *both = NULL;
        assert_true(asprintf(&both, "%s%s", harness_text(first, 0), harness_text(second, 0)) > 0);
        assert_string_equal(both, harness_text(whole, 0));
        free(both);
        free(with);
        free(saved.bytes);
        harness_free(first);
        harness_free(second);
    }
    harness_free(whole);
}

TEST(compressed_and_framed_files_are_read_on_from_where_reading_was)
{
    const struct folder folder = folder_new();
    put_numbers(&folder);
    shell(&folder, "tr '\\n' '\\0' <plain >nul");
    assert_parts_make_the_whole(&folder, "plain.gz", "");
    assert_parts_make_the_whole(&folder, "plain.zst", "");
    assert_parts_make_the_whole(&folder, "nul", ", \"framing\": \"nul\"");
    folder_look(&folder, 1);
}

/* ---- following ---- */

static const char follow[] = ", \"follow\": true, \"rotate_wait\": \"0ms\"";

/* Steps until so many records have come, or, for 0, once. */
static void step(struct harness *h, size_t count)
{
    do
        assert_int_equal(harness_step(h), FLOW_OK);
    while (harness_count(h, 0) < count);
}

TEST(a_file_that_is_followed_grows_is_replaced_and_is_cut)
{
    const struct folder folder = folder_new();
    struct harness *h = reader(&folder, "log", follow, 0);
    assert_int_equal(harness_open(h), FLOW_OK);
    step(h, 0); /* it is not there yet */
    folder_put(&folder, "log", "one\ntw", 6);
    step(h, 1);
    shell(&folder, "printf 'o\\nthree\\nrest' >>log");
    step(h, 3);
    /* Who writes to it has not noticed yet that it has another name. */
    shell(&folder, "mv log log.1 && printf 'four\\n' >log && printf ' of it' >>log.1");
    step(h, 5);
    assert_string_equal(harness_text(h, 0), "one\ntwo\nthree\nrest of it\nfour\n");
    folder_put(&folder, "log", "5\n", 2);
    step(h, 6);
    assert_string_equal(harness_record(h, 0, 5)->data, "5");
    harness_free(h);
    folder_look(&folder, 1);
}

TEST(following_may_begin_at_the_end)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "log", "old\n", 4);
    char *rest = NULL;
    assert_true(asprintf(&rest, "%s, \"follow_from\": \"end\"", follow) > 0);
    struct harness *h = reader(&folder, "log", rest, 0);
    assert_int_equal(harness_open(h), FLOW_OK);
    step(h, 0);
    shell(&folder, "echo new >>log");
    step(h, 1);
    shell(&folder, "mv log log.1 && echo newest >log");
    step(h, 2);
    assert_string_equal(harness_text(h, 0), "new\nnewest\n");
    harness_free(h);
    free(rest);
    folder_look(&folder, 1);
}

static struct harness *go_on(const struct folder *folder, const struct harness_saved *saved,
                             enum flow_status expected)
{
    char *with = folder_with(folder, "path", "log", follow);
    const struct harness_options options = {.with = with, .checkpoints = true, .resumes = true};
    struct harness *h = harness_new(harness_builtin("lines.read"), &options);
    assert_int_equal(harness_open(h), FLOW_OK);
    assert_int_equal(harness_restore(h, saved), expected);
    free(with);
    return h;
}

TEST(a_file_that_was_followed_is_found_under_its_new_name)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "log", "one\ntwo\n", 8);
    struct harness *h = reader(&folder, "log", follow, 0);
    struct harness_saved saved;
    assert_int_equal(harness_open(h), FLOW_OK);
    step(h, 2);
    assert_int_equal(harness_save(h, &saved), FLOW_OK);
    harness_free(h);

    shell(&folder, "echo three >>log && mv log log.7 && echo four >log");
    h = go_on(&folder, &saved, FLOW_OK);
    step(h, 2);
    assert_string_equal(harness_text(h, 0), "three\nfour\n");
    harness_free(h);

    shell(&folder, "rm log.7");
    h = go_on(&folder, &saved, FLOW_EIO);
    assert_non_null(strstr(harness_failure(h), "is not the file that was read before"));
    harness_free(h);
    free(saved.bytes);
    folder_look(&folder, 1);
}

TEST(what_cannot_be_followed_is_refused)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "in", "", 0);
    expect_failure(&folder, "in", ", \"follow\": true, \"compression\": \"gz\"",
                   "a compressed file cannot be followed");
    expect_failure(&folder, ".", ", \"follow\": true", "only plain files can be followed");
    expect_failure(&folder, "none/in", ", \"follow\": true", "cannot watch '");
    const struct harness_options options = {.with = "{\"path\": \"-\", \"follow\": true}"};
    struct harness *h = harness_new(harness_builtin("lines.read"), &options);
    assert_int_equal(harness_open(h), FLOW_EINVAL);
    assert_non_null(strstr(harness_failure(h), "'follow' takes one file"));
    harness_free(h);
    folder_look(&folder, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_may_end_with_a_zero_byte),
        cmocka_unit_test(records_may_have_their_size_before_them),
        cmocka_unit_test(a_record_with_a_size_that_is_wrong_is_refused),
        cmocka_unit_test(records_longer_than_the_buffer_come_whole_in_each_framing),
        cmocka_unit_test(compressed_files_are_known_by_their_first_bytes),
        cmocka_unit_test(compressed_files_that_are_damaged_are_refused_with_the_place),
        cmocka_unit_test(without_decompression_bytes_are_what_they_are),
        cmocka_unit_test(compressed_and_framed_files_are_read_on_from_where_reading_was),
        cmocka_unit_test(a_file_that_is_followed_grows_is_replaced_and_is_cut),
        cmocka_unit_test(following_may_begin_at_the_end),
        cmocka_unit_test(a_file_that_was_followed_is_found_under_its_new_name),
        cmocka_unit_test(what_cannot_be_followed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
