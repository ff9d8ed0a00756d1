/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sys/stat.h>

#include "folder.h"
#include "support/check.h"
#include "support/harness.h"

static struct flow_harness *reader(const char *with, size_t stop_after)
{
    const struct flow_harness_options options = {.with = with, .stop_after = stop_after};
    return flow_harness_new(harness_builtin("lines.read"), &options);
}

/* Run it over the file or glob `name` in `folder`. */
static struct flow_harness *read_file(const struct folder *folder, const char *name,
                                      const char *rest, enum flow_status expected)
{
    char *with = folder_with(folder, "path", name, rest);
    struct flow_harness *h = reader(with, 0);
    assert_int_equal(flow_harness_run(h), expected);
    free(with);
    return h;
}

/* Standard input is `fd` until restore_input, which takes what this returns. */
static int replace_input(int fd)
{
    const int saved = dup(STDIN_FILENO);
    assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    return saved;
}

static void restore_input(int saved)
{
    if (saved < 0) {
        (void)close(STDIN_FILENO);
        return;
    }
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    (void)close(saved);
}

TEST(lines_come_without_their_ends)
{
    static const struct {
        const char *file;
        size_t count;
        const char *text;
    } cases[] = {
        {"", 0, ""},
        {"\n", 1, "\n"},
        {"\n\n\n", 3, "\n\n\n"},
        {"one", 1, "one\n"},
        {"one\n", 1, "one\n"},
        {"one\ntwo", 2, "one\ntwo\n"},
        {"one\r\ntwo\r\n", 2, "one\ntwo\n"},
        {"one\rtwo\n", 1, "one\rtwo\n"},
        {"\r\n\r\n", 2, "\n\n"},
        {"one\r\r\n", 1, "one\r\n"},
        {"one\r", 1, "one\r\n"},
        {"\r", 1, "\r\n"},
    };
    const struct folder folder = folder_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        folder_put(&folder, "in", cases[i].file, strlen(cases[i].file));
        struct flow_harness *h = read_file(&folder, "in", "", FLOW_OK);
        assert_int_equal(flow_harness_count(h, 0), cases[i].count);
        assert_string_equal(flow_harness_text(h, 0), cases[i].text);
        flow_harness_free(h);
    }
    folder_look(&folder, 1);
}

TEST(keep_ends_leaves_every_byte)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "in", "one\r\ntwo\nthree", 14);
    struct flow_harness *h = read_file(&folder, "in", ", \"keep_ends\": true", FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 3);
    assert_string_equal(flow_harness_record(h, 0, 0)->data, "one\r\n");
    assert_string_equal(flow_harness_record(h, 0, 1)->data, "two\n");
    assert_string_equal(flow_harness_record(h, 0, 2)->data, "three");
    flow_harness_free(h);
    folder_look(&folder, 1);
}

TEST(zero_bytes_are_bytes)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "in", "a\0b\n\0\n\0", 7);
    struct flow_harness *h = read_file(&folder, "in", "", FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), 3);
    assert_int_equal(flow_harness_record(h, 0, 0)->size, 3);
    assert_memory_equal(flow_harness_record(h, 0, 0)->data, "a\0b", 3);
    assert_int_equal(flow_harness_record(h, 0, 1)->size, 1);
    assert_int_equal(flow_harness_record(h, 0, 2)->size, 1);
    flow_harness_free(h);
    folder_look(&folder, 1);
}

/* Lines of all kinds of lengths, so that ends fall on every side of what one read brings. */
TEST(a_line_longer_than_the_buffer_comes_whole)
{
    static const size_t sizes[] = {262143,  1, 262144, 0,      131071, 131073,
                                   1000000, 3, 524287, 262142, 7,      5000000};
    const struct folder folder = folder_new();
    size_t total = 0;
    for (size_t i = 0; i < COUNT(sizes); i++)
        total += sizes[i] + 2;
    char *text = malloc(total);
    assert_non_null(text);
    size_t at = 0;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        memset(text + at, 'a' + (int)i, sizes[i]);
        text[at + sizes[i]] = '\r';
        text[at + sizes[i] + 1] = '\n';
        at += sizes[i] + 2;
    }
    folder_put(&folder, "in", text, total);
    struct flow_harness *h = read_file(&folder, "in", "", FLOW_OK);
    assert_int_equal(flow_harness_count(h, 0), COUNT(sizes));
    for (size_t i = 0; i < COUNT(sizes); i++) {
        const struct flow_harness_record *record = flow_harness_record(h, 0, i);
        assert_int_equal(record->size, sizes[i]);
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(record->data[j], 'a' + (int)i);
    }
    flow_harness_free(h);
    free(text);
    folder_look(&folder, 1);
}

TEST(a_line_of_just_max_line_passes_and_a_longer_one_is_named)
{
    static const struct {
        const char *file;
        enum flow_status status;
    } cases[] = {
        {"12\n123", FLOW_OK},       {"12\n123\r\n", FLOW_OK},
        {"12\n1234", FLOW_ERANGE},  {"12\n1234\r\n", FLOW_ERANGE},
        {"12\n123\r", FLOW_ERANGE}, {"12\n12345678901234567890\n", FLOW_ERANGE},
    };
    const struct folder folder = folder_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        folder_put(&folder, "in", cases[i].file, strlen(cases[i].file));
        struct flow_harness *h = read_file(&folder, "in", ", \"max_line\": 3", cases[i].status);
        if (cases[i].status != FLOW_OK) {
            assert_non_null(
                strstr(flow_harness_failure(h), "/in': line 2 is longer than max_line, 3 bytes"));
            assert_int_equal(flow_harness_count(h, 0), 1);
        }
        flow_harness_free(h);
    }
    folder_look(&folder, 1);
}

TEST(an_endless_line_does_not_fill_the_memory)
{
    struct flow_harness *h = reader("{\"path\": \"/dev/zero\", \"max_line\": \"1MiB\"}", 0);
    assert_int_equal(flow_harness_run(h), FLOW_ERANGE);
    assert_string_equal(flow_harness_failure(h),
                        "'/dev/zero': line 1 is longer than max_line, 1048576 bytes");
    flow_harness_free(h);
}

TEST(a_glob_reads_its_files_in_the_order_of_their_names)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "b.txt", "b", 1);
    folder_put(&folder, "a.txt", "a\n", 2);
    folder_put(&folder, "c.log", "c\n", 2);
    folder_put(&folder, "empty.txt", "", 0);
    struct flow_harness *h = read_file(&folder, "*.txt", "", FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "a\nb\n");
    flow_harness_free(h);
    folder_look(&folder, 1);
}

TEST(a_list_is_read_in_its_own_order)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "a", "a", 1);
    folder_put(&folder, "b", "b", 1);
    char *with = NULL;
    assert_true(asprintf(&with, "{\"path\": [\"%s/b\", \"%s/?\"]}", folder.path, folder.path) > 0);
    struct flow_harness *h = reader(with, 0);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "b\na\nb\n");
    flow_harness_free(h);
    free(with);
    folder_look(&folder, 1);
}

TEST(braces_give_choices)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "a.txt", "a\n", 2);
    folder_put(&folder, "b.txt", "b\n", 2);
    folder_put(&folder, "b.log", "log\n", 4);
    static const struct {
        const char *pattern;
        const char *text;
    } cases[] = {
        {"{b,a}.txt", "b\na\n"},       {"b.{log,txt}", "log\nb\n"}, {"{a,b}.{t*,log}", NULL},
        {"{*.log,a.txt}", "log\na\n"}, {"{a}.txt", "a\n"},          {"{a,c}.txt", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h =
            read_file(&folder, cases[i].pattern, "", cases[i].text != NULL ? FLOW_OK : FLOW_EIO);
        if (cases[i].text != NULL)
            assert_string_equal(flow_harness_text(h, 0), cases[i].text);
        else
            assert_non_null(strstr(flow_harness_failure(h), ": No such file or directory"));
        flow_harness_free(h);
    }
    folder_look(&folder, 1);
}

TEST(a_file_whose_name_looks_like_a_glob_is_that_file)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "a[1].txt", "brackets\n", 9);
    folder_put(&folder, "a1.txt", "none\n", 5);
    struct flow_harness *h = read_file(&folder, "a[1].txt", "", FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "brackets\n");
    flow_harness_free(h);
    folder_look(&folder, 1);
}

TEST(what_cannot_be_read_is_named_before_anything_is)
{
    const struct folder folder = folder_new();
    char *sub = folder_path(&folder, "sub");
    assert_int_equal(mkdir(sub, 0700), 0);
    static const struct {
        const char *name;
        const char *text;
    } cases[] = {
        {"none", "cannot read '%s/none': No such file or directory"},
        {"*.none", "nothing matches '%s/*.none'"},
        {"sub", "cannot read '%s/sub': it is a folder"},
        {"s*", "cannot read '%s/sub': it is a folder"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *with = folder_with(&folder, "path", cases[i].name, "");
        struct flow_harness *h = reader(with, 0);
        char expected[256];
        const char *place = strstr(cases[i].text, "%s");
        (void)snprintf(expected, sizeof(expected), "%.*s%s%s", (int)(place - cases[i].text),
                       cases[i].text, folder.path, place + 2);
        assert_int_equal(flow_harness_open(h), FLOW_EIO);
        assert_string_equal(flow_harness_failure(h), expected);
        flow_harness_free(h);
        free(with);
    }
    struct flow_harness *h = reader("{\"path\": []}", 0);
    assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
    assert_string_equal(flow_harness_failure(h), "'path' names no file");
    flow_harness_free(h);
    (void)rmdir(sub);
    free(sub);
    folder_look(&folder, 1);
}

TEST(a_file_that_has_gone_since_is_named)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "in", "x\n", 2);
    char *with = folder_with(&folder, "path", "in", "");
    struct flow_harness *h = reader(with, 0);
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    folder_look(&folder, 1);
    assert_int_equal(flow_harness_work(h), FLOW_EIO);
    assert_non_null(strstr(flow_harness_failure(h), "/in': No such file or directory"));
    flow_harness_free(h);
    free(with);
}

TEST(standard_input_is_read_to_its_end)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "one\ntwo", 7), 7);
    (void)close(ends[1]);
    const int saved = replace_input(ends[0]);
    struct flow_harness *h = reader("{\"path\": \"-\"}", 0);
    const enum flow_status rc = flow_harness_run(h);
    restore_input(saved);
    (void)close(ends[0]);
    assert_int_equal(rc, FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "one\ntwo\n");
    flow_harness_free(h);
}

/* From 0 on, `count` of them, and a line that is begun. */
static void write_numbers(int fd, int count)
{
    for (int i = 0; i < count; i++)
        assert_true(dprintf(fd, "%d\n", i) > 0);
    assert_int_equal(write(fd, "cu", 2), 2);
}

/* A call of produce emits 512 lines, so 88 are read and not emitted, and the beginning of another.
 */
TEST(what_a_spool_has_emitted_of_the_pending_lines_is_not_emitted_again)
{
    static const struct {
        size_t respooled;
        const char *first;
        size_t count;
        const char *last;
    } cases[] = {
        {0, "512\n", 89, "cut\n"}, {50, "562\n", 39, "cut\n"}, {88, "cut\n", 1, "cut\n"},
        {89, "t\n", 1, "t\n"}, /* the line that was begun is in the spool, whole */
        {500, "t\n", 1, "t\n"},
    };
    for (size_t c = 0; c < COUNT(cases); c++) {
        int ends[2];
        struct flow_harness_saved saved;
        struct flow_harness_options options = {.with = "{\"path\": \"-\"}", .checkpoints = true};
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        write_numbers(ends[1], 600);
        const int input = replace_input(ends[0]);
        struct flow_harness *h = flow_harness_new(harness_builtin("lines.read"), &options);
        assert_int_equal(flow_harness_open(h), FLOW_OK);
        assert_int_equal(flow_harness_step(h), FLOW_OK);
        assert_int_equal(flow_harness_count(h, 0), 512);
        assert_int_equal(flow_harness_save(h, &saved), FLOW_OK);
        flow_harness_free(h);

        options.resumes = true;
        options.respooled = cases[c].respooled;
        assert_int_equal(write(ends[1], "t\n", 2), 2);
        (void)close(ends[1]);
        h = flow_harness_new(harness_builtin("lines.read"), &options);
        assert_int_equal(flow_harness_open(h), FLOW_OK);
        assert_int_equal(flow_harness_restore(h, &saved), FLOW_OK);
        assert_int_equal(flow_harness_work(h), FLOW_OK);
        restore_input(input);
        (void)close(ends[0]);
        const char *text = flow_harness_text(h, 0);
        assert_int_equal(flow_harness_count(h, 0), cases[c].count);
        assert_int_equal(strncmp(text, cases[c].first, strlen(cases[c].first)), 0);
        assert_string_equal(text + strlen(text) - strlen(cases[c].last), cases[c].last);
        flow_harness_free(h);
        free(saved.bytes);
    }
}

TEST(with_a_spool_what_is_read_once_comes_last)
{
    const struct flow_harness_options options = {.with = "{\"path\": [\"-\", \"/dev/null\"]}",
                                                 .respooled = 1};
    struct flow_harness *h = flow_harness_new(harness_builtin("lines.read"), &options);
    assert_int_equal(flow_harness_open(h), FLOW_EINVAL);
    assert_string_equal(flow_harness_failure(h),
                        "with a spool '-' must be the last of 'path': use a stage of its own for "
                        "what comes behind it");
    flow_harness_free(h);
}

/* The writing end stays open, so only the wish to stop can end it; half a line is no record. */
TEST(a_wish_to_stop_ends_the_wait_for_standard_input)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "one\ntwo\nthr", 11), 11);
    const int saved = replace_input(ends[0]);
    struct flow_harness *h = reader("{\"path\": \"-\"}", 2);
    const enum flow_status rc = flow_harness_run(h);
    restore_input(saved);
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_int_equal(rc, FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "one\ntwo\n");
    flow_harness_free(h);
}

TEST(a_wish_to_stop_ends_the_reading_of_a_file_soon)
{
    const struct folder folder = folder_new();
    static char text[100000];
    memset(text, '\n', sizeof(text));
    folder_put(&folder, "in", text, sizeof(text));
    char *with = folder_with(&folder, "path", "in", "");
    struct flow_harness *h = reader(with, 300);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_in_range(flow_harness_count(h, 0), 300, 600);
    flow_harness_free(h);
    free(with);
    folder_look(&folder, 1);
}

TEST(a_named_pipe_is_waited_for)
{
    const struct folder folder = folder_new();
    char *path = folder_path(&folder, "fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "one\n", 4), 4);
    char *with = folder_with(&folder, "path", "fifo", "");
    struct flow_harness *h = reader(with, 1);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    assert_string_equal(flow_harness_text(h, 0), "one\n");
    flow_harness_free(h);
    (void)close(fd);
    free(with);
    free(path);
    folder_look(&folder, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_without_their_ends),
        cmocka_unit_test(keep_ends_leaves_every_byte),
        cmocka_unit_test(zero_bytes_are_bytes),
        cmocka_unit_test(a_line_longer_than_the_buffer_comes_whole),
        cmocka_unit_test(a_line_of_just_max_line_passes_and_a_longer_one_is_named),
        cmocka_unit_test(an_endless_line_does_not_fill_the_memory),
        cmocka_unit_test(a_glob_reads_its_files_in_the_order_of_their_names),
        cmocka_unit_test(a_list_is_read_in_its_own_order),
        cmocka_unit_test(braces_give_choices),
        cmocka_unit_test(a_file_whose_name_looks_like_a_glob_is_that_file),
        cmocka_unit_test(what_cannot_be_read_is_named_before_anything_is),
        cmocka_unit_test(a_file_that_has_gone_since_is_named),
        cmocka_unit_test(standard_input_is_read_to_its_end),
        cmocka_unit_test(what_a_spool_has_emitted_of_the_pending_lines_is_not_emitted_again),
        cmocka_unit_test(with_a_spool_what_is_read_once_comes_last),
        cmocka_unit_test(a_wish_to_stop_ends_the_wait_for_standard_input),
        cmocka_unit_test(a_wish_to_stop_ends_the_reading_of_a_file_soon),
        cmocka_unit_test(a_named_pipe_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
