/* SPDX-License-Identifier: MIT */
/* The built-in types as a catalogue finds them, linked in and as shared objects. */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>

#include "param/param.h"
#include "stages/builtin.h"
#include "support/check.h"

static void check_ports(const struct flow_stage_type *type, const struct flow_port *port)
{
    for (; port != NULL && port->name != NULL; port++) {
        if (port->type == NULL || port->help == NULL || port->help[0] == '\0')
            fail_msg("%s: port %s lacks a type or a line of help", type->name, port->name);
    }
}

static void check_params(const struct flow_stage_type *type)
{
    struct flow_error err = {0};
    if (flow_params_validate(type->params, type->state_size, &err) != FLOW_OK)
        fail_msg("%s: %s", type->name, err.text);
    for (const struct flow_param *row = type->params; row != NULL && row->name != NULL; row++) {
        if (row->help == NULL || strlen(row->help) > 80)
            fail_msg("%s: the help of %s is missing or too long", type->name, row->name);
    }
}

static void check_type(const struct flow_stage_type *type)
{
    assert_non_null(type->help);
    assert_in_range(strlen(type->help), 10, 75);
    check_params(type);
    check_ports(type, type->inputs);
    check_ports(type, type->outputs);
    assert_int_equal(type->inputs == NULL, type->role == FLOW_PRODUCER);
    assert_int_equal(type->outputs == NULL, type->role == FLOW_CONSUMER);
    assert_int_equal(type->produce != NULL, type->role == FLOW_PRODUCER);
    assert_true(type->role == FLOW_PRODUCER || type->process != NULL ||
                type->process_batch != NULL);
    if (type->process != NULL && type->process_batch != NULL)
        assert_non_null(type->ready); /* it may hold nothing, and takes whole batches then */
}

TEST(every_built_in_type_explains_itself_and_is_sound)
{
    size_t count = 0;
    for (; flow_builtin_plugins[count] != NULL; count++)
        check_type(flow_builtin_plugins[count]->types[0]);
    assert_int_equal(count, BUILTIN_COUNT);
}

static void check_library(const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/%s", PLUGIN_FOLDER, name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        fail_msg("cannot load %s", path);
    const struct flow_plugin *plugin = dlsym(library, FLOW_PLUGIN_SYMBOL);
    assert_non_null(plugin);
    assert_int_equal(plugin->abi, FLOW_ABI);
    assert_int_equal(plugin->type_size, sizeof(struct flow_stage_type));
    assert_int_equal(plugin->param_size, sizeof(struct flow_param));
    assert_int_equal(plugin->record_size, sizeof(struct flow_record));
    assert_int_equal(plugin->batch_size, sizeof(struct flow_batch));
    assert_int_equal(plugin->stage_size, sizeof(struct flow_stage));
    assert_int_equal(plugin->room_size, sizeof(struct flow_room_));
    check_type(plugin->types[0]);
    assert_null(plugin->types[1]);
    assert_int_equal(dlclose(library), 0);
}

TEST(every_built_in_type_can_be_a_plugin_by_itself)
{
    DIR *dir = opendir(PLUGIN_FOLDER);
    assert_non_null(dir);
    size_t count = 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strstr(entry->d_name, ".so") == NULL)
            continue;
        check_library(entry->d_name);
        count++;
    }
    (void)closedir(dir);
    assert_int_equal(count, BUILTIN_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_built_in_type_explains_itself_and_is_sound),
        cmocka_unit_test(every_built_in_type_can_be_a_plugin_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
