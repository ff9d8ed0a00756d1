/* SPDX-License-Identifier: MIT */
#include "stage/catalog.h"

#include <dlfcn.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/check.h"

static enum flow_status take(void *self, struct flow_stage *stage, const struct flow_record *record)
{
    (void)self;
    (void)stage;
    (void)record;
    return FLOW_OK;
}

static const struct flow_stage_type null_type = {
    .name = "null.take", .help = "take all", .role = FLOW_CONSUMER, .process = take};
static const struct flow_stage_type shadow_type = {
    .name = "bad.table", .help = "hides a file", .role = FLOW_CONSUMER, .process = take};

static const struct flow_plugin first = {
    FLOW_PLUGIN_LAYOUT, .types = (const struct flow_stage_type *const[]){&null_type, NULL}};
static const struct flow_plugin second = {
    FLOW_PLUGIN_LAYOUT, .types = (const struct flow_stage_type *const[]){&shadow_type, NULL}};

static const char *const folders[] = {"/nonexistent", TEST_PLUGINS, NULL};

static struct flow_catalog *open_catalog(void)
{
    static const struct flow_plugin *const builtin[] = {&first, NULL};
    struct flow_error err = {0};
    struct flow_catalog *catalog = flow_catalog_new(builtin, folders, &err);
    assert_non_null(catalog);
    return catalog;
}

static bool is_loaded(const char *file)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), TEST_PLUGINS "/%s", file);
    void *handle = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    if (handle != NULL)
        (void)dlclose(handle);
    return handle != NULL;
}

TEST(built_in_types_are_found_by_name)
{
    struct flow_catalog *catalog = open_catalog();
    struct flow_error err = {0};
    assert_ptr_equal(flow_catalog_find(catalog, "null.take", ".", &err), &null_type);
    assert_int_equal(err.status, FLOW_OK);
    flow_catalog_free(catalog);
}

TEST(an_installed_plugin_is_found_by_the_name_of_its_type)
{
    struct flow_catalog *catalog = open_catalog();
    const struct flow_stage_type *type = flow_catalog_find(catalog, "good.repeat", ".", NULL);
    assert_non_null(type);
    assert_string_equal(type->name, "good.repeat");
    assert_string_equal(type->params[0].name, "times");
    type = flow_catalog_find(catalog, "two.one", ".", NULL);
    assert_non_null(type);
    assert_string_equal(type->name, "two.one");
    assert_true(is_loaded("good.repeat.so"));
    flow_catalog_free(catalog);
    assert_false(is_loaded("good.repeat.so"));
    assert_false(is_loaded("two.one.so"));
}

TEST(the_first_folder_that_has_the_file_decides_even_if_the_file_is_refused)
{
    static const char *const both[] = {TEST_PLUGINS, TEST_LATER, NULL};
    struct flow_catalog *catalog = flow_catalog_new(NULL, both, NULL);
    struct flow_error err = {0};
    assert_null(flow_catalog_find(catalog, "bad.table", ".", &err));
    assert_int_equal(err.status, FLOW_EINVAL);
    flow_catalog_free(catalog);

    static const char *const reversed[] = {TEST_LATER, TEST_PLUGINS, NULL};
    catalog = flow_catalog_new(NULL, reversed, NULL);
    assert_non_null(flow_catalog_find(catalog, "bad.table", ".", NULL));
    flow_catalog_free(catalog);
}

TEST(a_built_in_type_comes_before_a_file_of_its_name)
{
    static const struct flow_plugin *const builtin[] = {&first, &second, NULL};
    struct flow_catalog *catalog = flow_catalog_new(builtin, folders, NULL);
    assert_ptr_equal(flow_catalog_find(catalog, "bad.table", ".", NULL), &shadow_type);
    flow_catalog_free(catalog);
}

TEST(a_plugin_is_found_by_its_path_from_the_folder_of_the_graph)
{
    static const struct {
        const char *use;
        const char *folder;
        const char *name;
    } cases[] = {
        {"./good.repeat.so", TEST_PLUGINS, "good.repeat"},
        {"./good.repeat.so:good.repeat", TEST_PLUGINS, "good.repeat"},
        {"../files/two.so:two.other", TEST_PLUGINS, "two.other"},
        {"folder.so/../two.so:two.one", TEST_PLUGINS, "two.one"},
        {TEST_PLUGINS "/good.repeat.so", "/nonexistent", "good.repeat"},
        {TEST_PLUGINS "/two.so:two.one", NULL, "two.one"},
    };
    struct flow_catalog *catalog = open_catalog();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_error err = {0};
        const struct flow_stage_type *type =
            flow_catalog_find(catalog, cases[i].use, cases[i].folder, &err);
        assert_string_equal(err.text, "");
        assert_string_equal(type->name, cases[i].name);
        assert_ptr_equal(flow_catalog_find(catalog, cases[i].use, cases[i].folder, &err), type);
    }
    flow_catalog_free(catalog);
    assert_false(is_loaded("good.repeat.so"));
    assert_false(is_loaded("two.so"));
}

#define REFUSED(file) "plugin '" TEST_PLUGINS "/" file "'"

static const struct {
    const char *use;
    enum flow_status status;
    const char *text; /* the beginning of the message */
    const char *also; /* something later in it */
} refused[] = {
    {"./missing.so", FLOW_EIO, "cannot load " REFUSED("missing.so") ": No such file or directory",
     ""},
    {"./folder.so", FLOW_EIO, "cannot load " REFUSED("folder.so") ": it is not a file", ""},
    {"./text.so", FLOW_EIO, "cannot load " REFUSED("text.so") ": ",
     "; a plugin is a shared object built for this machine (cc -shared -fPIC)"},
    {"./empty.so", FLOW_EIO, "cannot load " REFUSED("empty.so") ": file too short", ""},
    {"./unresolved.so", FLOW_EIO, "cannot load " REFUSED("unresolved.so") ": ",
     "function_that_nobody_has"},
    {"./no_symbol.so", FLOW_EPROTO, "'" TEST_PLUGINS "/no_symbol.so' is a library but no plugin: ",
     "it exports no 'flow_plugin'; a plugin ends with FLOW_PLUGIN(&type);"},
    {"./other_abi.so", FLOW_EPROTO,
     REFUSED("other_abi.so") " is of ABI 5, this flowrun has ABI 4; build it again with the "
                             "headers of this flowrun",
     ""},
    {"./other_type.so", FLOW_EPROTO, REFUSED("other_type.so") " has a struct flow_stage_type of ",
     "; build it again with the headers of this flowrun"},
    {"./other_param.so", FLOW_EPROTO, REFUSED("other_param.so") " has a struct flow_param of ",
     " bytes, this flowrun one of "},
    {"./other_record.so", FLOW_EPROTO, REFUSED("other_record.so") " has a struct flow_record of ",
     " bytes, this flowrun one of "},
    {"./other_batch.so", FLOW_EPROTO, REFUSED("other_batch.so") " has a struct flow_batch of ",
     " bytes, this flowrun one of "},
    {"./other_stage.so", FLOW_EPROTO, REFUSED("other_stage.so") " has a struct flow_stage of ",
     " bytes, this flowrun one of "},
    {"./other_room.so", FLOW_EPROTO, REFUSED("other_room.so") " has a struct flow_room_ of ",
     " bytes, this flowrun one of "},
    {"./no_types.so", FLOW_EINVAL,
     REFUSED("no_types.so") " has no stage types; name them in FLOW_PLUGIN", ""},
    {"./bad.table.so", FLOW_EINVAL,
     REFUSED("bad.table.so") ": stage type 'bad.table': the default does not fit: 'n' is 0; it "
                             "must be an integer from 1 to 10",
     ""},
    {"bad.table", FLOW_EINVAL, REFUSED("bad.table.so") ": stage type 'bad.table': ", ""},
    {"./two.so", FLOW_EINVAL,
     REFUSED("two.so") " has several stage types; add ':' and one of 'two.one', 'two.other'", ""},
    {"./two.so:", FLOW_ENOENT, REFUSED("two.so") " has no stage type ''; it has 'two.one', ", ""},
    {"./two.so:two.three", FLOW_ENOENT,
     REFUSED("two.so") " has no stage type 'two.three'; it has 'two.one', 'two.other'", ""},
    {"wrong.name", FLOW_ENOENT,
     REFUSED("wrong.name.so") " has no stage type 'wrong.name'; it has 'good.repeat'", ""},
    {"no.such", FLOW_ENOENT,
     "unknown stage type 'no.such'; it is not built in nor a plugin in /nonexistent, " TEST_PLUGINS,
     ""},
    {"text", FLOW_EIO, "cannot load " REFUSED("text.so") ": ", ""},
    {"folder/../text", FLOW_EIO, "cannot load " REFUSED("folder/../text") ": No such file", ""},
    {"Not-A-Type", FLOW_ENOENT, "unknown stage type 'Not-A-Type'; ", ""},
    {"", FLOW_ENOENT, "unknown stage type ''; ", ""},
};

TEST(what_is_no_sound_plugin_is_refused_with_the_reason_and_unloaded)
{
    struct flow_catalog *catalog = open_catalog();
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct flow_error err = {0};
        assert_null(flow_catalog_find(catalog, refused[i].use, TEST_PLUGINS, &err));
        if (strncmp(err.text, refused[i].text, strlen(refused[i].text)) != 0)
            assert_string_equal(err.text, refused[i].text);
        assert_non_null(strstr(err.text, refused[i].also));
        assert_int_equal(err.status, refused[i].status);
    }
    static const char *const files[] = {"no_symbol.so", "other_abi.so", "other_type.so",
                                        "bad.table.so", "two.so",       "wrong.name.so",
                                        "no_types.so"};
    for (size_t i = 0; i < COUNT(files); i++)
        assert_false(is_loaded(files[i]));
    flow_catalog_free(catalog);
}

TEST(a_refusal_does_not_unload_a_plugin_in_use)
{
    struct flow_catalog *catalog = open_catalog();
    const struct flow_stage_type *type =
        flow_catalog_find(catalog, "./two.so:two.one", TEST_PLUGINS, NULL);
    assert_non_null(type);
    assert_null(flow_catalog_find(catalog, "./two.so", TEST_PLUGINS, NULL));
    assert_null(flow_catalog_find(catalog, "./two.so:two.three", TEST_PLUGINS, NULL));
    assert_true(is_loaded("two.so"));
    assert_string_equal(type->name, "two.one");
    flow_catalog_free(catalog);
}

/* Files are named here, not opened: a list of names must not load every plugin there is. */
TEST(the_names_of_all_types_are_listed_in_order)
{
    static const char *const expected[] = {
        "bad.table",  "empty",       "good.repeat", "no_symbol",    "no_types",   "null.take",
        "other_abi",  "other_batch", "other_param", "other_record", "other_room", "other_stage",
        "other_type", "text",        "two",         "two.one",      "unresolved", "wrong.name",
    };
    struct flow_catalog *catalog = open_catalog();
    const char *const *names = flow_catalog_names(catalog);
    for (size_t i = 0; i < COUNT(expected); i++)
        assert_string_equal(names[i], expected[i]);
    assert_null(names[COUNT(expected)]);
    assert_ptr_equal(flow_catalog_names(catalog), names);
    assert_false(is_loaded("good.repeat.so"));
    flow_catalog_free(catalog);
}

TEST(a_name_that_is_both_built_in_and_installed_is_listed_once)
{
    static const struct flow_plugin *const builtin[] = {&second, NULL};
    static const char *const twice[] = {TEST_LATER, TEST_LATER, NULL};
    struct flow_catalog *catalog = flow_catalog_new(builtin, twice, NULL);
    const char *const *names = flow_catalog_names(catalog);
    assert_string_equal(names[0], "bad.table");
    assert_null(names[1]);
    flow_catalog_free(catalog);
}

TEST(an_empty_catalogue_knows_nothing)
{
    struct flow_catalog *catalog = flow_catalog_new(NULL, NULL, NULL);
    struct flow_error err = {0};
    assert_null(flow_catalog_names(catalog)[0]);
    assert_null(flow_catalog_find(catalog, "null.take", ".", &err));
    assert_int_equal(err.status, FLOW_ENOENT);
    assert_string_equal(err.text, "unknown stage type 'null.take'; it is not built in");
    flow_catalog_free(catalog);
    flow_catalog_free(NULL);
}

TEST(built_in_plugins_pass_the_same_checks)
{
    struct flow_plugin other = first;
    other.abi = FLOW_ABI + 1;
    const struct flow_plugin *const old[] = {&other, NULL};
    struct flow_error err = {0};
    assert_null(flow_catalog_new(old, NULL, &err));
    assert_int_equal(err.status, FLOW_EPROTO);
    assert_non_null(strstr(err.text, "plugin 'built in' is of ABI 5, this flowrun has ABI 4"));

    static const struct flow_stage_type same = {
        .name = "null.take", .help = "again", .role = FLOW_CONSUMER, .process = take};
    struct flow_plugin copy = first;
    copy.types = (const struct flow_stage_type *const[]){&same, NULL};
    const struct flow_plugin *const clash[] = {&first, &copy, NULL};
    err = (struct flow_error){0};
    assert_null(flow_catalog_new(clash, NULL, &err));
    assert_int_equal(err.status, FLOW_EINVAL);
    assert_string_equal(err.text, "two built-in stage types are named 'null.take'");
}

/* Find, by name and by path, and list, in a fresh catalogue: false if something was missing. */
static bool use_all(void)
{
    static const struct flow_plugin *const builtin[] = {&first, NULL};
    static const char *const uses[] = {"good.repeat", "./two.so:two.one", "./two.so", "no.such"};
    bool whole = true;
    struct flow_error err = {0};
    struct flow_catalog *catalog = flow_catalog_new(builtin, folders, &err);
    if (catalog == NULL) {
        assert_int_equal(err.status, FLOW_ENOMEM);
        return false;
    }
    for (size_t i = 0; i < COUNT(uses); i++) {
        err = (struct flow_error){0};
        const bool found = flow_catalog_find(catalog, uses[i], TEST_PLUGINS, &err) != NULL;
        if (err.status == FLOW_ENOMEM)
            whole = false;
        else
            assert_int_equal(found, i < 2);
    }
    if (flow_catalog_names(catalog)[0] == NULL)
        whole = false;
    flow_catalog_free(catalog);
    return whole;
}

TEST(a_failed_allocation_leaves_no_plugin_loaded)
{
    int n = 0;
    for (bool whole = false; !whole; n++) {
        flow_mem_fail_at(n);
        whole = use_all();
        flow_mem_fail_at(-1);
        assert_false(is_loaded("good.repeat.so"));
        assert_false(is_loaded("two.so"));
    }
    assert_true(n > 20);
}

int main(void)
{
    json_set_alloc_funcs(flow_alloc, free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_types_are_found_by_name),
        cmocka_unit_test(an_installed_plugin_is_found_by_the_name_of_its_type),
        cmocka_unit_test(the_first_folder_that_has_the_file_decides_even_if_the_file_is_refused),
        cmocka_unit_test(a_built_in_type_comes_before_a_file_of_its_name),
        cmocka_unit_test(a_plugin_is_found_by_its_path_from_the_folder_of_the_graph),
        cmocka_unit_test(what_is_no_sound_plugin_is_refused_with_the_reason_and_unloaded),
        cmocka_unit_test(a_refusal_does_not_unload_a_plugin_in_use),
        cmocka_unit_test(the_names_of_all_types_are_listed_in_order),
        cmocka_unit_test(a_name_that_is_both_built_in_and_installed_is_listed_once),
        cmocka_unit_test(an_empty_catalogue_knows_nothing),
        cmocka_unit_test(built_in_plugins_pass_the_same_checks),
        cmocka_unit_test(a_failed_allocation_leaves_no_plugin_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
