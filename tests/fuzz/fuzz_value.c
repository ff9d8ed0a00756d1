/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer writes the "with" of a stage: what the check finds nothing wrong with can be read into
 * the stage's state, and what it finds something wrong with cannot.
 */
#include <jansson.h>
#include <stdbool.h>

#include "fuzz.h"
#include "param/param.h"

struct every {
    int64_t whole;
    double real;
    bool flag;
    char *text, *json, *needed;
    uint64_t size;
    int64_t time;
    int choice;
    struct flow_list list;
};

static const struct flow_param table[] = {
    FLOW_PARAM_I64(struct every, whole, "7", -100, 1e15, "a number"),
    FLOW_PARAM_F64(struct every, real, "0.5", 0.01, 100, "a number"),
    FLOW_PARAM_BOOL(struct every, flag, "false", "yes or no"),
    FLOW_PARAM_STR(struct every, text, "x", "a text"),
    FLOW_PARAM_STR(struct every, needed, FLOW_REQUIRED, "a text that is needed"),
    FLOW_PARAM_SIZE(struct every, size, "64KiB", 1, 1 << 28, "a size [bytes]"),
    FLOW_PARAM_DURATION(struct every, time, "10ms", 0, 8.64e13, "a duration"),
    FLOW_PARAM_ENUM(struct every, choice, "box", "box|linear|cubic", "a choice"),
    FLOW_PARAM_LIST(struct every, list, "[\"a\"]", "texts"),
    FLOW_PARAM_JSON(struct every, json, NULL, "anything"),
    FLOW_PARAM_END,
};

static void count_finding(void *context, const char *key, const char *message, const char *hint)
{
    size_t *count = context;
    (void)hint;
    MUST_HOLD(message[0] != '\0' && (key == NULL || strlen(key) < SIZE_MAX));
    ++*count;
}

static void try_value(json_t *json, const uint8_t *data, size_t size)
{
    size_t findings = 0;
    const struct flow_param_report report = {&findings, count_finding};
    const bool good = flow_params_check(table, json, &report);
    MUST_HOLD(good == (findings == 0));

    struct every state = {0};
    struct flow_error err = {0};
    fuzz_short_memory(data, size);
    const enum flow_status rc = flow_params_read(table, json, &state, &err);
    flow_mem_fail_at(-1);
    MUST_HOLD((rc == FLOW_OK) == (err.text[0] == '\0'));
    MUST_HOLD(rc == FLOW_ENOMEM || (rc == FLOW_OK) == good);
    MUST_HOLD(rc != FLOW_OK || (state.needed != NULL && state.size >= 1 && state.choice < 3));
    flow_params_clear(table, &state);
    flow_params_clear(table, &state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool described;
    if (!described) { /* the other ways to look at a table, once */
        struct flow_str text = {0};
        MUST_HOLD(flow_params_validate(table, sizeof(struct every), NULL) == FLOW_OK);
        flow_params_describe(table, &text);
        flow_str_clear(&text);
        json_decref(flow_params_schema(table));
        described = true;
    }
    json_t *json = json_loadb((const char *)data, size,
                              JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK, NULL);
    if (json != NULL)
        try_value(json, data, size);
    json_decref(json);
    return 0;
}
