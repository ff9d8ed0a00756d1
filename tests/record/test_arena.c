/* SPDX-License-Identifier: MIT */
#include "record/arena.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "record/lender.h"
#include "support/check.h"

#define KIB ((size_t)1024)
#define PAGE (4 * KIB)
#define ARENA (1024 * KIB)

/* Two arenas of ARENA bytes behind the slots of three links. */
static struct flow_memory make_memory(void)
{
    const struct flow_memory_size size = {.links = 3, .arena_bytes = 2 * ARENA};
    struct flow_memory memory;
    assert_int_equal(flow_memory_new(&size, &memory, NULL), FLOW_OK);
    return memory;
}

static struct flow_pool *make_pool(const struct flow_memory *memory, uint64_t at)
{
    struct flow_pool *pool = flow_pool_new();
    struct flow_arena *arena = flow_arena_new(memory, at, ARENA, NULL);
    assert_non_null(arena);
    flow_pool_use_arena(pool, arena);
    return pool;
}

static bool lies_in(const struct flow_memory *memory, const struct flow_block *block)
{
    return block->frame >= memory->map && block->frame < memory->map + memory->size;
}

TEST(what_one_process_writes_another_mapping_reads)
{
    struct flow_memory memory = make_memory();
    const struct flow_memory_size size = {.links = 3, .arena_bytes = 2 * ARENA};
    struct flow_memory other;
    uint8_t *mine;

    assert_int_equal(flow_memory_open(dup(memory.fd), &size, &other, NULL), FLOW_OK);
    assert_int_equal(flow_memory_own(&memory, ARENA, ARENA, &mine, NULL), FLOW_OK);
    mine[100] = 7;
    atomic_store(&flow_memory_slots(&other, 2)[63], 9);

    assert_int_equal(other.map[other.arenas_at + ARENA + 100], 7);
    assert_int_equal(atomic_load(&flow_memory_slots(&memory, 2)[63]), 9);
    flow_memory_close(&other);
    flow_memory_close(&memory);
}

/* Runs `act` in a child and returns the signal that ended it. */
static int signal_of(void (*act)(const struct flow_memory *memory),
                     const struct flow_memory *memory)
{
    const pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer would report it and exit */
        act(memory);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void write_other_arena(const struct flow_memory *memory)
{
    *(volatile uint8_t *)(memory->map + memory->arenas_at + ARENA) = 1;
}

static void write_own_arena(const struct flow_memory *memory)
{
    *(volatile uint8_t *)(memory->map + memory->arenas_at) = 1;
}

TEST(an_arena_that_is_not_ones_own_cannot_be_written)
{
    struct flow_memory memory = make_memory();
    uint8_t *mine;
    assert_int_equal(flow_memory_own(&memory, 0, ARENA, &mine, NULL), FLOW_OK);

    assert_int_equal(signal_of(write_own_arena, &memory), 0);
    assert_int_equal(signal_of(write_other_arena, &memory), SIGSEGV);
    flow_memory_close(&memory);
}

TEST(nobody_can_change_the_size)
{
    struct flow_memory memory = make_memory();
    assert_int_equal(ftruncate(memory.fd, 4096), -1);
    assert_int_equal(ftruncate(memory.fd, (off_t)memory.size * 2), -1);
    flow_memory_close(&memory);
}

TEST(another_descriptor_or_size_is_refused)
{
    struct flow_memory memory = make_memory();
    const struct flow_memory_size larger = {.links = 3, .arena_bytes = 4 * ARENA};
    struct flow_memory other;
    struct flow_error err = {0};

    assert_int_equal(flow_memory_open(memory.fd, &larger, &other, &err), FLOW_EPROTO);
    assert_non_null(strstr(err.text, "is not the shared memory of this run"));
    const int plain = memfd_create("test", 0);
    assert_int_equal(ftruncate(plain, (off_t)memory.size), 0);
    const struct flow_memory_size same = {.links = 3, .arena_bytes = 2 * ARENA};
    assert_int_equal(flow_memory_open(plain, &same, &other, NULL), FLOW_EPROTO); /* no seals */
    (void)close(plain);

    uint8_t *part;
    assert_int_equal(flow_memory_own(&memory, ARENA, 2 * ARENA, &part, NULL), FLOW_EPROTO);
    assert_int_equal(flow_memory_own(&memory, UINT64_MAX - 65535, 65536, &part, NULL), FLOW_EPROTO);
    flow_memory_close(&memory);
}

TEST(a_limit_on_file_sizes_is_an_error_and_no_signal)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit tight = {.rlim_cur = 4096, .rlim_max = before.rlim_max};
    const struct flow_memory_size size = {.links = 1, .arena_bytes = ARENA};
    struct flow_memory memory;

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    const enum flow_status rc = flow_memory_new(&size, &memory, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, FLOW_EIO);
}

TEST(pieces_that_come_back_join_again_in_any_order)
{
    static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {0, 2, 1, 3}, {1, 3, 0, 2}};
    struct flow_memory memory = make_memory();
    struct flow_arena *arena = flow_arena_new(&memory, 0, ARENA, NULL);

    for (size_t i = 0; i < COUNT(orders); i++) {
        uint8_t *pieces[4];
        for (size_t k = 0; k < 4; k++) {
            pieces[k] = flow_arena_take(arena, ARENA / 4);
            assert_non_null(pieces[k]);
        }
        assert_null(flow_arena_take(arena, PAGE));
        for (size_t k = 0; k < 4; k++)
            flow_arena_give(arena, pieces[orders[i][k]], ARENA / 4, k % 2 == 0);
        uint8_t *whole = flow_arena_take(arena, ARENA);
        assert_ptr_equal(whole, memory.map + memory.arenas_at);
        flow_arena_give(arena, whole, ARENA, false);
    }
    flow_arena_free(arena);
    flow_memory_close(&memory);
}

/* A model of the same arena, page by page, must agree that nothing is given out twice. */
TEST(random_takes_and_gives_never_overlap)
{
    struct flow_memory memory = make_memory();
    struct flow_arena *arena = flow_arena_new(&memory, 0, ARENA, NULL);
    struct {
        uint8_t *at;
        size_t size;
    } held[64] = {{0}};
    uint8_t pages[ARENA / PAGE] = {0};
    unsigned seed = 1;

    for (int step = 0; step < 20000; step++) {
        seed = seed * 1103515245u + 12345u;
        const size_t i = (seed >> 8) % COUNT(held);
        const size_t first = (size_t)(held[i].at - (memory.map + memory.arenas_at)) / PAGE;
        if (held[i].at != NULL) {
            memset(pages + first, 0, held[i].size / PAGE);
            flow_arena_give(arena, held[i].at, held[i].size, false);
            held[i].at = NULL;
            continue;
        }
        held[i].size = PAGE * (1 + (seed >> 16) % 12);
        held[i].at = flow_arena_take(arena, held[i].size);
        if (held[i].at == NULL)
            continue;
        const size_t at = (size_t)(held[i].at - (memory.map + memory.arenas_at)) / PAGE;
        for (size_t k = 0; k < held[i].size / PAGE; k++)
            assert_int_equal(pages[at + k]++, 0);
    }
    flow_arena_free(arena);
    flow_memory_close(&memory);
}

TEST(only_large_blocks_come_from_the_arena)
{
    struct flow_memory memory = make_memory();
    struct flow_pool *pool = make_pool(&memory, 0);
    struct flow_block *small = flow_pool_take(pool, FLOW_SHARE_MIN - 1);
    struct flow_block *large = flow_pool_take(pool, FLOW_SHARE_MIN);
    struct flow_block *own = flow_pool_take_private(pool, 2 * FLOW_SHARE_MIN);

    assert_false(small->shared || lies_in(&memory, small));
    assert_true(large->shared && lies_in(&memory, large));
    assert_false(own->shared || lies_in(&memory, own));
    assert_true(large->writable);
    memset((uint8_t *)large->frame, 1, FLOW_FRAME_HEADER + large->capacity);

    flow_block_unref(small);
    flow_block_unref(large);
    flow_block_unref(own);
    flow_pool_free(pool);
    flow_memory_close(&memory);
}

TEST(a_full_arena_is_replaced_by_private_memory_and_used_again_later)
{
    struct flow_memory memory = make_memory();
    struct flow_pool *pool = make_pool(&memory, 0);
    struct flow_block *blocks[8];

    for (size_t i = 0; i < COUNT(blocks); i++)
        blocks[i] = flow_pool_take(pool, 256 * KIB);
    for (size_t i = 0; i < COUNT(blocks); i++)
        assert_int_equal(blocks[i]->shared, i < 3); /* 3 * (256 + 4) KiB fit into 1 MiB */
    for (size_t i = 0; i < COUNT(blocks); i++)
        flow_block_unref(blocks[i]);

    /* What lies free in blocks of another size is put together for a larger one. */
    struct flow_block *larger = flow_pool_take(pool, 512 * KIB);
    assert_true(larger->shared);
    flow_block_unref(larger);
    flow_pool_free(pool);
    flow_memory_close(&memory);
}

static void *unref(void *block)
{
    flow_block_unref(block);
    return NULL;
}

TEST(a_block_that_another_thread_lets_go_of_is_taken_again)
{
    struct flow_memory memory = make_memory();
    struct flow_pool *pool = make_pool(&memory, ARENA);
    uint8_t *frame = NULL;

    for (int i = 0; i < 100; i++) {
        struct flow_block *block = flow_pool_take(pool, 256 * KIB);
        assert_true(frame == NULL || block->frame == frame);
        frame = block->frame;
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, unref, block), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    flow_pool_free(pool);
    flow_memory_close(&memory);
}

TEST(a_lent_block_is_not_taken_again_before_every_reader_has_returned_it)
{
    struct flow_memory memory = make_memory();
    struct flow_pool *pool = make_pool(&memory, 0);
    struct flow_lender lenders[2];
    uint32_t slots[2], tags[2];
    struct flow_block *block = flow_pool_take(pool, 256 * KIB);
    uint8_t *const frame = block->frame;
    for (uint32_t i = 0; i < 2; i++) { /* a broadcast: one copy, two readers */
        flow_lender_init(&lenders[i], flow_memory_slots(&memory, i));
        flow_pool_add_lender(pool, &lenders[i]);
        assert_true(flow_lender_lend(&lenders[i], flow_block_ref(block), &slots[i], &tags[i]));
    }
    flow_block_unref(block);

    for (uint32_t i = 0; i < 2; i++) {
        struct flow_block *next = flow_pool_take(pool, 256 * KIB);
        assert_ptr_not_equal(next->frame, frame);
        struct flow_block *after = flow_pool_take(pool, 256 * KIB);
        assert_ptr_not_equal(after->frame, frame);
        flow_block_unref(next);
        flow_block_unref(after);
        atomic_store(&flow_memory_slots(&memory, i)[slots[i]], tags[i]);
    }

    struct flow_block *blocks[3];
    bool again = false;
    for (size_t i = 0; i < 3; i++) {
        blocks[i] = flow_pool_take(pool, 256 * KIB);
        again = again || blocks[i]->frame == frame;
    }
    assert_true(again);
    for (size_t i = 0; i < 3; i++)
        flow_block_unref(blocks[i]);
    for (size_t i = 0; i < 2; i++)
        flow_pool_remove_lender(pool, &lenders[i]);
    flow_pool_free(pool);
    flow_memory_close(&memory);
}

TEST(loans_come_back_in_any_order_and_slots_run_out)
{
    struct flow_memory memory = make_memory();
    struct flow_pool *pool = flow_pool_new();
    struct flow_lender lender;
    uint32_t slots[FLOW_SLOTS], tags[FLOW_SLOTS], slot, tag;
    struct flow_block *block = flow_pool_take(pool, 100);
    atomic_store(&flow_memory_slots(&memory, 1)[5], UINT32_MAX); /* tags wrap around */
    flow_lender_init(&lender, flow_memory_slots(&memory, 1));

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < FLOW_SLOTS; i++)
            assert_true(flow_lender_lend(&lender, flow_block_ref(block), &slots[i], &tags[i]));
        assert_false(flow_lender_lend(&lender, block, &slot, &tag));
        assert_false(flow_lender_poll(&lender));
        assert_int_equal(atomic_load(&block->refs), 1 + FLOW_SLOTS);
        for (size_t i = 0; i < FLOW_SLOTS; i++) {
            const size_t k = i * 37 % FLOW_SLOTS;
            atomic_store(&lender.slots[slots[k]], tags[k]);
            assert_false(flow_lender_poll(&lender)); /* the batch is our own */
            assert_int_equal(atomic_load(&block->refs), FLOW_SLOTS - i);
        }
    }

    /* A reader that writes anything but the tag has returned nothing. */
    assert_true(flow_lender_lend(&lender, flow_block_ref(block), &slot, &tag));
    atomic_store(&lender.slots[slot], tag + 1);
    assert_false(flow_lender_poll(&lender));
    assert_int_equal(atomic_load(&block->refs), 2);

    /* Of what is of another process, the lender says that it is still away. */
    block->lease.data = block->data;
    assert_true(flow_lender_poll(&lender));
    atomic_store(&lender.slots[slot], tag);
    assert_false(flow_lender_poll(&lender));
    block->lease.data = NULL;
    assert_int_equal(atomic_load(&block->refs), 1);

    assert_true(flow_lender_lend(&lender, flow_block_ref(block), &slot, &tag));
    flow_lender_clear(&lender);
    assert_int_equal(atomic_load(&block->refs), 1);
    flow_block_unref(block);
    flow_pool_free(pool);
    flow_memory_close(&memory);
}

TEST(every_failed_allocation_leaves_a_pool_that_works)
{
    struct flow_memory memory = make_memory();
    for (int n = 0; n < 4; n++) {
        flow_mem_fail_at(n);
        struct flow_error err = {0};
        struct flow_pool *pool = flow_pool_new();
        struct flow_arena *arena = pool != NULL ? flow_arena_new(&memory, 0, ARENA, &err) : NULL;
        struct flow_block *block = NULL;
        if (arena != NULL) {
            flow_pool_use_arena(pool, arena);
            block = flow_pool_take(pool, 64 * KIB);
            assert_non_null(block); /* at the worst, in private memory */
        } else if (pool != NULL) {
            assert_int_equal(err.status, FLOW_ENOMEM);
        }
        flow_mem_fail_at(-1);
        flow_block_unref(block);
        flow_pool_free(pool);
    }
    flow_memory_close(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_process_writes_another_mapping_reads),
        cmocka_unit_test(an_arena_that_is_not_ones_own_cannot_be_written),
        cmocka_unit_test(nobody_can_change_the_size),
        cmocka_unit_test(another_descriptor_or_size_is_refused),
        cmocka_unit_test(a_limit_on_file_sizes_is_an_error_and_no_signal),
        cmocka_unit_test(pieces_that_come_back_join_again_in_any_order),
        cmocka_unit_test(random_takes_and_gives_never_overlap),
        cmocka_unit_test(only_large_blocks_come_from_the_arena),
        cmocka_unit_test(a_full_arena_is_replaced_by_private_memory_and_used_again_later),
        cmocka_unit_test(a_block_that_another_thread_lets_go_of_is_taken_again),
        cmocka_unit_test(a_lent_block_is_not_taken_again_before_every_reader_has_returned_it),
        cmocka_unit_test(loans_come_back_in_any_order_and_slots_run_out),
        cmocka_unit_test(every_failed_allocation_leaves_a_pool_that_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
