/* SPDX-License-Identifier: MIT */
#include "control/rounds.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/check.h"

/* The coordinator's account of checkpoints, told what replicas have done, in any order. */

#define REPLICAS 3
#define INTERVAL 1000

struct fixture {
    char path[64];
    struct flow_state state;
    struct flow_manifest head;
    struct flow_rounds *rounds;
};

static void begin(struct fixture *f, uint64_t session)
{
    const struct flow_rounds_options options = {
        .state = &f->state, .head = &f->head, .session = session, .interval_ns = INTERVAL};
    assert_int_equal(flow_rounds_new(&options, &f->rounds, NULL), FLOW_OK);
    assert_int_equal(flow_rounds_due_ns(f->rounds), INT64_MAX);
    flow_rounds_start(f->rounds, 5);
    assert_int_equal(flow_rounds_due_ns(f->rounds), 5 + INTERVAL);
}

static void setup(struct fixture *f)
{
    (void)snprintf(f->path, sizeof(f->path), "/tmp/flowrun-rounds-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    assert_int_equal(flow_state_open(f->path, &flow_disk_real, &f->state, NULL), FLOW_OK);
    f->head = (struct flow_manifest){.graph = flow_strdup("test"), .replica_count = REPLICAS};
    f->head.stages = flow_calloc(1, sizeof(*f->head.stages));
    begin(f, 0);
}

static void teardown(struct fixture *f)
{
    flow_rounds_free(f->rounds);
    flow_manifest_clear(&f->head);
    flow_state_close(&f->state);
    DIR *folder = opendir(f->path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        (void)unlinkat(dirfd(folder), entry->d_name, 0);
    (void)closedir(folder);
    assert_int_equal(rmdir(f->path), 0);
}

/* Replica `i` has saved one byte, `mark`. */
static enum flow_status tell(struct fixture *f, size_t i, uint64_t epoch, bool finished,
                             uint8_t mark, struct flow_round *round)
{
    struct flow_manifest_replica saved = {.finished = finished, .blob = {.size = 1}};
    saved.blob.bytes[0] = mark;
    saved.blob.checksum = flow_checksum_add(FLOW_CHECKSUM_START, &mark, 1);
    char *text = flow_rounds_write(i, epoch, &saved);
    assert_non_null(text);
    const enum flow_status rc = flow_rounds_hear(f->rounds, text, 100, round, NULL);
    free(text);
    return rc;
}

static void tell_quietly(struct fixture *f, size_t i, uint64_t epoch, bool finished, uint8_t mark)
{
    struct flow_round round;
    assert_int_equal(tell(f, i, epoch, finished, mark, &round), FLOW_OK);
    assert_int_equal(round.committed, 0);
}

/* The newest manifest: its replicas' marks, those that had finished as capitals. */
static void assert_manifest(struct fixture *f, uint64_t epoch, const char *marks)
{
    struct flow_manifest read;
    assert_int_equal(flow_state_read(f->state.fd, epoch, &read, NULL), FLOW_OK);
    for (size_t i = 0; i < REPLICAS; i++) {
        assert_int_equal(read.replicas[i].blob.bytes[0], marks[i]);
        assert_int_equal(read.replicas[i].finished, marks[i] < 'a');
    }
    flow_manifest_clear(&read);
}

TEST(a_checkpoint_is_committed_when_the_last_replica_has_saved)
{
    struct fixture f;
    struct flow_round round;
    setup(&f);
    assert_int_equal(flow_rounds_begin(f.rounds), 1);
    assert_int_equal(flow_rounds_due_ns(f.rounds), INT64_MAX);
    tell_quietly(&f, 2, 1, false, 'c');
    tell_quietly(&f, 0, 1, false, 'a');
    assert_int_equal(flow_rounds_last(f.rounds), 0);
    assert_int_equal(tell(&f, 1, 1, false, 'b', &round), FLOW_OK);
    assert_int_equal(round.committed, 1);
    assert_false(round.last);
    assert_false(round.stop);
    assert_int_equal(flow_rounds_last(f.rounds), 1);
    assert_int_equal(flow_rounds_due_ns(f.rounds), 100 + INTERVAL);
    assert_manifest(&f, 1, "abc");
    teardown(&f);
}

TEST(one_that_has_finished_counts_for_all_rounds_but_stands_as_it_was_in_its_own)
{
    struct fixture f;
    struct flow_round round;
    setup(&f);
    tell_quietly(&f, 0, 0, true, 'A');
    assert_int_equal(flow_rounds_begin(f.rounds), 1);
    tell_quietly(&f, 1, 1, false, 'b');
    tell_quietly(&f, 1, 1, true, 'B');
    assert_int_equal(tell(&f, 2, 1, false, 'c', &round), FLOW_OK);
    assert_int_equal(round.committed, 1);
    assert_manifest(&f, 1, "Abc");
    assert_int_equal(flow_rounds_begin(f.rounds), 2);
    assert_int_equal(tell(&f, 2, 2, false, 'd', &round), FLOW_OK);
    assert_int_equal(round.committed, 2);
    assert_manifest(&f, 2, "ABd");
    teardown(&f);
}

TEST(when_all_have_finished_there_is_a_last_one_whatever_was_under_way)
{
    for (int under_way = 0; under_way < 2; under_way++) {
        struct fixture f;
        struct flow_round round;
        setup(&f);
        if (under_way != 0) {
            assert_int_equal(flow_rounds_begin(f.rounds), 1);
            tell_quietly(&f, 0, 1, false, 'a');
        }
        tell_quietly(&f, 0, 0, true, 'A');
        tell_quietly(&f, 1, 0, true, 'B');
        assert_int_equal(tell(&f, 2, 0, true, 'C', &round), FLOW_OK);
        assert_int_equal(round.committed, 1 + under_way);
        assert_true(round.last);
        assert_int_equal(flow_rounds_due_ns(f.rounds), INT64_MAX);
        assert_manifest(&f, round.committed, "ABC");
        assert_int_equal(flow_rounds_close(f.rounds, NULL), FLOW_OK);
        struct flow_manifest read;
        assert_int_equal(flow_state_read(f.state.fd, round.committed, &read, NULL), FLOW_OK);
        assert_true(read.done);
        flow_manifest_clear(&read);
        teardown(&f);
    }
}

TEST(a_stop_makes_one_more_behind_the_one_under_way)
{
    struct fixture f;
    struct flow_round round;
    setup(&f);
    assert_int_equal(flow_rounds_begin(f.rounds), 1);
    flow_rounds_stop(f.rounds, 50);
    assert_int_equal(flow_rounds_due_ns(f.rounds), INT64_MAX);
    tell_quietly(&f, 0, 1, false, 'a');
    tell_quietly(&f, 1, 1, false, 'b');
    assert_int_equal(tell(&f, 2, 1, false, 'c', &round), FLOW_OK);
    assert_false(round.stop);
    assert_int_equal(flow_rounds_due_ns(f.rounds), 100);
    assert_int_equal(flow_rounds_begin(f.rounds), 2);
    tell_quietly(&f, 0, 2, false, 'd');
    tell_quietly(&f, 1, 2, false, 'e');
    assert_int_equal(tell(&f, 2, 2, false, 'f', &round), FLOW_OK);
    assert_true(round.stop);
    assert_int_equal(round.committed, 2);
    assert_int_equal(flow_rounds_due_ns(f.rounds), INT64_MAX);
    teardown(&f);
}

TEST(a_stop_while_none_is_under_way_makes_one_at_once)
{
    struct fixture f;
    setup(&f);
    flow_rounds_stop(f.rounds, 50);
    assert_int_equal(flow_rounds_due_ns(f.rounds), 50);
    teardown(&f);
}

TEST(what_was_not_asked_for_is_refused)
{
    static const char *const texts[] = {
        "",
        "{}",
        "nonsense",
        "{\"replica\":3,\"epoch\":1,\"finished\":false,\"size\":0,\"checksum\":"
        "\"cbf29ce484222325\",\"data\":\"\"}",
        "{\"replica\":-1,\"epoch\":1,\"finished\":false,\"size\":0,\"checksum\":"
        "\"cbf29ce484222325\",\"data\":\"\"}",
        "{\"replica\":0,\"epoch\":1,\"finished\":false,\"size\":1,\"checksum\":"
        "\"cbf29ce484222325\",\"data\":\"\"}",
    };
    struct fixture f;
    struct flow_round round;
    setup(&f);
    assert_int_equal(tell(&f, 0, 1, false, 'a', &round), FLOW_EPROTO); /* none is under way */
    assert_int_equal(flow_rounds_begin(f.rounds), 1);
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_int_equal(flow_rounds_hear(f.rounds, texts[i], 1, &round, NULL), FLOW_EPROTO);
    assert_int_equal(tell(&f, 0, 2, false, 'a', &round), FLOW_EPROTO);
    tell_quietly(&f, 0, 1, false, 'a');
    assert_int_equal(tell(&f, 0, 1, false, 'a', &round), FLOW_EPROTO);
    tell_quietly(&f, 0, 1, true, 'A');
    assert_int_equal(tell(&f, 0, 1, true, 'A', &round), FLOW_EPROTO);
    teardown(&f);
}

TEST(epochs_go_on_from_the_one_that_the_run_goes_on_from)
{
    struct fixture f;
    setup(&f);
    flow_rounds_free(f.rounds);
    begin(&f, 17);
    assert_int_equal(flow_rounds_last(f.rounds), 17);
    assert_int_equal(flow_rounds_begin(f.rounds), 18);
    teardown(&f);
}

/* Replicas 0 to 2 of one stage; `recovers` as the plan says. */
TEST(a_process_that_took_anothers_place_may_save_again_what_that_one_had_saved)
{
    struct fixture f;
    struct flow_round round;
    struct flow_plan_stage stage = {.recovers = true};
    struct flow_plan_replica replicas[REPLICAS] = {{0}};
    const struct flow_plan plan = {.stages = &stage, .replicas = replicas};
    setup(&f);
    flow_rounds_free(f.rounds);
    const struct flow_rounds_options options = {
        .state = &f.state, .head = &f.head, .plan = &plan, .interval_ns = INTERVAL};
    assert_int_equal(flow_rounds_new(&options, &f.rounds, NULL), FLOW_OK);
    assert_int_equal(flow_rounds_begin(f.rounds), 1);
    tell_quietly(&f, 0, 1, false, 'a');
    tell_quietly(&f, 0, 1, false, 'x'); /* the first one stands */
    tell_quietly(&f, 1, 1, true, 'B');
    tell_quietly(&f, 1, 1, true, 'x');
    assert_int_equal(tell(&f, 2, 1, false, 'c', &round), FLOW_OK);
    assert_int_equal(round.committed, 1);
    assert_manifest(&f, 1, "aBc");
    tell_quietly(&f, 2, 1, false, 'x'); /* late */
    stage.recovers = false;
    assert_int_equal(tell(&f, 2, 1, false, 'x', &round), FLOW_EPROTO);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_is_committed_when_the_last_replica_has_saved),
        cmocka_unit_test(
            one_that_has_finished_counts_for_all_rounds_but_stands_as_it_was_in_its_own),
        cmocka_unit_test(when_all_have_finished_there_is_a_last_one_whatever_was_under_way),
        cmocka_unit_test(a_stop_makes_one_more_behind_the_one_under_way),
        cmocka_unit_test(a_stop_while_none_is_under_way_makes_one_at_once),
        cmocka_unit_test(what_was_not_asked_for_is_refused),
        cmocka_unit_test(epochs_go_on_from_the_one_that_the_run_goes_on_from),
        cmocka_unit_test(a_process_that_took_anothers_place_may_save_again_what_that_one_had_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
