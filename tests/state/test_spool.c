/* SPDX-License-Identifier: MIT */
#include "state/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/check.h"

#define LARGE ((size_t)5 << 20) /* bytes: four of them are more than a segment */

/* ---- a disk that fails, or dies, at the n-th call ---- */

static int calls_left; /* before the failure; < 0: none is to come */
static bool dies;      /* from then on every call fails */
static bool tears;     /* the call that fails, if it is a write, has written a half */
static int cause;      /* errno of it */
static int syncs;      /* calls that have brought something to the disk */

static bool fails(void)
{
    if (calls_left < 0)
        return false;
    const bool now = calls_left == 0;
    if (!now || !dies)
        calls_left--;
    errno = now ? cause : errno;
    return now;
}

static int bad_create(int folder, const char *name)
{
    return fails() ? -1 : flow_disk_real.create(folder, name);
}

static ssize_t bad_write(int fd, const void *data, size_t size)
{
    if (!fails())
        return flow_disk_real.write(fd, data, size > 1 ? size - 1 : size); /* it may write less */
    if (tears)
        (void)flow_disk_real.write(fd, data, size / 2);
    errno = cause;
    return -1;
}

static int bad_sync(int fd)
{
    if (fails())
        return -1;
    syncs++;
    return flow_disk_real.sync(fd);
}

static int bad_remove(int folder, const char *name)
{
    return fails() ? -1 : flow_disk_real.remove(folder, name);
}

static const struct flow_disk bad_disk = {
    .create = bad_create,
    .write = bad_write,
    .sync = bad_sync,
    .close = close,
    .remove = bad_remove,
};

/* ---- a folder with a log ---- */

struct fixture {
    char path[64];
    int folder;
    struct flow_spool spool;
    struct flow_error err;
};

static enum flow_status open_at(struct fixture *f, uint64_t position)
{
    flow_spool_close(&f->spool);
    f->err = (struct flow_error){0};
    f->spool.disk = &bad_disk;
    f->spool.folder = f->folder;
    f->spool.replica = 3;
    f->spool.position = position;
    return flow_spool_open(&f->spool, &f->err);
}

static void set_up(struct fixture *f)
{
    *f = (struct fixture){.spool = FLOW_SPOOL_CLOSED};
    calls_left = -1;
    dies = tears = false;
    cause = EIO;
    (void)snprintf(f->path, sizeof(f->path), "/tmp/flowrun-spool-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    f->folder = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(f->folder >= 0);
    assert_int_equal(open_at(f, 0), FLOW_OK);
}

static void tear_down(struct fixture *f)
{
    flow_spool_close(&f->spool);
    (void)close(f->folder);
    DIR *folder = opendir(f->path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.' && unlinkat(dirfd(folder), entry->d_name, 0) != 0)
            (void)unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR);
    (void)closedir(folder);
    assert_int_equal(rmdir(f->path), 0);
}

static size_t file_count(const struct fixture *f)
{
    size_t count = 0;
    DIR *folder = opendir(f->path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += strncmp(entry->d_name, "spool-", 6) == 0;
    (void)closedir(folder);
    return count;
}

static void name_of(uint64_t start, char name[64])
{
    (void)snprintf(name, 64, "spool-3-%llu", (unsigned long long)start);
}

static int open_file(const struct fixture *f, uint64_t start)
{
    char name[64];
    name_of(start, name);
    const int fd = openat(f->folder, name, O_RDWR);
    assert_true(fd >= 0);
    return fd;
}

static void flip(const struct fixture *f, uint64_t start, uint64_t at)
{
    char byte;
    const int fd = open_file(f, start);
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    (void)close(fd);
}

static void cut(const struct fixture *f, uint64_t start, uint64_t size)
{
    const int fd = open_file(f, start);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    (void)close(fd);
}

static void drop(const struct fixture *f, uint64_t start)
{
    char name[64];
    name_of(start, name);
    assert_int_equal(unlinkat(f->folder, name, 0), 0);
}

static bool add_number(struct fixture *f, uint32_t number)
{
    const struct flow_spool_record record = {.data = (const uint8_t *)&number,
                                             .size = sizeof(number)};
    return flow_spool_add(&f->spool, &record);
}

/* One entry, of one number; on the disk. */
static void put(struct fixture *f, uint32_t number)
{
    assert_true(add_number(f, number));
    assert_int_equal(flow_spool_sync(&f->spool, &f->err), FLOW_OK);
}

/* Go through the rest of the log, which has numbers from `first` on: the one behind the last. */
static uint32_t read_numbers(struct fixture *f, uint32_t first)
{
    while (f->spool.position < f->spool.end) {
        struct flow_spool_cursor cursor;
        struct flow_spool_record record;
        uint64_t next = 0;
        assert_int_equal(flow_spool_read(&f->spool, &cursor, &next, &f->err), FLOW_OK);
        for (; flow_spool_next(&cursor, &record); first++) {
            assert_int_equal(record.size, sizeof(first));
            assert_memory_equal(record.data, &first, sizeof(first));
        }
        assert_int_equal(cursor.left, 0);
        assert_true(next > f->spool.position);
        f->spool.position = next;
    }
    assert_int_equal(f->spool.position, f->spool.end);
    return first;
}

/* ---- what is there ---- */

TEST(what_is_appended_is_read_back_with_its_ports_and_keys)
{
    static const struct flow_spool_record records[] = {
        {0, (const uint8_t *)"one", 3, NULL, 0},
        {1, (const uint8_t *)"", 0, (const uint8_t *)"", 0}, /* a key without bytes is one */
        {7, (const uint8_t *)"three", 5, (const uint8_t *)"key", 3},
    };
    struct fixture f;
    struct flow_spool_cursor cursor;
    struct flow_spool_record got;
    uint64_t next = 0;
    set_up(&f);
    for (size_t i = 0; i < COUNT(records); i++)
        assert_true(flow_spool_add(&f.spool, &records[i]));
    assert_int_equal(flow_spool_write(&f.spool, &f.err), FLOW_OK);
    assert_int_equal(open_at(&f, 0), FLOW_OK);
    assert_int_equal(f.spool.torn, 0);
    assert_int_equal(flow_spool_read(&f.spool, &cursor, &next, &f.err), FLOW_OK);
    assert_int_equal(next, f.spool.end);
    for (size_t i = 0; i < COUNT(records); i++) {
        assert_true(flow_spool_next(&cursor, &got));
        assert_int_equal(got.port, records[i].port);
        assert_int_equal(got.size, records[i].size);
        assert_memory_equal(got.data, records[i].data, got.size);
        assert_int_equal(got.key != NULL, records[i].key != NULL);
        assert_int_equal(got.key_size, records[i].key_size);
        if (got.key_size > 0)
            assert_memory_equal(got.key, records[i].key, got.key_size);
    }
    assert_false(flow_spool_next(&cursor, &got));
    tear_down(&f);
}

TEST(a_log_goes_on_where_it_ended_and_is_read_from_any_position_of_an_entry)
{
    struct fixture f;
    uint64_t at[5] = {0};
    set_up(&f);
    for (uint32_t i = 0; i < COUNT(at); i++) {
        at[i] = f.spool.end;
        put(&f, i);
        assert_int_equal(f.spool.position, f.spool.end); /* what is added has been emitted */
        const uint64_t end = f.spool.end;
        assert_int_equal(open_at(&f, end), FLOW_OK); /* a segment for each */
    }
    assert_int_equal(file_count(&f), COUNT(at));
    for (uint32_t i = 0; i < COUNT(at); i++) {
        assert_int_equal(open_at(&f, at[i]), FLOW_OK);
        assert_int_equal(read_numbers(&f, i), COUNT(at));
    }
    tear_down(&f);
}

TEST(files_of_other_replicas_and_other_files_are_left_alone)
{
    static const char *const names[] = {"spool-4-0", "spool-33-8", "spool-3-08", "spool-3-8x",
                                        "state-3-0"};
    struct fixture f;
    set_up(&f);
    for (size_t i = 0; i < COUNT(names); i++)
        (void)close(openat(f.folder, names[i], O_CREAT | O_WRONLY, 0600));
    assert_int_equal(open_at(&f, 0), FLOW_OK);
    put(&f, 0);
    flow_spool_trim(&f.spool, UINT64_MAX - 1);
    assert_int_equal(open_at(&f, 0), FLOW_OK);
    assert_int_equal(read_numbers(&f, 0), 1);
    tear_down(&f);
}

/* ---- damage ---- */

/* Three entries; the end of the second. */
static uint64_t put_three(struct fixture *f)
{
    put(f, 0);
    put(f, 1);
    const uint64_t two = f->spool.end;
    put(f, 2);
    return two;
}

TEST(half_an_entry_at_the_end_is_left_out_and_the_log_goes_on)
{
    struct fixture f;
    set_up(&f);
    const uint64_t two = put_three(&f);
    const uint64_t whole = f.spool.end;
    for (uint64_t size = whole - 1; size > two; size--) {
        cut(&f, 0, size);
        assert_int_equal(open_at(&f, 0), FLOW_OK);
        assert_int_equal(f.spool.torn, size - two);
        assert_int_equal(f.spool.end, two);
        assert_int_equal(read_numbers(&f, 0), 2);
    }
    put(&f, 2);
    assert_int_equal(file_count(&f), 2);
    assert_int_equal(open_at(&f, 0), FLOW_OK);
    assert_int_equal(f.spool.torn, 0);
    assert_int_equal(read_numbers(&f, 0), 3);
    tear_down(&f);
}

/* Two entries were under way when the power went: of the first one a part has come to the disk. */
TEST(a_whole_entry_behind_half_an_entry_that_was_not_synced_is_left_out_with_it)
{
    struct fixture f;
    set_up(&f);
    put(&f, 0);
    const uint64_t one = f.spool.end;
    for (uint32_t i = 1; i < 3; i++) {
        assert_true(add_number(&f, i));
        assert_int_equal(flow_spool_write(&f.spool, &f.err), FLOW_OK);
    }
    flip(&f, 0, one + 2);
    assert_int_equal(open_at(&f, 0), FLOW_OK);
    assert_int_equal(f.spool.end, one);
    assert_int_equal(f.spool.torn, 2 * one);
    assert_int_equal(read_numbers(&f, 0), 1);
    tear_down(&f);
}

static void assert_refused(struct fixture *f, uint64_t position, uint64_t offset)
{
    char text[128];
    (void)snprintf(text, sizeof(text),
                   "its spool, files 'spool-3-*' in the state folder, is damaged, or lacks a part, "
                   "at offset %llu",
                   (unsigned long long)offset);
    assert_int_equal(open_at(f, position), FLOW_EPROTO);
    assert_string_equal(f->err.text, text);
}

TEST(damage_before_what_was_synced_later_is_refused_with_the_offset)
{
    struct fixture f;
    set_up(&f);
    const uint64_t two = put_three(&f);
    const uint64_t one = two / 2;
    for (uint64_t at = 0; at < two; at++) {
        flip(&f, 0, at);
        assert_refused(&f, 0, at < one ? 0 : one);
        flip(&f, 0, at);
    }
    /* Behind it the entry is far away, and its magic may lie across the windows that are read. */
    uint8_t *filler = calloc(2, 5000);
    assert_non_null(filler);
    for (size_t size = 4000; size < 4120; size++) {
        struct fixture g;
        const struct flow_spool_record record = {.data = filler, .size = size};
        set_up(&g);
        assert_true(flow_spool_add(&g.spool, &record));
        assert_int_equal(flow_spool_sync(&g.spool, &g.err), FLOW_OK);
        put(&g, 1);
        flip(&g, 0, 100);
        assert_refused(&g, 0, 0);
        tear_down(&g);
    }
    free(filler);
    assert_int_equal(open_at(&f, 0), FLOW_OK);
    assert_int_equal(read_numbers(&f, 0), 3);
    tear_down(&f);
}

TEST(a_segment_that_is_damaged_missing_or_too_short_is_refused_with_the_offset)
{
    struct fixture f;
    set_up(&f);
    put(&f, 0);
    const uint64_t one = f.spool.end;
    for (uint32_t i = 1; i < 3; i++) { /* three segments */
        assert_int_equal(open_at(&f, i * one), FLOW_OK);
        put(&f, i);
    }
    const int inside = openat(f.folder, "spool-3-1", O_CREAT | O_WRONLY, 0600);
    assert_refused(&f, 0, one); /* that entry ends behind where another segment begins */
    (void)close(inside);
    drop(&f, 1);

    flip(&f, one, one - 1);
    assert_refused(&f, 0, one);
    assert_int_equal(open_at(&f, 2 * one), FLOW_OK); /* what lies before is of no interest */
    flip(&f, one, one - 1);

    cut(&f, one, one - 1);
    assert_refused(&f, 0, one);
    drop(&f, one);
    assert_refused(&f, 0, one);
    assert_refused(&f, one, one);
    drop(&f, 0);
    assert_refused(&f, 0, 0);
    cut(&f, 2 * one, 0);
    assert_refused(&f, 3 * one, 3 * one);
    drop(&f, 2 * one);
    assert_refused(&f, one, one);
    assert_int_equal(open_at(&f, 0), FLOW_OK); /* no log at all */
    tear_down(&f);
}

TEST(what_is_damaged_once_it_is_open_is_refused_when_it_is_read)
{
    struct fixture f;
    struct flow_spool_cursor cursor;
    uint64_t next = 7;
    set_up(&f);
    put(&f, 0);
    assert_int_equal(open_at(&f, 0), FLOW_OK);
    flip(&f, 0, 41);
    assert_int_equal(flow_spool_read(&f.spool, &cursor, &next, &f.err), FLOW_EPROTO);
    assert_non_null(strstr(f.err.text, "is damaged, or lacks a part, at offset 0"));
    f.err = (struct flow_error){0};
    drop(&f, 0);
    assert_int_equal(flow_spool_read(&f.spool, &cursor, &next, &f.err), FLOW_EPROTO);
    assert_non_null(strstr(f.err.text, "lacks a part, at offset 0"));
    assert_int_equal(next, 7);
    tear_down(&f);
}

/* A disk that cannot be read is not the end of a log. */
TEST(a_segment_that_cannot_be_read_is_no_short_one)
{
    struct fixture f;
    set_up(&f);
    assert_int_equal(mkdirat(f.folder, "spool-3-0", 0700), 0);
    assert_int_equal(open_at(&f, 0), FLOW_EIO);
    assert_string_equal(f.err.text, "cannot read its spool in the state folder: Is a directory");
    tear_down(&f);
}

/* ---- a disk that fails ---- */

/* Six entries, of two numbers each, every second one synced: how many numbers are safe. */
static uint32_t work(struct fixture *f, uint32_t *number)
{
    uint32_t safe = *number;
    for (int i = 0; i < 6; i++) {
        enum flow_status rc = FLOW_OK;
        assert_true(add_number(f, *number) && add_number(f, *number + 1));
        rc =
            i % 2 == 0 ? flow_spool_write(&f->spool, &f->err) : flow_spool_sync(&f->spool, &f->err);
        if (rc != FLOW_OK) {
            assert_int_equal(rc, FLOW_EIO);
            assert_non_null(strstr(f->err.text, "its spool"));
            return safe;
        }
        *number += 2;
        safe = i % 2 == 0 ? safe : *number;
    }
    return safe;
}

/* What is safe is there, and nothing that was never added; the log goes on from there. */
static void interrupt_everywhere(bool for_good, bool halves)
{
    struct fixture f;
    uint32_t number = 0;
    bool done = false;
    set_up(&f);
    for (int n = 0; !done; n++) {
        calls_left = n;
        dies = for_good;
        tears = halves;
        const uint32_t safe = work(&f, &number);
        done = calls_left > 0;
        calls_left = -1;
        assert_int_equal(open_at(&f, 0), FLOW_OK);
        const uint32_t found = read_numbers(&f, 0);
        assert_true(found >= safe && found <= number + 2);
        assert_true(n < 200);
        number = found;
    }
    assert_true(number >= 12);
    tear_down(&f);
}

TEST(an_error_at_any_call_loses_nothing_that_is_safe)
{
    interrupt_everywhere(false, false);
    interrupt_everywhere(false, true);
}

TEST(a_death_at_any_call_loses_nothing_that_is_safe)
{
    interrupt_everywhere(true, false);
    interrupt_everywhere(true, true);
}

/* Another write begins where the one that failed has stopped. */
TEST(with_a_full_disk_a_write_is_tried_again_and_nothing_is_in_the_log_twice)
{
    static const int causes[] = {ENOSPC, EDQUOT};
    for (size_t i = 0; i < COUNT(causes); i++) {
        struct fixture f;
        set_up(&f);
        put(&f, 0);
        uint32_t number = 1;
        for (int n = 0; n < 6; n++) {
            cause = causes[i];
            calls_left = n % 2; /* of two writes for an entry */
            assert_true(add_number(&f, number++));
            assert_int_equal(flow_spool_write(&f.spool, &f.err), FLOW_EAGAIN);
            assert_int_equal(f.err.status, FLOW_OK);
            assert_int_equal(flow_spool_sync(&f.spool, &f.err), FLOW_OK);
        }
        assert_int_equal(open_at(&f, 0), FLOW_OK);
        calls_left = 0; /* the file for the next one cannot be made */
        f.spool.position = f.spool.end;
        assert_true(add_number(&f, number++));
        assert_int_equal(flow_spool_sync(&f.spool, &f.err), FLOW_EAGAIN);
        assert_int_equal(flow_spool_sync(&f.spool, &f.err), FLOW_OK);
        assert_int_equal(open_at(&f, 0), FLOW_OK);
        assert_int_equal(read_numbers(&f, 0), number);
        tear_down(&f);
    }
}

/* The kernel tells of it once, and forgets what it could not write. */
TEST(a_sync_that_has_failed_is_not_tried_again)
{
    struct fixture f;
    set_up(&f);
    put(&f, 0);
    assert_true(add_number(&f, 1));
    assert_int_equal(flow_spool_write(&f.spool, &f.err), FLOW_OK);
    cause = ENOSPC;
    calls_left = 0;
    assert_int_equal(flow_spool_sync(&f.spool, &f.err), FLOW_EIO);
    assert_string_equal(f.err.text, "cannot bring its spool in the state folder to the disk: No "
                                    "space left on device");
    tear_down(&f);
}

TEST(what_a_run_before_has_written_is_synced_before_it_is_emitted)
{
    struct fixture f;
    set_up(&f);
    assert_true(add_number(&f, 0));
    assert_int_equal(flow_spool_write(&f.spool, &f.err), FLOW_OK);
    syncs = 0;
    assert_int_equal(open_at(&f, 0), FLOW_OK);
    assert_int_equal(syncs, 2); /* the file, and its name */
    calls_left = 1;
    assert_int_equal(open_at(&f, 0), FLOW_EIO);
    assert_string_equal(f.err.text, "cannot bring its spool in the state folder to the disk: "
                                    "Input/output error");
    tear_down(&f);
}

/* ---- segments ---- */

/* `count` entries of LARGE bytes. */
static void put_large(struct fixture *f, int count)
{
    uint8_t *bytes = calloc(1, LARGE);
    const struct flow_spool_record record = {.data = bytes, .size = LARGE};
    assert_non_null(bytes);
    for (int i = 0; i < count; i++) {
        assert_true(flow_spool_add(&f->spool, &record));
        assert_int_equal(flow_spool_write(&f->spool, &f->err), FLOW_OK);
    }
    free(bytes);
}

TEST(a_segment_that_is_large_enough_is_synced_and_another_begins)
{
    struct fixture f;
    set_up(&f);
    put_large(&f, 4);
    assert_int_equal(file_count(&f), 1);
    assert_int_equal(f.spool.synced, 0);
    const uint64_t second = f.spool.end;
    put_large(&f, 1);
    assert_int_equal(file_count(&f), 2);
    assert_int_equal(f.spool.synced, second);
    assert_int_equal(f.spool.segment, second);
    put_large(&f, 4);
    assert_int_equal(file_count(&f), 3);
    const uint64_t end = f.spool.end;
    assert_int_equal(open_at(&f, 0), FLOW_OK);
    assert_int_equal(f.spool.end, end);
    tear_down(&f);
}

TEST(segments_go_when_all_of_them_lies_before_and_not_sooner)
{
    struct fixture f;
    uint64_t starts[4];
    set_up(&f);
    for (uint32_t i = 0; i < COUNT(starts); i++) {
        starts[i] = f.spool.end;
        put(&f, i);
        assert_int_equal(open_at(&f, f.spool.end), FLOW_OK);
    }
    assert_int_equal(f.spool.first, 0); /* those before the position are known, too */
    flow_spool_trim(&f.spool, starts[1] - 1);
    assert_int_equal(file_count(&f), 4);
    flow_spool_trim(&f.spool, starts[1]);
    assert_int_equal(file_count(&f), 3);
    assert_int_equal(f.spool.first, starts[1]);
    calls_left = 0; /* it cannot be removed: later, then */
    flow_spool_trim(&f.spool, starts[3]);
    assert_int_equal(file_count(&f), 3);
    flow_spool_trim(&f.spool, starts[3]);
    assert_int_equal(file_count(&f), 1);
    flow_spool_trim(&f.spool, UINT64_MAX - 1); /* the last one stays */
    assert_int_equal(file_count(&f), 1);
    assert_int_equal(open_at(&f, starts[3]), FLOW_OK);
    assert_int_equal(read_numbers(&f, 3), 4);
    tear_down(&f);
}

/* ---- memory ---- */

TEST(no_allocation_that_fails_does_more_than_say_so)
{
    struct fixture f;
    struct flow_spool_cursor cursor;
    uint64_t next = 0;
    set_up(&f);
    flow_mem_fail_at(0);
    assert_false(add_number(&f, 0));
    flow_mem_fail_at(-1);
    (void)put_three(&f);
    flow_spool_close(&f.spool);
    flow_mem_fail_at(0);
    assert_int_equal(open_at(&f, 0), FLOW_ENOMEM);
    flow_mem_fail_at(-1);
    assert_string_equal(f.err.text, "no memory for an entry of its spool");

    assert_int_equal(open_at(&f, 0), FLOW_OK);
    free(f.spool.past);
    f.spool.past = NULL;
    f.spool.past_capacity = 0;
    flow_mem_fail_at(0);
    assert_int_equal(flow_spool_read(&f.spool, &cursor, &next, &f.err), FLOW_ENOMEM);
    flow_mem_fail_at(-1);
    assert_string_equal(f.err.text, "no memory for an entry of its spool");
    assert_int_equal(read_numbers(&f, 0), 3);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_is_read_back_with_its_ports_and_keys),
        cmocka_unit_test(a_log_goes_on_where_it_ended_and_is_read_from_any_position_of_an_entry),
        cmocka_unit_test(files_of_other_replicas_and_other_files_are_left_alone),
        cmocka_unit_test(half_an_entry_at_the_end_is_left_out_and_the_log_goes_on),
        cmocka_unit_test(
            a_whole_entry_behind_half_an_entry_that_was_not_synced_is_left_out_with_it),
        cmocka_unit_test(damage_before_what_was_synced_later_is_refused_with_the_offset),
        cmocka_unit_test(a_segment_that_is_damaged_missing_or_too_short_is_refused_with_the_offset),
        cmocka_unit_test(what_is_damaged_once_it_is_open_is_refused_when_it_is_read),
        cmocka_unit_test(a_segment_that_cannot_be_read_is_no_short_one),
        cmocka_unit_test(an_error_at_any_call_loses_nothing_that_is_safe),
        cmocka_unit_test(a_death_at_any_call_loses_nothing_that_is_safe),
        cmocka_unit_test(with_a_full_disk_a_write_is_tried_again_and_nothing_is_in_the_log_twice),
        cmocka_unit_test(a_sync_that_has_failed_is_not_tried_again),
        cmocka_unit_test(what_a_run_before_has_written_is_synced_before_it_is_emitted),
        cmocka_unit_test(a_segment_that_is_large_enough_is_synced_and_another_begins),
        cmocka_unit_test(segments_go_when_all_of_them_lies_before_and_not_sooner),
        cmocka_unit_test(no_allocation_that_fails_does_more_than_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
