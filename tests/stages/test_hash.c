/* SPDX-License-Identifier: MIT */
/* needs: hash */
#include <dlfcn.h>

#include "support/check.h"
#include "support/harness.h"

static struct harness *hash(const char *with)
{
    void *library = dlopen(FLOW_BINARY_DIR "/stages/hash.so", RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    const struct flow_plugin *plugin = dlsym(library, FLOW_PLUGIN_SYMBOL);
    assert_non_null(plugin);
    const struct harness_options options = {.with = with, .batch = 2};
    return harness_new(plugin->types[0], &options);
}

TEST(the_algorithms_give_their_known_values)
{
    static const struct {
        const char *with, *empty, *abc;
    } known[] = {
        {"{\"to\": \"replace\"}", "2d06800538d394c2", "78af5f94892f3950"},
        {"{\"to\": \"replace\", \"algorithm\": \"xxh128\"}", "99aa06d3014798d86001c324468d497f",
         "06b05ab6733a618578af5f94892f3950"},
        {"{\"to\": \"replace\", \"algorithm\": \"md5\"}", "d41d8cd98f00b204e9800998ecf8427e",
         "900150983cd24fb0d6963f7d28e17f72"},
        {"{\"to\": \"replace\", \"algorithm\": \"sha1\"}",
         "da39a3ee5e6b4b0d3255bfef95601890afd80709", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"{\"to\": \"replace\", \"algorithm\": \"sha256\"}",
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"{\"to\": \"replace\", \"algorithm\": \"sha512\"}",
         "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2"
         "877eec2f63b931bd47417a81a538327af927da3e",
         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23"
         "a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
        {"{\"to\": \"replace\", \"algorithm\": \"blake2b\"}",
         "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419d25e1031afee585313896444"
         "934eb04b903a685b1448b755d56f701afe9be2ce",
         "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de"
         "4533cc9518d38aa8dbf1925ab92386edd4009923"},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        struct harness *h = hash(known[i].with);
        harness_feed(h, "");
        harness_feed(h, "abc");
        assert_int_equal(harness_run(h), FLOW_OK);
        assert_string_equal(harness_record(h, 0, 0)->data, known[i].empty);
        assert_string_equal(harness_record(h, 0, 1)->data, known[i].abc);
        harness_free(h);
    }
}

static void check_hash(const char *with, const char *data, const char *key)
{
    struct harness *h = hash(with);
    harness_feed_keyed(h, "abc", "x");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_record(h, 0, 0)->data, data);
    assert_string_equal(harness_record(h, 0, 0)->key, key);
    harness_free(h);
}

TEST(the_hash_goes_where_it_is_wanted)
{
    check_hash("{\"of\": \"key\"}", "78af5f94892f3950  x", "abc");
    check_hash("{\"of\": \"key\", \"to\": \"suffix\", \"separator\": \"|\"}", "x|78af5f94892f3950",
               "abc");
    check_hash("{\"of\": \"key\", \"to\": \"replace\"}", "78af5f94892f3950", "abc");
    check_hash("{\"of\": \"key\", \"to\": \"key\"}", "x", "78af5f94892f3950");
}

TEST(a_record_without_a_key_hashes_as_an_empty_one)
{
    struct harness *h = hash("{\"of\": \"key\", \"separator\": \"\"}");
    harness_feed(h, "x");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_record(h, 0, 0)->data, "2d06800538d394c2x");
    assert_null(harness_record(h, 0, 0)->key);
    harness_free(h);
}

TEST(zero_bytes_are_bytes)
{
    struct harness *h = hash("{\"algorithm\": \"md5\", \"to\": \"suffix\", \"separator\": \"\"}");
    harness_feed_bytes(h, "\0", 1);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_memory_equal(harness_record(h, 0, 0)->data, "\00093b885adfe0da089cdf634904fd59f71", 33);
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_algorithms_give_their_known_values),
        cmocka_unit_test(the_hash_goes_where_it_is_wanted),
        cmocka_unit_test(a_record_without_a_key_hashes_as_an_empty_one),
        cmocka_unit_test(zero_bytes_are_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
