/* SPDX-License-Identifier: MIT */
#include "watch/board.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/check.h"

static const struct flow_board_size size = {.replicas = 3, .links = 5, .groups = 2, .words = 7};

/* Give every counter of the board a value of its own, and see that all keep theirs. */
static void fill_and_compare(struct flow_board *board)
{
    uint64_t value = 1;
    for (size_t i = 0; i < board->replica_count; i++) {
        flow_set(&board->replicas[i].state, value++);
        flow_set(&board->replicas[i].since_ns, value++);
    }
    for (size_t i = 0; i < board->link_count; i++) {
        flow_set(&board->links[i].sent, value++);
        flow_set(&board->links[i].received_batches, value++);
    }
    for (size_t i = 0; i < board->group_count; i++) {
        flow_set(&board->groups[i].peak_bytes, value++);
        flow_set(&board->groups[i].pid, value++);
    }

    value = 1;
    for (size_t i = 0; i < board->replica_count; i++) {
        assert_int_equal(flow_read(&board->replicas[i].state), value++);
        assert_int_equal(flow_read(&board->replicas[i].since_ns), value++);
    }
    for (size_t i = 0; i < board->link_count; i++) {
        assert_int_equal(flow_read(&board->links[i].sent), value++);
        assert_int_equal(flow_read(&board->links[i].received_batches), value++);
    }
    for (size_t i = 0; i < board->group_count; i++) {
        assert_int_equal(flow_read(&board->groups[i].peak_bytes), value++);
        assert_int_equal(flow_read(&board->groups[i].pid), value++);
    }
}

static void assert_zeroed(const struct flow_board *board)
{
    static const struct flow_board_replica no_replica;
    static const struct flow_board_link no_link;
    static const struct flow_board_group no_group;
    for (size_t i = 0; i < board->replica_count; i++)
        assert_memory_equal(&board->replicas[i], &no_replica, sizeof(no_replica));
    for (size_t i = 0; i < board->link_count; i++)
        assert_memory_equal(&board->links[i], &no_link, sizeof(no_link));
    for (size_t i = 0; i < board->group_count; i++)
        assert_memory_equal(&board->groups[i], &no_group, sizeof(no_group));
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0 || errno != EBADF;
}

TEST(a_board_is_zeroed_and_its_slots_do_not_overlap)
{
    for (int shared = 0; shared < 2; shared++) {
        struct flow_board board;
        assert_int_equal(flow_board_new(&size, shared == 1, &board, NULL), FLOW_OK);
        assert_int_equal(board.fd >= 0, shared);
        assert_int_equal(board.replica_count, 3);
        assert_int_equal(board.link_count, 5);
        assert_int_equal(board.group_count, 2);
        assert_zeroed(&board);
        fill_and_compare(&board);
        assert_int_equal((uintptr_t)board.replicas % 64, 0);
        assert_int_equal((uintptr_t)board.links % 64, 0);
        assert_int_equal((uintptr_t)board.groups % 64, 0);
        assert_true((uint8_t *)(board.groups + 2) <= (uint8_t *)board.map + board.map_size);
        flow_board_close(&board);
    }
}

TEST(writers_of_two_slots_share_no_cache_line)
{
    assert_int_equal(sizeof(struct flow_board_replica) % 64, 0);
    assert_int_equal(sizeof(struct flow_board_link) % 64, 0);
    assert_int_equal(sizeof(struct flow_board_group) % 64, 0);
    assert_true(offsetof(struct flow_board_link, received) / 64 >
                offsetof(struct flow_board_link, dropped) / 64);
}

TEST(a_counter_adds_up)
{
    flow_counter counter = 0;
    flow_count(&counter, 3);
    flow_count(&counter, 4);
    assert_int_equal(flow_read(&counter), 7);
}

TEST(another_process_sees_what_is_written_and_its_counts_outlive_it)
{
    struct flow_board board;
    assert_int_equal(flow_board_new(&size, true, &board, NULL), FLOW_OK);
    flow_set(&board.replicas[2].records_in, 41);

    const pid_t child = fork();
    if (child == 0) {
        struct flow_board mine;
        if (flow_board_open(board.fd, &size, &mine, NULL) != FLOW_OK)
            _exit(1);
        if (mine.map == board.map || flow_read(&mine.replicas[2].records_in) != 41)
            _exit(2);
        flow_count(&mine.replicas[2].records_in, 1);
        flow_set(&mine.links[4].received, 7);
        flow_set(&mine.groups[1].pid, (uint64_t)getpid());
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(flow_read(&board.replicas[2].records_in), 42);
    assert_int_equal(flow_read(&board.links[4].received), 7);
    assert_int_equal(flow_read(&board.groups[1].pid), child);
    flow_board_close(&board);
}

TEST(the_descriptor_is_inherited_and_closed_with_the_board)
{
    struct flow_board board;
    assert_int_equal(flow_board_new(&size, true, &board, NULL), FLOW_OK);
    const int fd = board.fd;
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    flow_board_close(&board);
    assert_false(is_open(fd));
    assert_null(board.map);
    flow_board_close(&board);
    flow_board_close(&(struct flow_board){0});
    assert_true(is_open(0));
}

TEST(a_board_of_another_size_is_refused)
{
    struct flow_board board;
    assert_int_equal(flow_board_new(&size, true, &board, NULL), FLOW_OK);
    static const struct flow_board_size others[] = {
        {4, 5, 2, 7},
        {3, 4, 2, 7},
        {3, 5, 1, 7},
        {3, 5, 2, 6},
        {0, 0, 0, 0},
        {SIZE_MAX, 5, 2, 7},
        {3, SIZE_MAX / 128, 2, 7},
        {3, 5, 2, SIZE_MAX / 8},
    };
    for (size_t i = 0; i < COUNT(others); i++) {
        struct flow_board other = {.fd = -2};
        struct flow_error err = {0};
        assert_int_equal(flow_board_open(board.fd, &others[i], &other, &err), FLOW_EPROTO);
        assert_non_null(strstr(err.text, i < 5 ? " bytes, not " : "no board can have that size"));
        assert_int_equal(other.fd, -2);
        assert_true(is_open(board.fd));
    }

    flow_board_close(&board);
}

TEST(a_board_of_the_same_size_that_is_laid_out_otherwise_is_refused)
{
    const size_t replica = sizeof(struct flow_board_replica) / 64;
    const size_t group = sizeof(struct flow_board_group) / 64;
    const struct flow_board_size made = {3 + group, 5, 2, 0};
    const struct flow_board_size same_bytes = {3, 5, 2 + replica, 0};
    struct flow_board board;
    struct flow_board other;
    struct flow_error err = {0};
    assert_int_equal(flow_board_new(&made, true, &board, NULL), FLOW_OK);
    assert_int_equal(flow_board_open(board.fd, &same_bytes, &other, &err), FLOW_EPROTO);
    assert_non_null(strstr(err.text, "is no board of this run: another header"));
    flow_board_close(&board);
}

TEST(a_descriptor_that_is_no_board_is_refused)
{
    struct flow_board board;
    assert_int_equal(flow_board_new(&size, false, &board, NULL), FLOW_OK);
    const size_t bytes = board.map_size;
    flow_board_close(&board);

    struct flow_error err = {0};
    const int blank = memfd_create("blank", MFD_CLOEXEC);
    assert_int_equal(ftruncate(blank, (off_t)bytes), 0);
    assert_int_equal(flow_board_open(blank, &size, &board, &err), FLOW_EPROTO);
    assert_non_null(strstr(err.text, "another header"));
    assert_int_equal(ftruncate(blank, (off_t)bytes - 1), 0);
    err = (struct flow_error){0};
    assert_int_equal(flow_board_open(blank, &size, &board, &err), FLOW_EPROTO);
    assert_non_null(strstr(err.text, "is no board of this run: "));
    (void)close(blank);

    err = (struct flow_error){0};
    assert_int_equal(flow_board_open(blank, &size, &board, &err), FLOW_EIO);
    assert_string_equal(err.text, "cannot open the board: Bad file descriptor");

    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(flow_board_open(ends[0], &size, &board, NULL), FLOW_EPROTO);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

TEST(a_board_cannot_be_cut_under_its_readers)
{
    struct flow_board board;
    assert_int_equal(flow_board_new(&size, true, &board, NULL), FLOW_OK);
    assert_int_equal(ftruncate(board.fd, 0), -1);
    assert_int_equal(errno, EPERM);
    flow_board_close(&board);
}

TEST(a_board_that_no_memory_could_hold_is_refused)
{
    static const struct flow_board_size huge[] = {{SIZE_MAX, 0, 0, 0},
                                                  {0, SIZE_MAX / 2, 0, 0},
                                                  {0, 0, SIZE_MAX / 64, 0},
                                                  {0, 0, 0, SIZE_MAX / 8}};
    for (size_t i = 0; i < COUNT(huge); i++) {
        struct flow_board board = {.fd = -2};
        struct flow_error err = {0};
        assert_int_equal(flow_board_new(&huge[i], true, &board, &err), FLOW_ENOMEM);
        assert_string_equal(err.text, "no memory could hold a board of that size");
        assert_int_equal(board.fd, -2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_board_is_zeroed_and_its_slots_do_not_overlap),
        cmocka_unit_test(writers_of_two_slots_share_no_cache_line),
        cmocka_unit_test(a_counter_adds_up),
        cmocka_unit_test(another_process_sees_what_is_written_and_its_counts_outlive_it),
        cmocka_unit_test(the_descriptor_is_inherited_and_closed_with_the_board),
        cmocka_unit_test(a_board_of_another_size_is_refused),
        cmocka_unit_test(a_board_of_the_same_size_that_is_laid_out_otherwise_is_refused),
        cmocka_unit_test(a_descriptor_that_is_no_board_is_refused),
        cmocka_unit_test(a_board_cannot_be_cut_under_its_readers),
        cmocka_unit_test(a_board_that_no_memory_could_hold_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
