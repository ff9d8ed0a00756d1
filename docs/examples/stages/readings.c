/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <stdlib.h>

struct readings {
    double limit;
};

static const struct flow_param params[] = {
    FLOW_PARAM_F64(struct readings, limit, "30", -100, 100, "above it, it is hot [degrees C]"),
    FLOW_PARAM_END,
};

enum { OUT, HOT };

static const struct flow_port outputs[] = {
    {"out", "text", "readings up to the limit; the key is the station"},
    {"hot", "text", "those above it"},
    {NULL, NULL, NULL},
};

/* One record is "STATION DEGREES". */
static enum flow_status process(void *self, struct flow_stage *stage,
                                const struct flow_record *record)
{
    const struct readings *r = self;
    char text[64];
    if (record->size >= sizeof(text))
        return flow_reject(stage, "%zu bytes are too long for a reading", record->size);
    memcpy(text, record->data, record->size);
    text[record->size] = '\0';

    char *blank = strchr(text, ' ');
    char *end = NULL;
    const double degrees = blank != NULL ? strtod(blank + 1, &end) : 0;
    if (blank == NULL || end == blank + 1 || end != text + record->size)
        return flow_reject(stage, "'%s' is not STATION DEGREES", text);

    const struct flow_target to = {
        .port = degrees > r->limit ? HOT : OUT,
        .key = text,
        .key_size = (size_t)(blank - text),
    };
    return flow_emit_to(stage, &to, record->data, record->size);
}

static const struct flow_stage_type readings = {
    .name = "weather.readings",
    .help = "parts hot readings from the others",
    .role = FLOW_WORKER,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct readings),
    .process = process,
};

FLOW_PLUGIN(&readings);
