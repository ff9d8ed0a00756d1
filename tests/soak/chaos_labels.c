/* SPDX-License-Identifier: MIT */
#include "soak/chaos_tool.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* A process is called after its first replica, "stage" or "stage[n]". */

static const json_t *stage_of(const json_t *plan, const char *replica)
{
    const size_t size = strcspn(replica, "[");
    size_t i;
    json_t *stage;
    json_array_foreach(json_object_get(plan, "stages"), i, stage) {
        const char *name = json_string_value(json_object_get(stage, "name"));
        if (name != NULL && strlen(name) == size && strncmp(name, replica, size) == 0)
            return stage;
    }
    return NULL;
}

/* A worker that cannot be replaced has a state. */
static bool is_of(const json_t *stage, const char *kind)
{
    const char *role = json_string_value(json_object_get(stage, "role"));
    const bool restarts = json_is_true(json_object_get(stage, "restarts"));
    if (role == NULL)
        return false;
    if (strcmp(kind, "stateful") == 0)
        return strcmp(role, "worker") == 0 && !restarts;
    return strcmp(role, kind) == 0 && (restarts || strcmp(kind, "worker") != 0);
}

int print_labels(const char *explained, const char *kind)
{
    json_error_t why;
    json_t *plan = json_load_file(explained, 0, &why);
    json_int_t before = -1;
    size_t i;
    json_t *replica;
    const char *comma = "";
    json_array_foreach(json_object_get(plan, "replicas"), i, replica) {
        const char *name = json_string_value(json_object_get(replica, "name"));
        const json_int_t process = json_integer_value(json_object_get(replica, "process"));
        if (name != NULL && process != before && is_of(stage_of(plan, name), kind)) {
            printf("%s%s", comma, name);
            comma = ",";
        }
        before = process;
    }
    putchar('\n');
    json_decref(plan);
    return plan != NULL ? 0 : 1;
}
