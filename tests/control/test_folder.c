/* SPDX-License-Identifier: MIT */
#include "control/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/check.h"

/* NOLINTBEGIN(concurrency-mt-unsafe): only one thread does that */

static char *shared_base; /* of the threads of one test */

/* A folder of the test's own, to make others in. */
static char *new_base(void)
{
    char *base = strdup("/tmp/flow-test-XXXXXX");
    assert_non_null(base);
    assert_non_null(mkdtemp(base));
    return base;
}

static size_t count_entries(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* The base must be empty by now. */
static void drop_base(char *base)
{
    assert_int_equal(rmdir(base), 0);
    free(base);
}

static void touch(const char *folder, const char *name)
{
    char path[256];
    assert_true(strlen(folder) + strlen(name) + 2 <= sizeof(path));
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

/* What a killed coordinator leaves: the folder, and nobody who has it locked. */
static void abandon(struct flow_folder *folder)
{
    close(folder->fd);
    free(folder->path);
    *folder = (struct flow_folder)FLOW_FOLDER_NONE;
}

TEST(a_folder_is_private_and_named_after_its_user)
{
    char *base = new_base();
    struct flow_folder folder = FLOW_FOLDER_NONE;
    struct flow_error err = {0};
    assert_int_equal(flow_folder_new_at(base, &folder, &err), FLOW_OK);

    char prefix[200];
    (void)snprintf(prefix, sizeof(prefix), "%s/flowrun-%lu-", base, (unsigned long)geteuid());
    assert_memory_equal(folder.path, prefix, strlen(prefix));
    struct stat info;
    assert_int_equal(stat(folder.path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);

    touch(folder.path, "some.sock");
    flow_folder_remove(&folder);
    assert_null(folder.path);
    drop_base(base);
}

TEST(removing_no_folder_does_nothing)
{
    struct flow_folder folder = FLOW_FOLDER_NONE;
    flow_folder_remove(&folder);
    assert_null(folder.path);
}

TEST(a_stale_folder_is_swept_by_the_next_run)
{
    char *base = new_base();
    struct flow_folder stale = FLOW_FOLDER_NONE, folder = FLOW_FOLDER_NONE;
    struct flow_error err = {0};
    assert_int_equal(flow_folder_new_at(base, &stale, &err), FLOW_OK);
    touch(stale.path, "r1.sock");
    touch(stale.path, "r2.sock");
    abandon(&stale);

    assert_int_equal(flow_folder_new_at(base, &folder, &err), FLOW_OK);
    assert_int_equal(count_entries(base), 1);
    flow_folder_remove(&folder);
    drop_base(base);
}

TEST(the_folder_of_a_run_that_lives_is_left_alone)
{
    char *base = new_base();
    struct flow_folder first = FLOW_FOLDER_NONE, second = FLOW_FOLDER_NONE;
    struct flow_error err = {0};
    assert_int_equal(flow_folder_new_at(base, &first, &err), FLOW_OK);
    touch(first.path, "r1.sock");

    assert_int_equal(flow_folder_new_at(base, &second, &err), FLOW_OK);
    assert_int_equal(count_entries(base), 2);
    assert_int_equal(count_entries(first.path), 1);
    flow_folder_remove(&second);
    flow_folder_remove(&first);
    drop_base(base);
}

TEST(what_only_looks_like_a_stale_folder_is_left_alone)
{
    char *base = new_base();
    char open_to_all[200], link[200], target[200];
    const unsigned long uid = (unsigned long)geteuid();
    (void)snprintf(open_to_all, sizeof(open_to_all), "%s/flowrun-%lu-open", base, uid);
    (void)snprintf(link, sizeof(link), "%s/flowrun-%lu-link", base, uid);
    (void)snprintf(target, sizeof(target), "%s/target", base);
    assert_int_equal(mkdir(open_to_all, 0700), 0);
    assert_int_equal(chmod(open_to_all, 0755), 0);
    assert_int_equal(mkdir(target, 0700), 0);
    touch(target, "precious");
    assert_int_equal(symlink(target, link), 0);

    struct flow_folder folder = FLOW_FOLDER_NONE;
    struct flow_error err = {0};
    assert_int_equal(flow_folder_new_at(base, &folder, &err), FLOW_OK);
    flow_folder_remove(&folder);

    assert_int_equal(count_entries(base), 3);
    assert_int_equal(count_entries(target), 1);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(rmdir(open_to_all), 0);
    flow_folder_wipe(target);
    drop_base(base);
}

TEST(a_path_too_long_for_sockets_is_refused_with_the_numbers)
{
    char base[90];
    memset(base, 'x', sizeof(base));
    base[0] = '/';
    base[sizeof(base) - 1] = '\0';
    struct flow_folder folder = FLOW_FOLDER_NONE;
    struct flow_error err = {0};
    assert_int_equal(flow_folder_new_at(base, &folder, &err), FLOW_EIO);
    assert_non_null(strstr(err.text, "a socket's path has at most 107 bytes, and 1"));
    assert_non_null(strstr(err.text, "set TMPDIR to a shorter path"));
    assert_null(folder.path);
}

TEST(a_place_that_cannot_be_written_is_refused_with_its_name)
{
    struct flow_folder folder = FLOW_FOLDER_NONE;
    struct flow_error err = {0};
    assert_int_equal(flow_folder_new_at("/nonexistent", &folder, &err), FLOW_EIO);
    assert_non_null(strstr(err.text, "cannot make the run's folder /nonexistent/flowrun-"));
    assert_non_null(strstr(err.text, "No such file or directory"));
}

TEST(the_first_place_that_can_be_written_is_taken)
{
    char *base = new_base();
    struct flow_folder folder = FLOW_FOLDER_NONE;
    struct flow_error err = {0};
    setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
    setenv("TMPDIR", base, 1);
    assert_int_equal(flow_folder_new(&folder, &err), FLOW_OK);
    assert_memory_equal(folder.path, base, strlen(base));
    assert_int_equal(err.status, FLOW_OK);
    flow_folder_remove(&folder);
    unsetenv("TMPDIR");
    unsetenv("XDG_RUNTIME_DIR");
    drop_base(base);
}

/* Make and remove folders, sweeping all the while; how often one was not there once it was made. */
static void *make_many(void *context)
{
    size_t *lost = context;
    for (int i = 0; i < 300; i++) {
        struct flow_folder folder = FLOW_FOLDER_NONE;
        const bool made = flow_folder_new_at(shared_base, &folder, NULL) == FLOW_OK;
        *lost += !made || access(folder.path, F_OK) != 0;
        flow_folder_remove(&folder);
    }
    return NULL;
}

TEST(makers_and_sweepers_do_not_harm_each_other)
{
    pthread_t threads[3];
    size_t lost[COUNT(threads)] = {0};
    shared_base = new_base();
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_many, &lost[i]), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(lost[i], 0);
    drop_base(shared_base);
}

TEST(wiping_a_folder_that_is_gone_does_nothing)
{
    flow_folder_wipe("/nonexistent/flowrun-0-abcdef");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_private_and_named_after_its_user),
        cmocka_unit_test(removing_no_folder_does_nothing),
        cmocka_unit_test(a_stale_folder_is_swept_by_the_next_run),
        cmocka_unit_test(the_folder_of_a_run_that_lives_is_left_alone),
        cmocka_unit_test(what_only_looks_like_a_stale_folder_is_left_alone),
        cmocka_unit_test(a_path_too_long_for_sockets_is_refused_with_the_numbers),
        cmocka_unit_test(a_place_that_cannot_be_written_is_refused_with_its_name),
        cmocka_unit_test(the_first_place_that_can_be_written_is_taken),
        cmocka_unit_test(makers_and_sweepers_do_not_harm_each_other),
        cmocka_unit_test(wiping_a_folder_that_is_gone_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* NOLINTEND(concurrency-mt-unsafe) */
