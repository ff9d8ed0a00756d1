/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "folder.h"
#include "support/check.h"
#include "support/harness.h"

static struct flow_harness *writer(const char *with)
{
    const struct flow_harness_options options = {.with = with};
    return flow_harness_new(harness_builtin("lines.write"), &options);
}

static struct flow_harness *writer_to(const struct folder *folder, const char *name,
                                      const char *rest)
{
    char *with = folder_with(folder, "path", name, rest);
    struct flow_harness *h = writer(with);
    free(with);
    return h;
}

/* Open `h` and let it work, with standard output being `fd`. */
static enum flow_status work_with_output(struct flow_harness *h, int fd)
{
    (void)fflush(stdout);
    const int saved = dup(STDOUT_FILENO);
    assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
    enum flow_status rc = flow_harness_open(h);
    if (rc == FLOW_OK)
        rc = flow_harness_work(h);
    assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
    (void)close(saved);
    return rc;
}

TEST(records_become_lines)
{
    const struct folder folder = folder_new();
    struct flow_harness *h = writer_to(&folder, "out", "");
    flow_harness_feed(h, "one");
    flow_harness_feed(h, "");
    flow_harness_feed(h, "two\nthree");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    flow_harness_free(h);
    assert_string_equal(folder_get(&folder, "out"), "one\n\ntwo\nthree\n");
    assert_int_equal(folder_look(&folder, 1), 1);
}

TEST(no_records_make_an_empty_file)
{
    const struct folder folder = folder_new();
    struct flow_harness *h = writer_to(&folder, "out", "");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    flow_harness_free(h);
    assert_string_equal(folder_get(&folder, "out"), "");
    folder_look(&folder, 1);
}

TEST(newline_is_what_the_user_says)
{
    const struct folder folder = folder_new();
    struct flow_harness *h = writer_to(&folder, "out", ", \"newline\": \"; \"");
    flow_harness_feed(h, "a");
    flow_harness_feed(h, "b");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    flow_harness_free(h);
    assert_string_equal(folder_get(&folder, "out"), "a; b; ");

    h = writer_to(&folder, "out", ", \"newline\": \"\"");
    flow_harness_feed(h, "a");
    flow_harness_feed(h, "b");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    flow_harness_free(h);
    assert_string_equal(folder_get(&folder, "out"), "ab");
    folder_look(&folder, 1);
}

TEST(records_around_the_size_of_the_buffer_arrive_whole)
{
    static const size_t sizes[] = {65535, 65536, 65534, 0, 65537, 1, 300000, 70000, 65530, 5, 4};
    const struct folder folder = folder_new();
    struct flow_harness *h = writer_to(&folder, "out", "");
    size_t total = 0;
    char *big = malloc(300000);
    assert_non_null(big);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        memset(big, 'a' + (int)i, sizes[i]);
        flow_harness_feed_bytes(h, big, sizes[i]);
        total += sizes[i] + 1;
    }
    free(big);
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    flow_harness_free(h);

    char *path = folder_path(&folder, "out");
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(fgetc(file), 'a' + (int)i);
        assert_int_equal(fgetc(file), '\n');
        total -= sizes[i] + 1;
    }
    assert_int_equal(fgetc(file), EOF);
    assert_int_equal(total, 0);
    (void)fclose(file);
    free(path);
    folder_look(&folder, 1);
}

TEST(the_file_appears_when_it_is_complete)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "out", "old\n", 4);
    struct flow_harness *h = writer_to(&folder, "out", "");
    flow_harness_feed(h, "new");
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    assert_string_equal(folder_get(&folder, "out"), "old\n");
    assert_int_equal(folder_look(&folder, 0), 2);
    assert_int_equal(flow_harness_finish(h), FLOW_OK);
    assert_string_equal(folder_get(&folder, "out"), "new\n");
    assert_int_equal(folder_look(&folder, 0), 1);
    flow_harness_free(h);
    folder_look(&folder, 1);
}

TEST(an_aborted_run_leaves_the_old_file_and_nothing_else)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "out", "old\n", 4);
    struct flow_harness *h = writer_to(&folder, "out", "");
    flow_harness_feed(h, "new");
    assert_int_equal(flow_harness_open(h), FLOW_OK);
    assert_int_equal(flow_harness_work(h), FLOW_OK);
    flow_harness_free(h);
    assert_string_equal(folder_get(&folder, "out"), "old\n");
    assert_int_equal(folder_look(&folder, 1), 1);
}

TEST(the_permissions_of_a_replaced_file_stay)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "out", "old\n", 4);
    char *path = folder_path(&folder, "out");
    assert_int_equal(chmod(path, 0640), 0);
    struct flow_harness *h = writer_to(&folder, "out", "");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    flow_harness_free(h);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    free(path);
    folder_look(&folder, 1);
}

TEST(a_symbolic_link_stays_one)
{
    const struct folder folder = folder_new();
    folder_put(&folder, "real", "old\n", 4);
    char *link = folder_path(&folder, "link");
    assert_int_equal(symlink("real", link), 0);
    struct flow_harness *h = writer_to(&folder, "link", "");
    flow_harness_feed(h, "new");
    assert_int_equal(flow_harness_run(h), FLOW_OK);
    flow_harness_free(h);
    struct stat st;
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_string_equal(folder_get(&folder, "real"), "new\n");
    free(link);
    folder_look(&folder, 1);
}

TEST(what_cannot_be_written_is_named_before_the_run)
{
    static const struct {
        const char *with;
        const char *text;
    } cases[] = {
        {"{\"path\": \"/\"}", "cannot write '/': Is a directory"},
        {"{\"path\": \"/nowhere/out\"}", "cannot write '/nowhere/out': No such file or directory"},
        {"{\"path\": \"/dev/null/out\"}", "cannot write '/dev/null/out': Not a directory"},
        {"{\"path\": \"\"}", "cannot write '': No such file or directory"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_harness *h = writer(cases[i].with);
        assert_int_equal(flow_harness_open(h), FLOW_EIO);
        assert_string_equal(flow_harness_failure(h), cases[i].text);
        flow_harness_free(h);
    }
}

TEST(a_full_disk_ends_the_run_with_its_reason)
{
    struct flow_harness *h = writer("{\"path\": \"/dev/full\"}");
    flow_harness_feed(h, "one");
    assert_int_equal(flow_harness_run(h), FLOW_EIO);
    assert_string_equal(flow_harness_failure(h),
                        "cannot write '/dev/full': No space left on device");
    flow_harness_free(h);
}

TEST(standard_output_gets_each_batch_when_it_is_done)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct flow_harness *h = writer(NULL);
    flow_harness_feed(h, "one");
    flow_harness_feed(h, "two");
    assert_int_equal(work_with_output(h, ends[1]), FLOW_OK);
    (void)close(ends[1]);
    char text[64] = "";
    assert_int_equal(read(ends[0], text, sizeof(text) - 1), 8);
    assert_string_equal(text, "one\ntwo\n");
    (void)close(ends[0]);
    flow_harness_free(h);
}

TEST(standard_output_by_its_path_keeps_what_a_file_behind_it_holds)
{
    const struct folder folder = folder_new();
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/out", folder.path);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "zero\n", 5), 5);
    struct flow_harness *h = writer("{\"path\": \"/dev/stdout\"}");
    flow_harness_feed(h, "one");
    assert_int_equal(work_with_output(h, fd), FLOW_OK);
    flow_harness_free(h);
    (void)close(fd);
    assert_string_equal(folder_get(&folder, "out"), "zero\none\n");
    folder_look(&folder, 1);
}

TEST(a_reader_that_has_gone_ends_the_run_with_its_reason)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void)close(ends[0]);
    void (*const before)(int) = signal(SIGPIPE, SIG_IGN);
    struct flow_harness *h = writer(NULL);
    flow_harness_feed(h, "one");
    const enum flow_status rc = work_with_output(h, ends[1]);
    (void)signal(SIGPIPE, before);
    (void)close(ends[1]);
    assert_int_equal(rc, FLOW_EIO);
    assert_string_equal(flow_harness_failure(h), "cannot write 'standard output': Broken pipe");
    flow_harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_become_lines),
        cmocka_unit_test(no_records_make_an_empty_file),
        cmocka_unit_test(newline_is_what_the_user_says),
        cmocka_unit_test(records_around_the_size_of_the_buffer_arrive_whole),
        cmocka_unit_test(the_file_appears_when_it_is_complete),
        cmocka_unit_test(an_aborted_run_leaves_the_old_file_and_nothing_else),
        cmocka_unit_test(the_permissions_of_a_replaced_file_stay),
        cmocka_unit_test(a_symbolic_link_stays_one),
        cmocka_unit_test(what_cannot_be_written_is_named_before_the_run),
        cmocka_unit_test(a_full_disk_ends_the_run_with_its_reason),
        cmocka_unit_test(standard_output_gets_each_batch_when_it_is_done),
        cmocka_unit_test(standard_output_by_its_path_keeps_what_a_file_behind_it_holds),
        cmocka_unit_test(a_reader_that_has_gone_ends_the_run_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
