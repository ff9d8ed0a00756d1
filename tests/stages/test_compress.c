/* SPDX-License-Identifier: MIT */
/* needs: compress */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"
#include "support/harness.h"

static const struct flow_stage_type *type(const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/stages/%s.so", FLOW_BINARY_DIR, name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    const struct flow_plugin *plugin = dlsym(library, FLOW_PLUGIN_SYMBOL);
    assert_non_null(plugin);
    return plugin->types[0];
}

static struct harness *start(const char *name, const char *with, size_t batch)
{
    const struct harness_options options = {.with = with, .batch = batch};
    return harness_new(type(name), &options);
}

static void feed_texts(struct harness *h)
{
    harness_feed_keyed(h, "k", "first");
    harness_feed(h, "");
    harness_feed_bytes(h, "a\0b", 3);
    harness_feed(h, "last");
}

/* All that a harness emitted, one behind the other, as one record of another. */
static void pass_joined(const struct harness *from, struct harness *to)
{
    char *all = NULL;
    size_t size = 0;
    for (size_t i = 0; i < harness_count(from, 0); i++) {
        const struct harness_record *record = harness_record(from, 0, i);
        all = realloc(all, size + record->size);
        assert_non_null(all);
        memcpy(all + size, record->data, record->size);
        size += record->size;
    }
    harness_feed_bytes(to, all != NULL ? all : "", size);
    free(all);
}

TEST(each_record_comes_back_as_it_was_with_its_key)
{
    static const char *const withs[] = {"{}", "{\"format\": \"gzip\", \"level\": 6}",
                                        "{\"level\": -7}", "{\"level\": 22}"};
    for (size_t i = 0; i < COUNT(withs); i++) {
        struct harness *h = start("compress", withs[i], 3);
        feed_texts(h);
        assert_int_equal(harness_run(h), FLOW_OK);
        assert_int_equal(harness_count(h, 0), 4);
        struct harness *back = start("decompress", "{}", 2);
        harness_feed_keyed(back, harness_record(h, 0, 0)->key, "");
        for (size_t at = 0; at < 4; at++)
            harness_feed_bytes(back, harness_record(h, 0, at)->data,
                               harness_record(h, 0, at)->size);
        assert_int_equal(harness_run(back), FLOW_OK);
        assert_string_equal(harness_record(h, 0, 0)->key, "k");
        assert_int_equal(harness_count(back, 0), 4);
        assert_string_equal(harness_record(back, 0, 0)->data, "first");
        assert_int_equal(harness_record(back, 0, 1)->size, 0);
        assert_memory_equal(harness_record(back, 0, 2)->data, "a\0b", 3);
        assert_string_equal(harness_record(back, 0, 3)->data, "last");
        assert_int_equal(harness_reject_count(back), 1);
        assert_string_equal(harness_reject(back, 0),
                            "0: cannot decompress 0 bytes, from byte 1 on: it is empty: \"\"");
        harness_free(back);
        harness_free(h);
    }
}

TEST(a_batch_becomes_one_frame_of_lines)
{
    static const char *const formats[] = {"{\"frame\": \"batch\"}",
                                          "{\"frame\": \"batch\", \"format\": \"gzip\"}"};
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct harness *h = start("compress", formats[i], 3);
        feed_texts(h);
        assert_int_equal(harness_run(h), FLOW_OK);
        assert_int_equal(harness_count(h, 0), 2);
        struct harness *back = start("decompress", "{}", 0);
        pass_joined(h, back);
        assert_int_equal(harness_run(back), FLOW_OK);
        assert_int_equal(harness_record(back, 0, 0)->size, 16);
        assert_memory_equal(harness_record(back, 0, 0)->data, "first\n\na\0b\nlast\n", 16);
        harness_free(back);
        back = start("decompress", "{\"emit\": \"lines\"}", 0);
        pass_joined(h, back);
        assert_int_equal(harness_run(back), FLOW_OK);
        assert_int_equal(harness_count(back, 0), 4);
        assert_int_equal(harness_record(back, 0, 1)->size, 0);
        assert_string_equal(harness_record(back, 0, 3)->data, "last");
        harness_free(back);
        harness_free(h);
    }
}

/* Lines that do not compress to nothing. */
static void feed_lines(struct harness *h, size_t count)
{
    uint64_t seed = 1;
    for (size_t i = 0; i < count; i++) {
        char line[64];
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        (void)snprintf(line, sizeof(line), "%016llx%016llx", (unsigned long long)(seed >> 7),
                       (unsigned long long)(seed >> 3) ^ 0x5555);
        harness_feed(h, line);
    }
}

static void check_stream(const char *with)
{
    struct harness *h = start("compress.stream", with, 100);
    feed_lines(h, 40000);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_true(harness_count(h, 0) > 1);
    struct harness *plain = start("compress", "{\"frame\": \"batch\"}", 0);
    feed_lines(plain, 40000);
    assert_int_equal(harness_run(plain), FLOW_OK);
    struct harness *a = start("decompress", "{}", 0);
    struct harness *b = start("decompress", "{}", 0);
    pass_joined(h, a);
    pass_joined(plain, b);
    assert_int_equal(harness_run(a), FLOW_OK);
    assert_int_equal(harness_run(b), FLOW_OK);
    assert_int_equal(harness_record(a, 0, 0)->size, 40000 * 33);
    assert_memory_equal(harness_record(a, 0, 0)->data, harness_record(b, 0, 0)->data, 40000 * 33);
    harness_free(a);
    harness_free(b);
    harness_free(plain);
    harness_free(h);
}

TEST(a_stream_decompresses_to_all_records)
{
    check_stream("{}");
    check_stream("{\"format\": \"gzip\", \"level\": 1}");
    check_stream("{\"frame_size\": \"64KiB\"}");
    check_stream("{\"frame_size\": \"64KiB\", \"format\": \"gzip\"}");
}

TEST(a_stream_of_nothing_is_nothing)
{
    struct harness *h = start("compress.stream", NULL, 0);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_count(h, 0), 0);
    harness_free(h);
}

TEST(records_larger_than_the_buffers_pass)
{
    const size_t size = 1 << 20;
    char *large = calloc(1, size);
    assert_non_null(large);
    static const char *const names[] = {"compress", "compress.stream"};
    for (size_t i = 0; i < COUNT(names); i++) {
        struct harness *h = start(names[i], "{\"newline\": \"\"}", 0);
        harness_feed_bytes(h, large, size);
        assert_int_equal(harness_run(h), FLOW_OK);
        struct harness *back = start("decompress", "{}", 0);
        pass_joined(h, back);
        assert_int_equal(harness_run(back), FLOW_OK);
        assert_int_equal(harness_record(back, 0, 0)->size, size);
        harness_free(back);
        harness_free(h);
    }
    free(large);
}

/* A stream that is saved in the middle, and goes on from there in another stage. */
static void check_resumed(const char *with)
{
    struct harness *first = start("compress.stream", with, 100);
    feed_lines(first, 20000);
    assert_int_equal(harness_open(first), FLOW_OK);
    assert_int_equal(harness_work(first), FLOW_OK);
    struct harness_saved saved;
    assert_int_equal(harness_save(first, &saved), FLOW_OK);

    const struct harness_options options = {.with = with, .resumes = true, .batch = 100};
    struct harness *second = harness_new(type("compress.stream"), &options);
    harness_feed(second, "after");
    assert_int_equal(harness_open(second), FLOW_OK);
    assert_int_equal(harness_restore(second, &saved), FLOW_OK);
    assert_int_equal(harness_work(second), FLOW_OK);
    assert_int_equal(harness_finish(second), FLOW_OK);

    struct harness *back = start("decompress", "{\"emit\": \"lines\"}", 0);
    char *all = NULL;
    size_t size = 0;
    struct harness *parts[] = {first, second};
    for (size_t p = 0; p < 2; p++) {
        for (size_t i = 0; i < harness_count(parts[p], 0); i++) {
            const struct harness_record *record = harness_record(parts[p], 0, i);
            all = realloc(all, size + record->size);
            assert_non_null(all);
            memcpy(all + size, record->data, record->size);
            size += record->size;
        }
    }
    harness_feed_bytes(back, all, size);
    assert_int_equal(harness_run(back), FLOW_OK);
    assert_int_equal(harness_reject_count(back), 0);
    assert_int_equal(harness_count(back, 0), 20001);
    assert_string_equal(harness_record(back, 0, 20000)->data, "after");
    free(all);
    harness_free(back);

    saved.bytes[0] ^= 1; /* another size than there is */
    struct harness *third = harness_new(type("compress.stream"), &options);
    assert_int_equal(harness_open(third), FLOW_OK);
    saved.size = saved.size > 8 ? 9 : 4;
    assert_int_equal(harness_restore(third, &saved), FLOW_EPROTO);
    harness_free(third);
    free(saved.bytes);
    harness_free(second);
    harness_free(first);
}

TEST(a_stream_goes_on_from_what_was_saved)
{
    check_resumed("{}");
    check_resumed("{\"format\": \"gzip\"}");
}

static void check_damaged(const void *data, size_t size, const char *reason)
{
    struct harness *h = start("decompress", "{\"max_size\": 100000}", 0);
    harness_feed_bytes(h, data, size);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_count(h, 0), 0);
    assert_int_equal(harness_reject_count(h), 1);
    if (strstr(harness_reject(h, 0), reason) == NULL)
        fail_msg("expected '%s', was told '%s'", reason, harness_reject(h, 0));
    harness_free(h);
}

TEST(damaged_and_foreign_records_are_refused)
{
    static const char *const formats[] = {"{}", "{\"format\": \"gzip\"}"};
    static const char *const ends[] = {"it ends within a frame", "it ends within a member"};
    static const char *const damages[] = {"doesn't match checksum", "incorrect data check"};
    check_damaged("plain", 5,
                  "cannot decompress 5 bytes, from byte 1 on: neither zstd nor gzip begins "
                  "here: \"plain\"");
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct harness *h = start("compress", formats[i], 0);
        harness_feed(h, "some text that is compressed");
        char *large = calloc(1, 200001);
        assert_non_null(large);
        harness_feed_bytes(h, large, 200000);
        assert_int_equal(harness_run(h), FLOW_OK);
        const struct harness_record *text = harness_record(h, 0, 0);
        for (size_t cut = 5; cut < text->size; cut++)
            check_damaged(text->data, cut, ends[i]);
        memcpy(large, text->data, text->size);
        large[text->size - (i == 0 ? 1 : 8)] ^= 1;
        check_damaged(large, text->size, damages[i]);
        memcpy(large, text->data, text->size);
        memcpy(large + text->size, "more", 4);
        check_damaged(large, text->size + 4, "neither zstd nor gzip begins here: \"more\"");
        check_damaged(harness_record(h, 0, 1)->data, harness_record(h, 0, 1)->size,
                      "it would become larger than max_size");
        free(large);
        harness_free(h);
    }
}

TEST(levels_that_a_format_does_not_have_are_refused)
{
    static const char *const names[] = {"compress", "compress.stream"};
    for (size_t i = 0; i < COUNT(names); i++) {
        struct harness *h = start(names[i], "{\"format\": \"gzip\", \"level\": 10}", 0);
        assert_int_equal(harness_open(h), FLOW_EINVAL);
        assert_string_equal(harness_failure(h), "level 10: gzip has the levels 1 to 9");
        harness_free(h);
    }
}

TEST(an_aborted_run_ends_them_in_the_middle)
{
    static const char *const names[] = {"compress", "compress.stream"};
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct harness_options options = {.abort_after = 1, .batch = 10};
        struct harness *h = harness_new(type(names[i]), &options);
        feed_lines(h, 40000);
        assert_int_equal(harness_run(h), FLOW_EABORT);
        assert_int_equal(harness_count(h, 0), 1);
        harness_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_comes_back_as_it_was_with_its_key),
        cmocka_unit_test(a_batch_becomes_one_frame_of_lines),
        cmocka_unit_test(a_stream_decompresses_to_all_records),
        cmocka_unit_test(a_stream_of_nothing_is_nothing),
        cmocka_unit_test(records_larger_than_the_buffers_pass),
        cmocka_unit_test(a_stream_goes_on_from_what_was_saved),
        cmocka_unit_test(damaged_and_foreign_records_are_refused),
        cmocka_unit_test(levels_that_a_format_does_not_have_are_refused),
        cmocka_unit_test(an_aborted_run_ends_them_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
