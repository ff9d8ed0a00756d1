/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "shared/key_table.h"
#include "support/check.h"

static const struct flow_key_seed seed = {1, 2};

static struct flow_key load(const void *bytes, size_t size, const void *limit)
{
    struct flow_key key;
    const uint64_t hash = flow_key_load(&key, bytes, size, limit, &seed);
    assert_int_equal(hash, flow_key_hash(&key, &seed));
    return key;
}

/* In an allocation of exactly its size, so that AddressSanitizer sees a byte too far. */
static struct flow_key load_exact(const void *bytes, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    const struct flow_key key = load(copy, size, copy + size);
    free(copy);
    return key;
}

static uint64_t *count_of(struct flow_key_table *table, const void *bytes, size_t size)
{
    const char *limit = (const char *)bytes + size;
    struct flow_key key;
    const uint64_t hash = flow_key_load(&key, bytes, size, limit, &table->seed);
    struct flow_key_slot *slot = flow_key_table_slot(table, &key, hash);
    assert_non_null(slot);
    return &slot->count;
}

TEST(a_key_is_the_same_whatever_follows_it_in_memory)
{
    char bytes[64];
    memset(bytes, 'k', sizeof(bytes));
    for (size_t size = 0; size <= FLOW_KEY_SHORT; size++) {
        char other[64];
        memset(other, '#', sizeof(other));
        memcpy(other, bytes, size);
        const struct flow_key alone = load_exact(bytes, size);
        const struct flow_key wide = load(bytes, size, bytes + sizeof(bytes));
        const struct flow_key followed = load(other, size, other + sizeof(other));
        assert_memory_equal(&alone, &wide, sizeof(alone));
        assert_memory_equal(&alone, &followed, sizeof(alone));
        assert_false(flow_key_is_long(&alone));
        assert_int_equal(flow_key_size(&alone), size);
        assert_memory_equal(flow_key_bytes(&alone), bytes, size);
        assert_int_equal(flow_key_hash(&alone, &seed), flow_key_hash_short(&alone, &seed));
    }
}

TEST(a_long_key_knows_its_bytes_and_its_size)
{
    static char bytes[100000];
    memset(bytes, 'k', sizeof(bytes));
    for (size_t size = FLOW_KEY_SHORT + 1; size <= sizeof(bytes); size = size * 3 / 2) {
        const struct flow_key key = load(bytes, size, bytes + size);
        assert_true(flow_key_is_long(&key));
        assert_int_equal(flow_key_size(&key), size);
        assert_ptr_equal(flow_key_bytes(&key), bytes);
    }
}

TEST(keys_that_differ_in_zeros_or_size_only_are_not_equal)
{
    static const char zeros[32] = "";
    struct flow_key keys[sizeof(zeros)];
    for (size_t i = 0; i < sizeof(zeros); i++)
        keys[i] = load(zeros, i, zeros + i);
    for (size_t i = 0; i < sizeof(zeros); i++) {
        for (size_t j = 0; j < sizeof(zeros); j++)
            assert_int_equal(flow_key_equal(&keys[i], &keys[j]), i == j);
    }
}

TEST(short_keys_are_ordered_by_their_24_bytes)
{
    static const struct {
        const char *bytes;
        size_t size;
    } sorted[] = {{"", 0},     {"\0", 1},   {"\0\0", 2},  {"\0a", 2}, {"A", 1},
                  {"a", 1},    {"a\0", 2},  {"aa", 2},    {"ab", 2},  {"b", 1},
                  {"\x7f", 1}, {"\xff", 1}, {"\xff\0", 2}};
    for (size_t i = 1; i < COUNT(sorted); i++) {
        const struct flow_key before = load_exact(sorted[i - 1].bytes, sorted[i - 1].size);
        const struct flow_key after = load_exact(sorted[i].bytes, sorted[i].size);
        assert_true(memcmp(&before, &after, sizeof(before)) < 0);
    }
}

TEST(setting_bits_leaves_the_size_and_the_rest_alone)
{
    const struct flow_key key = load_exact("ABc9", 4);
    const struct flow_key small = flow_key_or(&key, 0x20);
    const struct flow_key expected = load_exact("abc9", 4);
    assert_memory_equal(&small, &expected, sizeof(small));
    const struct flow_key empty = load_exact("", 0);
    const struct flow_key still_empty = flow_key_or(&empty, 0x20);
    assert_memory_equal(&still_empty, &empty, sizeof(empty));
}

TEST(a_million_keys_are_counted_as_the_table_grows)
{
    struct flow_key_table table;
    flow_key_table_init(&table);
    char text[32];
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < 1000000; i++) {
            const int size = snprintf(text, sizeof(text), "%" PRIu64, i * 7919 % 1000003);
            ++*count_of(&table, text, (size_t)size);
        }
    }
    assert_int_equal(table.used, 1000000);
    assert_true(table.used <= table.capacity / 4 * 3);
    assert_null(table.blocks);
    uint64_t longest = 0;
    for (uint64_t i = 0; i < 1000000; i++) {
        const int size = snprintf(text, sizeof(text), "%" PRIu64, i * 7919 % 1000003);
        assert_int_equal(*count_of(&table, text, (size_t)size), 2);
    }
    uint64_t run = 0;
    for (size_t i = 0; i < table.capacity; i++) {
        run = table.slots[i].key.words[2] != 0 ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    assert_in_range(longest, 1, 1000); /* no heap of keys in one place */
    flow_key_table_clear(&table);
}

/* What made tables with one seed for all quadratic. */
TEST(the_order_of_one_table_is_no_order_in_another)
{
    struct flow_key_table first;
    struct flow_key_table second;
    flow_key_table_init(&first);
    flow_key_table_init(&second);
    assert_memory_not_equal(&first.seed, &second.seed, sizeof(first.seed));
    char text[32];
    for (uint32_t i = 0; i < 200000; i++)
        ++*count_of(&first, text, (size_t)snprintf(text, sizeof(text), "%" PRIu32, i));
    for (size_t i = 0; i < first.capacity && second.used < 90000; i++) {
        const struct flow_key *key = &first.slots[i].key;
        if (key->words[2] != 0)
            ++*count_of(&second, flow_key_bytes(key), flow_key_size(key));
    }
    uint64_t run = 0;
    uint64_t longest = 0;
    for (size_t i = 0; i < second.capacity; i++) {
        run = second.slots[i].key.words[2] != 0 ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    assert_in_range(longest, 1, 2000);
    flow_key_table_clear(&first);
    flow_key_table_clear(&second);
}

TEST(keys_that_point_to_one_slot_are_told_apart)
{
    struct flow_key_table table;
    flow_key_table_init(&table);
    const uint64_t hash = UINT64_MAX; /* the last slot: the search goes on at the first one */
    struct flow_key keys[300];
    char text[64];
    for (size_t i = 0; i < COUNT(keys); i++) {
        const int size = snprintf(text, sizeof(text), i % 3 == 0 ? "%zu" : "%060zu", i);
        (void)flow_key_load(&keys[i], text, (size_t)size, text + size, &table.seed);
        struct flow_key_slot *slot = flow_key_table_slot(&table, &keys[i], hash);
        slot->count += i + 1;
        keys[i] = slot->key; /* long ones: their bytes are in the table now */
    }
    assert_int_equal(table.used, COUNT(keys));
    for (size_t i = 0; i < COUNT(keys); i++)
        assert_int_equal(flow_key_table_slot(&table, &keys[i], hash)->count, i + 1);
    flow_key_table_clear(&table);
}

TEST(long_keys_are_copied_and_survive_growth)
{
    struct flow_key_table table;
    flow_key_table_init(&table);
    static char texts[2][100000]; /* in two places, since one could be equal by its address */
    memset(texts, 'x', sizeof(texts));
    for (int round = 0; round < 2; round++) {
        char *text = texts[round];
        for (int i = 0; i < 5000; i++) {
            (void)snprintf(text, 40, "%039d", i);
            text[39] = '\0'; /* a zero within */
            ++*count_of(&table, text, 45);
        }
        ++*count_of(&table, text, sizeof(texts[0])); /* more than a block holds */
    }
    char *text = texts[0];
    assert_int_equal(table.used, 5001);
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(text, 40, "%039d", i);
        assert_int_equal(*count_of(&table, text, 45), 2);
    }
    assert_int_equal(*count_of(&table, text, sizeof(texts[0])), 2);
    flow_key_table_clear(&table);
}

TEST(a_table_that_was_never_filled_can_be_cleared)
{
    struct flow_key_table table = {0};
    flow_key_table_clear(&table);
    flow_key_table_init(&table);
    flow_key_table_prefetch(&table, UINT64_MAX);
    flow_key_table_clear(&table);
    flow_key_table_clear(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_the_same_whatever_follows_it_in_memory),
        cmocka_unit_test(a_long_key_knows_its_bytes_and_its_size),
        cmocka_unit_test(keys_that_differ_in_zeros_or_size_only_are_not_equal),
        cmocka_unit_test(short_keys_are_ordered_by_their_24_bytes),
        cmocka_unit_test(setting_bits_leaves_the_size_and_the_rest_alone),
        cmocka_unit_test(a_million_keys_are_counted_as_the_table_grows),
        cmocka_unit_test(the_order_of_one_table_is_no_order_in_another),
        cmocka_unit_test(keys_that_point_to_one_slot_are_told_apart),
        cmocka_unit_test(long_keys_are_copied_and_survive_growth),
        cmocka_unit_test(a_table_that_was_never_filled_can_be_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
