/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct grep {
    char *pattern;
    bool ignore_case;
    bool invert;
    pcre2_code *code;
    pcre2_match_data *match;
};

enum { PORT_OUT, PORT_UNMATCHED };

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct grep, pattern, FLOW_REQUIRED,
                   "regular expression as in Perl; it may match anywhere in a record"),
    FLOW_PARAM_BOOL(struct grep, ignore_case, "false", "a and A are the same"),
    FLOW_PARAM_BOOL(struct grep, invert, "false", "swap the two ports"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "records to look at"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "records that match, unchanged"},
    {"unmatched", "bytes", "the others, unchanged"},
    {NULL, NULL, NULL},
};

static enum flow_status grep_open(void *self, struct flow_stage *stage)
{
    struct grep *g = self;
    int error = 0;
    PCRE2_SIZE at = 0;
    g->code = pcre2_compile((PCRE2_SPTR)g->pattern, PCRE2_ZERO_TERMINATED,
                            g->ignore_case ? PCRE2_CASELESS : 0, &error, &at, NULL);
    if (g->code == NULL) {
        PCRE2_UCHAR reason[256] = "";
        (void)pcre2_get_error_message(error, reason, sizeof(reason));
        return flow_stage_fail(stage, FLOW_EINVAL, "pattern '%s', character %zu: %s", g->pattern,
                               (size_t)at + 1, (const char *)reason);
    }
    /* Where the machine has no JIT the interpreter does the same, slower. */
    (void)pcre2_jit_compile(g->code, PCRE2_JIT_COMPLETE);
    g->match = pcre2_match_data_create_from_pattern(g->code, NULL);
    if (g->match == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for pattern '%s'", g->pattern);
    return FLOW_OK;
}

static enum flow_status grep_record(const struct grep *g, struct flow_stage *stage,
                                    const struct flow_record *record, uint32_t index)
{
    const int found = pcre2_match(g->code, record->data, record->size, 0, 0, g->match, NULL);
    if (found < 0 && found != PCRE2_ERROR_NOMATCH) {
        PCRE2_UCHAR reason[256] = "";
        (void)pcre2_get_error_message(found, reason, sizeof(reason));
        return flow_batch_reject(stage, index, "pattern '%s': %s", g->pattern,
                                 (const char *)reason);
    }
    const bool matches = found >= 0;
    return flow_forward(stage, matches != g->invert ? PORT_OUT : PORT_UNMATCHED, record);
}

static enum flow_status grep_process_batch(void *self, struct flow_stage *stage,
                                           const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    for (uint32_t i = 0; rc == FLOW_OK && i < batch->count; i++) {
        const struct flow_record record = flow_batch_record(batch, i);
        rc = grep_record(self, stage, &record, i);
    }
    return rc;
}

static void grep_close(void *self, struct flow_stage *stage)
{
    struct grep *g = self;
    (void)stage;
    pcre2_match_data_free(g->match);
    pcre2_code_free(g->code);
}

static const struct flow_stage_type grep = {
    .name = "text.grep",
    .help = "parts records that match a regular expression from the others",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct grep),
    .open = grep_open,
    .process_batch = grep_process_batch,
    .close = grep_close,
};

FLOW_PLUGIN(&grep);
