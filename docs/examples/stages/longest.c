/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <stdlib.h>

struct longest {
    char *bytes; /* the longest record so far; NULL: none yet */
    size_t size;
};

static enum flow_status process(void *self, struct flow_stage *stage,
                                const struct flow_record *record)
{
    struct longest *l = self;
    if (l->bytes != NULL && record->size <= l->size)
        return FLOW_OK;
    char *bytes = realloc(l->bytes, record->size + 1);
    if (bytes == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for %zu bytes", record->size);
    memcpy(bytes, record->data, record->size);
    l->bytes = bytes;
    l->size = record->size;
    return FLOW_OK;
}

static enum flow_status finish(void *self, struct flow_stage *stage)
{
    const struct longest *l = self;
    return l->bytes != NULL ? flow_emit(stage, l->bytes, l->size) : FLOW_OK;
}

static void close(void *self, struct flow_stage *stage)
{
    (void)stage;
    free(((struct longest *)self)->bytes);
}

static const struct flow_stage_type longest = {
    .name = "text.longest",
    .help = "emits the longest record when the input has ended",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL,
    .state_size = sizeof(struct longest),
    .process = process,
    .finish = finish,
    .close = close,
};

FLOW_PLUGIN(&longest);
