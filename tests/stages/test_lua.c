/* SPDX-License-Identifier: MIT */
/* needs: lua */
#include <dlfcn.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/check.h"
#include "support/harness.h"

static const struct flow_stage_type *type(const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/stages/%s.so", FLOW_BINARY_DIR, name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    const struct flow_plugin *plugin = dlsym(library, FLOW_PLUGIN_SYMBOL);
    assert_non_null(plugin);
    return plugin->types[0];
}

static struct harness *script(const char *name, const char *code, int memory, int instructions)
{
    json_t *json =
        json_pack("{s:s, s:i, s:i}", "code", code, "memory", memory, "instructions", instructions);
    char *with = json_dumps(json, 0);
    assert_non_null(with);
    json_decref(json);
    const struct harness_options options = {.with = with, .batch = 2};
    struct harness *h = harness_new(type(name), &options);
    free(with);
    return h;
}

static struct harness *lua(const char *code)
{
    return script("lua", code, 1 << 20, 10000000);
}

TEST(what_a_script_returns_and_emits_goes_out)
{
    struct harness *h = lua("function process(record, key)\n"
                            "  if record == '' then return nil end\n"
                            "  emit(record:upper(), key)\n"
                            "  emit(#record)\n"
                            "  return record .. '!', (key or 'none') .. '2'\n"
                            "end");
    harness_feed_keyed(h, "k", "abc");
    harness_feed(h, "");
    harness_feed_bytes(h, "a\0b", 3);
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_int_equal(harness_count(h, 0), 6);
    assert_string_equal(harness_record(h, 0, 0)->data, "ABC");
    assert_string_equal(harness_record(h, 0, 0)->key, "k");
    assert_string_equal(harness_record(h, 0, 1)->data, "3");
    assert_null(harness_record(h, 0, 1)->key);
    assert_string_equal(harness_record(h, 0, 2)->data, "abc!");
    assert_string_equal(harness_record(h, 0, 2)->key, "k2");
    assert_memory_equal(harness_record(h, 0, 3)->data, "A\0B", 3);
    assert_string_equal(harness_record(h, 0, 5)->key, "none2");
    harness_free(h);
}

/* The record "bad" is refused for this reason, nothing of it goes out, and the next one is taken.
 */
static void check_refused(const char *body, const char *reason)
{
    char code[1000];
    (void)snprintf(
        code, sizeof(code),
        "function process(record)\nif record ~= 'bad' then return record end\nemit('x')\n%s\nend",
        body);
    struct harness *h = lua(code);
    harness_feed(h, "bad");
    harness_feed(h, "good");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_text(h, 0), "good\n");
    assert_int_equal(harness_reject_count(h), 1);
    if (strstr(harness_reject(h, 0), reason) == NULL)
        fail_msg("expected '%s', was told '%s'", reason, harness_reject(h, 0));
    harness_free(h);
}

TEST(a_call_that_fails_refuses_its_record_and_leaves_nothing_behind)
{
    check_refused("error('no luck')", "0: code:4: no luck");
    check_refused("reject('not mine')", "0: not mine");
    check_refused("pcall(reject, 'not mine') return 'caught'", "0: not mine");
    check_refused("error({})", "0: it fails with an error that is a table");
    check_refused("local x = nil; return x.y",
                  "0: code:4: attempt to index a nil value (local 'x')");
    check_refused("return {}",
                  "process returns a table; it returns nothing, or a string and perhaps a "
                  "key");
    check_refused("return 'a', {}", "string expected, got table");
    check_refused("emit({})", "bad argument #1 to 'emit' (string expected, got table)");
    check_refused("emit('a', {})", "bad argument #2 to 'emit'");
}

TEST(a_call_has_limits_that_nothing_in_it_can_catch)
{
    const char *instructions = "it takes more than 10000000 instructions ('instructions')";
    check_refused("while true do end", instructions);
    check_refused("while true do pcall(function() while true do end end) end", instructions);
    check_refused(
        "local t <close> = setmetatable({}, {__close = function() while true do end end})\n"
        "while true do end",
        instructions);
    const char *memory = "it needs more memory than 1048576 bytes ('memory')";
    check_refused("local s = 'x' while true do s = s .. s end", memory);
    check_refused("return string.rep('x', 1 << 30)", memory);
    check_refused("local t = {} for i = 1, 1e9 do t[i] = {} end", memory);
    check_refused("for i = 1, 1e9 do emit('') end", "records ('memory')");
    check_refused("local s = string.rep('x', 300000) for i = 1, 1e9 do emit(s) end",
                  "it emits more than 1 MiB ('memory')");
    check_refused("setmetatable({}, {__gc = function() end})", "__gc is not supported in a stage");
}

TEST(a_script_reaches_nothing_outside_of_it)
{
    static const char *const gone[] = {
        "io",        "require",      "package",    "dofile",     "loadfile",    "load",
        "debug",     "coroutine",    "xpcall",     "os.execute", "os.exit",     "os.getenv",
        "os.remove", "os.setlocale", "os.tmpname", "os.rename",  "string.dump", "collectgarbage",
    };
    for (size_t i = 0; i < COUNT(gone); i++) {
        char code[200];
        (void)snprintf(code, sizeof(code), "function process() return type(%s) end", gone[i]);
        struct harness *h = lua(code);
        harness_feed(h, "x");
        assert_int_equal(harness_run(h), FLOW_OK);
        if (strcmp(harness_text(h, 0), "nil\n") != 0)
            fail_msg("%s is there", gone[i]);
        harness_free(h);
    }
}

TEST(what_is_useful_is_there)
{
    struct harness *h = lua("local seen = 0\n"
                            "function process(record)\n"
                            "  print('seen', seen, nil)\n"
                            "  seen = seen + 1\n"
                            "  local ok, why = pcall(error, 'caught')\n"
                            "  return table.concat({seen, math.floor(2.5), utf8.char(0x20ac), "
                            "string.format('%03d', 7), "
                            "tostring(ok), why, type(os.time()), select('#', 1, 2)}, ' ')\n"
                            "end");
    harness_feed(h, "a");
    harness_feed(h, "b");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_text(h, 0), "1 2 \xe2\x82\xac 007 false caught number 2\n"
                                            "2 2 \xe2\x82\xac 007 false caught number 2\n");
    harness_free(h);
}

static void check_open(const char *with, const char *reason)
{
    const struct harness_options options = {.with = with};
    struct harness *h = harness_new(type("lua"), &options);
    assert_int_equal(harness_open(h), FLOW_EINVAL);
    if (strcmp(harness_failure(h), reason) != 0)
        fail_msg("expected '%s', was told '%s'", reason, harness_failure(h));
    harness_free(h);
}

TEST(a_script_that_cannot_be_used_is_refused_before_the_run)
{
    check_open("{}", "the script cannot be used: give either 'code' or 'file'");
    check_open("{\"code\": \"x\", \"file\": \"y\"}",
               "the script cannot be used: give either 'code' or 'file'");
    check_open("{\"code\": \"\"}",
               "the script cannot be used: it has no function process(record, key)");
    check_open("{\"code\": \"function process(\"}",
               "the script cannot be used: code:1: <name> or '...' expected near <eof>");
    check_open("{\"code\": \"error('no')\"}", "the script cannot be used: code:1: no");
    check_open("{\"code\": \"while true do end\", \"instructions\": 1000}",
               "the script cannot be used: it takes more than 1000 instructions "
               "('instructions')");
    check_open("{\"file\": \"/no/such/file.lua\"}",
               "the script cannot be used: cannot read '/no/such/file.lua': No such file or "
               "directory");
}

TEST(a_script_can_lie_in_a_file)
{
    char path[] = "/tmp/flowrun-lua-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    const char *text = "function process(r)\nerror('in a file')\nend";
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
    char with[200];
    (void)snprintf(with, sizeof(with), "{\"file\": \"%s\"}", path);
    const struct harness_options options = {.with = with};
    struct harness *h = harness_new(type("lua"), &options);
    harness_feed(h, "x");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_non_null(strstr(harness_reject(h, 0), ":2: in a file"));
    harness_free(h);
    assert_int_equal(unlink(path), 0);
}

#define COUNTER                                                                                    \
    "function process(r) state[r] = (state[r] or 0) + 1 end\n"                                     \
    "function finish()\n"                                                                          \
    "  local keys = {}\n"                                                                          \
    "  for k in pairs(state) do keys[#keys + 1] = k end\n"                                         \
    "  table.sort(keys)\n"                                                                         \
    "  for _, k in ipairs(keys) do emit(k .. ' ' .. state[k], k) end\n"                            \
    "end"

TEST(finish_emits_what_was_remembered)
{
    struct harness *h = script("lua.state", COUNTER, 1 << 20, 0);
    harness_feed(h, "b");
    harness_feed(h, "a");
    harness_feed(h, "b");
    assert_int_equal(harness_run(h), FLOW_OK);
    assert_string_equal(harness_text(h, 0), "a 1\nb 2\n");
    assert_string_equal(harness_record(h, 0, 1)->key, "b");
    harness_free(h);

    h = script("lua.state", "function process() end function finish() error('late') end", 1 << 20,
               0);
    assert_int_equal(harness_run(h), FLOW_EINVAL);
    assert_string_equal(harness_failure(h), "finish() of the script: code:1: late");
    harness_free(h);
}

TEST(state_goes_on_from_what_was_saved)
{
    struct harness *first =
        script("lua.state",
               "state = {a = {1, 2.5, true, false, 'x\\0y', {}}, [3] = -7, [true] = 1e300, "
               "[''] = math.mininteger}\n"
               "function process() end",
               1 << 20, 0);
    assert_int_equal(harness_open(first), FLOW_OK);
    struct harness_saved saved;
    assert_int_equal(harness_save(first, &saved), FLOW_OK);
    harness_free(first);

    const char *check =
        "function process()\n"
        "  local a = state.a\n"
        "  assert(#a == 6 and a[1] == 1 and math.type(a[1]) == 'integer' and a[2] == 2.5)\n"
        "  assert(a[3] == true and a[4] == false and a[5] == 'x\\0y' and next(a[6]) == nil)\n"
        "  assert(state[3] == -7 and state[true] == 1e300 and state[''] == math.mininteger)\n"
        "  return 'good'\n"
        "end";
    struct harness *second = script("lua.state", check, 1 << 20, 0);
    harness_feed(second, "x");
    assert_int_equal(harness_open(second), FLOW_OK);
    assert_int_equal(harness_restore(second, &saved), FLOW_OK);
    assert_int_equal(harness_work(second), FLOW_OK);
    if (harness_reject_count(second) > 0)
        fail_msg("%s", harness_reject(second, 0));
    assert_string_equal(harness_text(second, 0), "good\n");
    harness_free(second);

    for (size_t size = 0; size < saved.size; size++) { /* cut off anywhere */
        struct harness *h = script("lua.state", check, 1 << 20, 0);
        const struct harness_saved cut = {saved.bytes, size};
        assert_int_equal(harness_open(h), FLOW_OK);
        assert_int_equal(harness_restore(h, &cut), FLOW_EPROTO);
        harness_free(h);
    }
    free(saved.bytes);
}

TEST(state_that_cannot_be_saved_is_named)
{
    static const struct {
        const char *code, *reason;
    } bad[] = {
        {"state.f = print function process() end",
         "'state' holds a function, which cannot be saved; it may hold texts, numbers, booleans "
         "and "
         "tables of them"},
        {"state.s = state function process() end",
         "'state' has more than 32 tables in each other; a table that contains itself cannot be "
         "saved"},
        {"state = 5 function process() end", "'state' is a number; it has to stay a table"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct harness *h = script("lua.state", bad[i].code, 1 << 20, 0);
        assert_int_equal(harness_open(h), FLOW_OK);
        struct harness_saved saved;
        assert_int_equal(harness_save(h, &saved), FLOW_EINVAL);
        assert_string_equal(harness_failure(h), bad[i].reason);
        free(saved.bytes);
        harness_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_script_returns_and_emits_goes_out),
        cmocka_unit_test(a_call_that_fails_refuses_its_record_and_leaves_nothing_behind),
        cmocka_unit_test(a_call_has_limits_that_nothing_in_it_can_catch),
        cmocka_unit_test(a_script_reaches_nothing_outside_of_it),
        cmocka_unit_test(what_is_useful_is_there),
        cmocka_unit_test(a_script_that_cannot_be_used_is_refused_before_the_run),
        cmocka_unit_test(a_script_can_lie_in_a_file),
        cmocka_unit_test(finish_emits_what_was_remembered),
        cmocka_unit_test(state_goes_on_from_what_was_saved),
        cmocka_unit_test(state_that_cannot_be_saved_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
