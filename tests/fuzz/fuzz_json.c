/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer writes a document, which the scanner of json.pick takes if and only if jansson does,
 * and it finds the same values in it.  What jansson refuses for reasons of its own, numbers that
 * are too large for C and a name with a zero byte, is left out.
 */
#include <jansson.h>
#include <stdbool.h>

#include "fuzz.h"
#include "shared/json_scan.h"

static const char *const pointers[] = {"", "/a", "/a/b", "/0", "/a/1", "/a/b/c", "/"};
#define POINTERS (sizeof(pointers) / sizeof(pointers[0]))

/* The value that a pointer without escapes leads to; NULL: none. */
static json_t *find(json_t *json, const char *pointer)
{
    while (json != NULL && *pointer != '\0') {
        const size_t size = strcspn(++pointer, "/");
        char name[8] = "";
        memcpy(name, pointer, size);
        json = json_is_array(json) && size == 1 && name[0] >= '0' && name[0] <= '9'
                   ? json_array_get(json, (size_t)(name[0] - '0'))
                   : json_object_get(json, name);
        pointer += size;
    }
    return json;
}

/* What is noted and written down means the same as what jansson found. */
static void compare(const struct flow_json_value *value, json_t *expected)
{
    MUST_HOLD((value->at != NULL) == (expected != NULL));
    if (expected == NULL)
        return;
    const size_t room = (size_t)(value->end - value->at);
    char *text = malloc(room);
    MUST_HOLD(text != NULL);
    const size_t size = flow_json_put_value(value, text);
    MUST_HOLD(size <= room);
    json_t *again = json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    MUST_HOLD(again != NULL && json_equal(again, expected) == 1);
    json_decref(again);
    const size_t plain = flow_json_put_plain(value, text);
    MUST_HOLD(plain <= room);
    if (json_is_string(expected)) {
        MUST_HOLD(plain == json_string_length(expected));
        MUST_HOLD(memcmp(text, json_string_value(expected), plain) == 0);
    }
    free(text);
}

static bool is_jansson_only(const json_error_t *error)
{
    return strstr(error->text, "too big") != NULL || strstr(error->text, "overflow") != NULL ||
           strstr(error->text, "NUL byte in object key") != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct flow_json_paths paths;
    flow_json_paths_init(&paths);
    for (size_t i = 0; i < POINTERS; i++) {
        size_t slot;
        const char *reason = flow_json_paths_add(&paths, pointers[i], strlen(pointers[i]), &slot);
        MUST_HOLD(reason == NULL && slot == i);
    }
    uint8_t *exact = malloc(size); /* so that a byte too far is seen */
    MUST_HOLD(exact != NULL || size == 0);
    if (size > 0)
        memcpy(exact, data, size);
    struct flow_json_value values[POINTERS];
    struct flow_json_scan scan;
    const bool good =
        flow_json_scan(&scan, &paths, size > 0 ? exact : (const uint8_t *)"", size, values);
    MUST_HOLD(good == (scan.fault == NULL));
    json_error_t error = {0};
    json_t *json = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    MUST_HOLD(!good || memchr(data, '\0', size) == NULL);
    if (memchr(data, '\0', size) == NULL && (json != NULL || !is_jansson_only(&error))) {
        const bool deep = !good && strstr(scan.fault, "more than 64") != NULL;
        MUST_HOLD(deep || good == (json != NULL));
        for (size_t i = 0; good && i < POINTERS; i++)
            compare(&values[i], find(json, pointers[i]));
    }
    json_decref(json);
    free(exact);
    flow_json_paths_clear(&paths);
    return 0;
}
