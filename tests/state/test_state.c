/* SPDX-License-Identifier: MIT */
#include "state/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/check.h"

#define REPLICAS 3
#define LARGE 200000 /* bytes: a blob of several steps, in a file */

/* ---- a disk that fails, or dies, at the n-th call ---- */

static int calls_left; /* before the failure; < 0: none is to come */
static bool dies;      /* from then on every call fails */
static bool tears;     /* the call that fails, if it is a write, has written a half */

static bool fails(void)
{
    if (calls_left < 0)
        return false;
    const bool now = calls_left == 0;
    if (!now || !dies)
        calls_left--;
    errno = now ? ENOSPC : errno;
    return now;
}

static int bad_create(int folder, const char *name)
{
    return fails() ? -1 : flow_disk_real.create(folder, name);
}

static ssize_t bad_write(int fd, const void *data, size_t size)
{
    if (!fails())
        return flow_disk_real.write(fd, data, size);
    if (tears)
        (void)flow_disk_real.write(fd, data, size / 2);
    errno = ENOSPC;
    return -1;
}

static ino_t synced; /* what was synced last */

static int bad_sync(int fd)
{
    struct stat info;
    if (fstat(fd, &info) == 0)
        synced = info.st_ino;
    return fails() ? -1 : flow_disk_real.sync(fd);
}

static int bad_rename(int folder, const char *from, const char *to)
{
    return fails() ? -1 : flow_disk_real.rename(folder, from, to);
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
    .rename = bad_rename,
    .remove = bad_remove,
};

/* ---- a folder with checkpoints ---- */

struct fixture {
    char path[64];
    struct flow_state state;
    struct flow_manifest head;
};

static void make_head(struct flow_manifest *head)
{
    *head = (struct flow_manifest){.replica_count = REPLICAS};
    head->graph = flow_strdup("test");
    head->stages = flow_calloc(1, sizeof(*head->stages));
    head->stages[0] = (struct flow_manifest_stage){flow_strdup("work"), REPLICAS, 42};
    head->stage_count = 1;
}

static void setup(struct fixture *f)
{
    calls_left = -1;
    dies = tears = false;
    (void)snprintf(f->path, sizeof(f->path), "/tmp/flowrun-state-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    assert_int_equal(flow_state_open(f->path, &bad_disk, &f->state, NULL), FLOW_OK);
    make_head(&f->head);
}

static size_t file_count(const struct fixture *f, const char *begin)
{
    size_t count = 0;
    DIR *folder = opendir(f->path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += strncmp(entry->d_name, begin, strlen(begin)) == 0;
    (void)closedir(folder);
    return count;
}

static void teardown(struct fixture *f)
{
    DIR *folder = opendir(f->path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        (void)unlinkat(dirfd(folder), entry->d_name, 0);
    (void)closedir(folder);
    assert_int_equal(rmdir(f->path), 0);
    flow_manifest_clear(&f->head);
    flow_state_close(&f->state);
}

/* The folder as another run finds it. */
static void reopen(struct fixture *f)
{
    calls_left = -1;
    flow_state_close(&f->state);
    assert_int_equal(flow_state_open(f->path, &bad_disk, &f->state, NULL), FLOW_OK);
}

/* What replica `i` saves at an epoch: one byte, over and over; replica 1 a lot of it. */
static enum flow_status save(const struct fixture *f, uint64_t epoch, size_t i, bool finished,
                             struct flow_manifest_replica *saved)
{
    char name[FLOW_BLOB_NAME];
    uint8_t bytes[1000];
    struct flow_blob_writer writer;
    struct flow_error err = {0};
    saved->finished = finished;
    flow_state_blob_name(epoch, i, finished, 0, name);
    memset(bytes, (int)(epoch * 10 + i), sizeof(bytes));
    enum flow_status rc =
        flow_blob_begin(&writer, &bad_disk, f->state.fd, name, &saved->blob, &err);
    const size_t size = i == 1 ? LARGE : i == 0 ? 0 : 100;
    for (size_t at = 0; at < size && rc == FLOW_OK; at += sizeof(bytes))
        rc = flow_save(&writer.saver, bytes, size < sizeof(bytes) ? size : sizeof(bytes));
    if (rc == FLOW_OK)
        rc = flow_blob_end(&writer);
    flow_blob_clear(&writer);
    assert_true(rc == FLOW_OK || err.status == rc);
    return rc;
}

static enum flow_status commit(struct fixture *f, uint64_t epoch)
{
    struct flow_manifest manifest;
    assert_int_equal(flow_manifest_copy_head(&f->head, REPLICAS, &manifest, NULL), FLOW_OK);
    manifest.epoch = epoch;
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < REPLICAS && rc == FLOW_OK; i++)
        rc = save(f, epoch, i, false, &manifest.replicas[i]);
    if (rc == FLOW_OK)
        rc = flow_state_commit(&f->state, &manifest, NULL);
    flow_manifest_clear(&manifest);
    return rc;
}

/* Load, and look at every byte: the epoch; 0: there is none. */
static uint64_t load(struct fixture *f)
{
    struct flow_manifest manifest = {0};
    struct flow_str said = {0};
    struct flow_error err = {0};
    const enum flow_status rc = flow_state_load(&f->state, &manifest, &said, &err);
    flow_str_clear(&said);
    if (rc == FLOW_ENOENT)
        return 0;
    assert_int_equal(rc, FLOW_OK);
    assert_int_equal(flow_manifest_match(&manifest, &f->head, &err), FLOW_OK);
    for (size_t i = 0; i < REPLICAS; i++) {
        uint8_t *bytes = NULL;
        assert_int_equal(flow_blob_read(f->state.fd, &manifest.replicas[i].blob, &bytes, &err),
                         FLOW_OK);
        assert_int_equal(manifest.replicas[i].blob.size, i == 1 ? LARGE : i == 0 ? 0 : 100);
        for (size_t at = 0; at < manifest.replicas[i].blob.size; at++)
            assert_int_equal(bytes[at], (uint8_t)(manifest.epoch * 10 + i));
        free(bytes);
    }
    const uint64_t epoch = manifest.epoch;
    flow_manifest_clear(&manifest);
    return epoch;
}

static void damage(const struct fixture *f, const char *name, off_t at)
{
    char path[128];
    char byte;
    (void)snprintf(path, sizeof(path), "%s/%s", f->path, name);
    const int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
}

/* ---- tests ---- */

TEST(what_is_committed_is_loaded_and_two_generations_stay)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(load(&f), 0);
    for (uint64_t epoch = 1; epoch <= 5; epoch++) {
        assert_int_equal(commit(&f, epoch), FLOW_OK);
        assert_int_equal(load(&f), epoch);
        assert_int_equal(file_count(&f, "checkpoint-"), epoch == 1 ? 1 : 2);
        assert_int_equal(file_count(&f, "state-"), epoch == 1 ? 1 : 2);
    }
    reopen(&f);
    assert_int_equal(load(&f), 5);
    assert_int_equal(f.state.older, 4);
    assert_int_equal(flow_state_reset(&f.state, false, NULL), FLOW_OK);
    assert_int_equal(load(&f), 0);
    assert_int_equal(file_count(&f, "state-"), 0);
    teardown(&f);
}

/* However a commit is interrupted, what was there before is there, or the new one is, whole. */
static void interrupt_everywhere(bool for_good, bool halves)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(commit(&f, 1), FLOW_OK);
    bool done = false;
    uint64_t last = 1;
    for (int n = 0; !done; n++) {
        calls_left = n;
        dies = for_good;
        tears = halves;
        const enum flow_status rc = commit(&f, last + 1);
        done = calls_left > 0;
        reopen(&f);
        const uint64_t found = load(&f);
        assert_true(found == last || found == last + 1);
        assert_true(rc != FLOW_OK || found == last + 1);
        last = found;
        assert_true(n < 200);
    }
    assert_true(last > 1);
    teardown(&f);
}

TEST(an_error_at_any_call_leaves_the_old_checkpoint_or_the_new_one)
{
    interrupt_everywhere(false, false);
    interrupt_everywhere(false, true);
}

TEST(a_death_at_any_call_leaves_the_old_checkpoint_or_the_new_one)
{
    interrupt_everywhere(true, false);
    interrupt_everywhere(true, true);
}

TEST(the_first_commit_of_all_leaves_none_or_itself_wherever_it_dies)
{
    bool done = false;
    for (int n = 0; !done; n++) {
        struct fixture f;
        setup(&f);
        calls_left = n;
        dies = tears = true;
        const enum flow_status rc = commit(&f, 1);
        done = calls_left > 0;
        reopen(&f);
        const uint64_t found = load(&f);
        assert_true(found == 1 || (found == 0 && rc != FLOW_OK));
        teardown(&f);
    }
}

/* Consumers have committed it: they cannot go back to the one before. */
TEST(a_checkpoint_that_is_marked_as_done_is_there_wherever_that_dies)
{
    bool done = false;
    for (int n = 0; !done; n++) {
        struct fixture f;
        struct flow_manifest manifest = {0};
        setup(&f);
        assert_int_equal(commit(&f, 1), FLOW_OK);
        assert_int_equal(commit(&f, 2), FLOW_OK);
        assert_int_equal(flow_state_read(f.state.fd, 2, &manifest, NULL), FLOW_OK);
        manifest.done = true;
        calls_left = n;
        dies = tears = true;
        const enum flow_status rc = flow_state_commit(&f.state, &manifest, NULL);
        done = calls_left > 0;
        assert_true(rc == FLOW_OK || !done);
        flow_manifest_clear(&manifest);
        reopen(&f);
        assert_int_equal(load(&f), 2);
        teardown(&f);
    }
}

TEST(a_reset_that_dies_anywhere_leaves_the_newest_checkpoint_or_none)
{
    bool done = false;
    for (int n = 0; !done; n++) {
        struct fixture f;
        setup(&f);
        assert_int_equal(commit(&f, 1), FLOW_OK);
        assert_int_equal(commit(&f, 2), FLOW_OK);
        calls_left = n;
        dies = true;
        const enum flow_status rc = flow_state_reset(&f.state, false, NULL);
        done = calls_left > 0;
        assert_true(rc == FLOW_OK || !done);
        reopen(&f);
        const uint64_t found = load(&f);
        assert_true(found == 2 || found == 0);
        teardown(&f);
    }
}

TEST(a_damaged_manifest_or_state_falls_back_by_one_and_says_so)
{
    static const struct {
        const char *name;
        off_t at;
    } cases[] = {{"checkpoint-3.json", 0},
                 {"checkpoint-3.json", 100},
                 {"state-3-1", 0},
                 {"state-3-1", LARGE - 1}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture f;
        setup(&f);
        for (uint64_t epoch = 1; epoch <= 3; epoch++)
            assert_int_equal(commit(&f, epoch), FLOW_OK);
        damage(&f, cases[i].name, cases[i].at);
        reopen(&f);
        struct flow_manifest manifest = {0};
        struct flow_str said = {0};
        assert_int_equal(flow_state_load(&f.state, &manifest, &said, NULL), FLOW_OK);
        assert_int_equal(manifest.epoch, 2);
        assert_non_null(strstr(said.text, "checkpoint 3: "));
        flow_manifest_clear(&manifest);
        flow_str_clear(&said);
        /* The next one takes the place of the damaged one. */
        assert_int_equal(commit(&f, 3), FLOW_OK);
        assert_int_equal(load(&f), 3);
        teardown(&f);
    }
}

TEST(with_all_checkpoints_damaged_the_folder_is_refused)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(commit(&f, 1), FLOW_OK);
    assert_int_equal(commit(&f, 2), FLOW_OK);
    damage(&f, "checkpoint-1.json", 10);
    damage(&f, "state-2-1", 10);
    reopen(&f);
    struct flow_manifest manifest = {0};
    struct flow_str said = {0};
    struct flow_error err = {0};
    assert_int_equal(flow_state_load(&f.state, &manifest, &said, &err), FLOW_EIO);
    assert_non_null(strstr(err.text, "checkpoint 2: the saved state in 'state-2-1' has another"));
    flow_str_clear(&said);
    teardown(&f);
}

TEST(a_second_run_is_refused_with_the_pid_of_the_first)
{
    struct fixture f;
    setup(&f);
    struct flow_state other = FLOW_STATE_NONE;
    struct flow_error err = {0};
    char pid[64];
    assert_int_equal(flow_state_open(f.path, &flow_disk_real, &other, &err), FLOW_EIO);
    (void)snprintf(pid, sizeof(pid), "in use by another run, process %ld", (long)getpid());
    assert_non_null(strstr(err.text, pid));
    flow_state_close(&other);
    teardown(&f);
}

TEST(whoever_goes_on_waits_for_the_processes_of_the_last_run_to_be_gone)
{
    struct fixture f;
    setup(&f);
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int fd;
        char byte = 0;
        (void)close(f.state.lock); /* a process that is started anew does not have it */
        const bool joined = flow_state_join(f.path, &fd, NULL) == FLOW_OK;
        if (write(pipes[1], &byte, 1) != 1 || !joined)
            _exit(1);
        (void)poll(NULL, 0, 100); /* it lives a little longer than its coordinator */
        _exit(0);
    }
    char byte;
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    reopen(&f);
    int status = -1;
    (void)waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    teardown(&f);
}

/* A process that was being started when its coordinator was killed has the lock for a moment. */
TEST(a_lock_whose_holder_is_dead_is_waited_for)
{
    struct fixture f;
    setup(&f);
    const pid_t dead = fork();
    assert_true(dead >= 0);
    if (dead == 0)
        _exit(0);
    assert_int_equal(waitpid(dead, NULL, 0), dead);
    char pid[24];
    const int size = snprintf(pid, sizeof(pid), "%ld\n", (long)dead);
    assert_int_equal(ftruncate(f.state.lock, 0), 0);
    assert_int_equal(pwrite(f.state.lock, pid, (size_t)size, 0), size);
    const pid_t child = fork(); /* it has the lock as well */
    assert_true(child >= 0);
    if (child == 0) {
        (void)poll(NULL, 0, 100);
        _exit(0);
    }
    reopen(&f);
    assert_int_equal(waitpid(child, NULL, 0), child);
    teardown(&f);
}

TEST(a_folder_that_cannot_be_made_or_used_is_named)
{
    struct flow_state none = FLOW_STATE_NONE;
    struct flow_error err = {0};
    assert_int_equal(flow_state_open("/proc/none/state", &flow_disk_real, &none, &err), FLOW_EIO);
    assert_non_null(strstr(err.text, "cannot make the state folder '/proc/none/state'"));
    flow_state_close(&none);
    err = (struct flow_error){0};
    assert_int_equal(flow_state_open("/etc/passwd", &flow_disk_real, &none, &err), FLOW_EIO);
    assert_non_null(strstr(err.text, "cannot open the state folder '/etc/passwd'"));
    flow_state_close(&none);
}

TEST(the_name_of_the_folder_is_made_to_last_or_the_run_does_not_begin)
{
    struct fixture f;
    struct stat above;
    struct flow_error err = {0};
    setup(&f);
    assert_int_equal(stat("/tmp", &above), 0);
    assert_int_equal(synced, above.st_ino);
    flow_state_close(&f.state);
    calls_left = 0;
    assert_int_equal(flow_state_open(f.path, &bad_disk, &f.state, &err), FLOW_EIO);
    assert_non_null(strstr(err.text, "cannot make the name of the state folder '/tmp/flowrun-st"));
    assert_non_null(strstr(err.text, "' last: No space left on device"));
    flow_state_close(&f.state);
    calls_left = -1;
    assert_int_equal(flow_state_open(f.path, &bad_disk, &f.state, NULL), FLOW_OK);
    teardown(&f);
}

TEST(states_of_finished_replicas_stay_as_long_as_their_session)
{
    struct fixture f;
    setup(&f);
    struct flow_manifest manifest;
    assert_int_equal(flow_manifest_copy_head(&f.head, REPLICAS, &manifest, NULL), FLOW_OK);
    assert_int_equal(save(&f, 0, 1, true, &manifest.replicas[1]), FLOW_OK);
    manifest.epoch = 1;
    assert_int_equal(flow_state_commit(&f.state, &manifest, NULL), FLOW_OK);
    assert_int_equal(file_count(&f, "end-0-1"), 1);
    /* A session from 1 on: what it keeps refers to the old one, and then no more. */
    assert_int_equal(save(&f, 1, 1, true, &manifest.replicas[1]), FLOW_OK);
    manifest.session = 1;
    manifest.epoch = 2;
    assert_int_equal(flow_state_commit(&f.state, &manifest, NULL), FLOW_OK);
    assert_int_equal(file_count(&f, "end-"), 2);
    manifest.epoch = 3;
    assert_int_equal(flow_state_commit(&f.state, &manifest, NULL), FLOW_OK);
    assert_int_equal(file_count(&f, "end-0"), 0);
    assert_int_equal(file_count(&f, "end-1"), 1);
    flow_manifest_clear(&manifest);
    teardown(&f);
}

TEST(stages_that_have_changed_places_are_refused)
{
    struct flow_manifest_stage then_stages[] = {{(char *)"a", 1, 1}, {(char *)"b", 1, 2}};
    struct flow_manifest_stage now_stages[] = {{(char *)"b", 1, 2}, {(char *)"a", 1, 1}};
    struct flow_manifest then = {.graph = (char *)"test", .stage_count = 2, .replica_count = 2};
    struct flow_manifest now = then;
    struct flow_error err = {0};
    then.stages = then_stages;
    now.stages = then_stages;
    assert_int_equal(flow_manifest_match(&then, &now, &err), FLOW_OK);
    now.stages = now_stages;
    assert_int_equal(flow_manifest_match(&then, &now, &err), FLOW_EINVAL);
    assert_string_equal(err.text, "the stages of the graph stood in another order: 'a' was where "
                                  "'b' is now; put them back");
}

TEST(another_graph_is_refused_with_what_differs)
{
    static const struct {
        const char *graph, *stage;
        uint64_t workers, digest;
        size_t replicas;
        const char *says;
    } cases[] = {
        {"other", "work", 3, 42, 3, "it is of a run of the graph 'test', and this is 'other'"},
        {"test", "slow", 3, 42, 3, "the graph no longer has a stage 'work'"},
        {"test", "work", 4, 42, 3, "had 3 workers at the checkpoint, and has 4 now"},
        {"test", "work", 3, 41, 3, "stage 'work' is not what it was at the checkpoint"},
        {"test", "work", 3, 42, 5, "had 3 replicas at the checkpoint, and has 5 now"},
    };
    struct flow_manifest then;
    make_head(&then);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_error err = {0};
        char *graph = flow_strdup(cases[i].graph);
        struct flow_manifest_stage stage = {flow_strdup(cases[i].stage), cases[i].workers,
                                            cases[i].digest};
        const struct flow_manifest now = {
            .graph = graph, .stages = &stage, .stage_count = 1, .replica_count = cases[i].replicas};
        assert_int_equal(flow_manifest_match(&then, &now, &err), FLOW_EINVAL);
        if (strstr(err.text, cases[i].says) == NULL)
            fail_msg("%zu: %s", i, err.text);
        free(graph);
        free(stage.name);
    }
    flow_manifest_clear(&then);
}

TEST(a_manifest_is_read_as_it_was_written_and_no_byte_may_be_another)
{
    struct flow_manifest manifest;
    struct flow_manifest read = {0};
    struct flow_str text = {0};
    make_head(&manifest);
    manifest.replicas = flow_calloc(REPLICAS, sizeof(*manifest.replicas));
    manifest.epoch = 7;
    manifest.session = 3;
    manifest.replicas[2] = (struct flow_manifest_replica){true, {.size = 2, .bytes = {0xab, 1}}};
    (void)snprintf(manifest.replicas[1].blob.file, FLOW_BLOB_NAME, "state-7-1");
    flow_manifest_write(&manifest, &text);
    assert_int_equal(flow_manifest_read(text.text, text.size, &read, NULL), FLOW_OK);
    assert_int_equal(read.epoch, 7);
    assert_int_equal(read.session, 3);
    assert_string_equal(read.replicas[1].blob.file, "state-7-1");
    assert_true(read.replicas[2].finished);
    assert_int_equal(read.replicas[2].blob.bytes[0], 0xab);
    flow_manifest_clear(&read);
    for (size_t i = 0; i < text.size; i++) {
        text.text[i] ^= 2;
        assert_int_equal(flow_manifest_read(text.text, text.size, &read, NULL), FLOW_EPROTO);
        text.text[i] ^= 2;
        assert_int_equal(flow_manifest_read(text.text, i, &read, NULL), FLOW_EPROTO);
    }
    flow_str_clear(&text);
    flow_manifest_clear(&manifest);
}

TEST(names_that_lead_out_of_the_folder_are_refused)
{
    static const char *const names[] = {"../x", "/x", "", ".", "a/b"};
    for (size_t i = 0; i < COUNT(names); i++) {
        struct flow_manifest_replica read;
        json_t *json = json_pack("{s:b, s:i, s:s, s:s}", "finished", 0, "size", 1, "checksum",
                                 "0000000000000000", "file", names[i]);
        assert_false(flow_blob_from_json(json, &read));
        json_decref(json);
    }
}

TEST(no_allocation_that_fails_does_more_than_say_so)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(commit(&f, 1), FLOW_OK);
    assert_int_equal(commit(&f, 2), FLOW_OK);
    for (int n = 0; n < 40; n++) {
        struct flow_manifest manifest = {0};
        struct flow_str said = {0};
        flow_mem_fail_at(n);
        const enum flow_status rc = flow_state_load(&f.state, &manifest, &said, NULL);
        flow_mem_fail_at(-1);
        assert_true(rc == FLOW_OK || rc == FLOW_ENOMEM);
        /* A checkpoint for which there is no memory is not a damaged one. */
        assert_int_equal(said.size, 0);
        if (rc == FLOW_OK)
            assert_int_equal(manifest.epoch, 2);
        flow_manifest_clear(&manifest);
        flow_str_clear(&said);
    }
    assert_int_equal(load(&f), 2);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_committed_is_loaded_and_two_generations_stay),
        cmocka_unit_test(an_error_at_any_call_leaves_the_old_checkpoint_or_the_new_one),
        cmocka_unit_test(a_death_at_any_call_leaves_the_old_checkpoint_or_the_new_one),
        cmocka_unit_test(the_first_commit_of_all_leaves_none_or_itself_wherever_it_dies),
        cmocka_unit_test(a_checkpoint_that_is_marked_as_done_is_there_wherever_that_dies),
        cmocka_unit_test(a_reset_that_dies_anywhere_leaves_the_newest_checkpoint_or_none),
        cmocka_unit_test(a_damaged_manifest_or_state_falls_back_by_one_and_says_so),
        cmocka_unit_test(with_all_checkpoints_damaged_the_folder_is_refused),
        cmocka_unit_test(a_second_run_is_refused_with_the_pid_of_the_first),
        cmocka_unit_test(whoever_goes_on_waits_for_the_processes_of_the_last_run_to_be_gone),
        cmocka_unit_test(a_lock_whose_holder_is_dead_is_waited_for),
        cmocka_unit_test(a_folder_that_cannot_be_made_or_used_is_named),
        cmocka_unit_test(the_name_of_the_folder_is_made_to_last_or_the_run_does_not_begin),
        cmocka_unit_test(states_of_finished_replicas_stay_as_long_as_their_session),
        cmocka_unit_test(stages_that_have_changed_places_are_refused),
        cmocka_unit_test(another_graph_is_refused_with_what_differs),
        cmocka_unit_test(a_manifest_is_read_as_it_was_written_and_no_byte_may_be_another),
        cmocka_unit_test(names_that_lead_out_of_the_folder_are_refused),
        cmocka_unit_test(no_allocation_that_fails_does_more_than_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
