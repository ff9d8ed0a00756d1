/* SPDX-License-Identifier: MIT */
/* What came of a stage under test: its state saved, what it emitted, refused and said. */
#include "testing/harness.h"

#include <stdlib.h>

struct saver {
    struct flow_saver saver; /* first: the stage is handed its address */
    struct flow_harness_saved *saved;
};

static enum flow_status on_put(struct flow_saver *to, const void *data, size_t size)
{
    struct flow_harness_saved *saved = ((struct saver *)to)->saved;
    saved->bytes = flow_harness_must(realloc(saved->bytes, saved->size + size + 1));
    if (size > 0)
        memcpy(saved->bytes + saved->size, data, size);
    saved->size += size;
    return FLOW_OK;
}

enum flow_status flow_harness_save(struct flow_harness *h, struct flow_harness_saved *saved)
{
    flow_harness_require(h, h->type->save != NULL, "it has no save");
    *saved = (struct flow_harness_saved){.bytes = flow_harness_must(malloc(1))};
    struct saver saver = {{on_put}, saved};
    return h->type->save(h->state, &h->stage, &saver.saver);
}

/* From memory of exactly the size, so that AddressSanitizer sees a byte too far. */
enum flow_status flow_harness_restore(struct flow_harness *h,
                                      const struct flow_harness_saved *saved)
{
    flow_harness_require(h, h->type->restore != NULL, "it has no restore");
    uint8_t *bytes = flow_harness_must(malloc(saved->size > 0 ? saved->size : 1));
    memcpy(bytes, saved->bytes, saved->size);
    struct flow_loader loader = {bytes, saved->size};
    const enum flow_status rc = h->type->restore(h->state, &h->stage, &loader);
    free(bytes);
    flow_harness_require(h, rc != FLOW_OK || loader.left == 0,
                         "restore leaves %zu bytes of what save has saved", loader.left);
    return rc;
}

enum flow_status flow_harness_commit(struct flow_harness *h, uint64_t epoch)
{
    flow_harness_require(h, h->type->commit != NULL, "it has no commit");
    return h->type->commit(h->state, &h->stage, epoch);
}

size_t flow_harness_count(const struct flow_harness *h, unsigned port)
{
    size_t count = 0;
    for (size_t i = 0; i < h->emitted_count; i++)
        count += h->emitted[i].port == port;
    return count;
}

const struct flow_harness_record *flow_harness_record(const struct flow_harness *h, unsigned port,
                                                      size_t i)
{
    for (size_t at = 0; at < h->emitted_count; at++) {
        if (h->emitted[at].port == port && i-- == 0)
            return &h->emitted[at];
    }
    flow_harness_require(h, false, "it emitted %zu records on port %u, no more",
                         flow_harness_count(h, port), port);
    return NULL;
}

const char *flow_harness_text(struct flow_harness *h, unsigned port)
{
    size_t size = 1;
    for (size_t i = 0; i < h->emitted_count; i++)
        size += h->emitted[i].size + 1;
    free(h->text);
    h->text = flow_harness_must(malloc(size));
    char *end = h->text;
    for (size_t i = 0; i < h->emitted_count; i++) {
        if (h->emitted[i].port != port)
            continue;
        memcpy(end, h->emitted[i].data, h->emitted[i].size);
        end += h->emitted[i].size;
        *end++ = '\n';
    }
    *end = '\0';
    return h->text;
}

size_t flow_harness_reject_count(const struct flow_harness *h)
{
    return h->reject_count;
}

const char *flow_harness_reject(const struct flow_harness *h, size_t i)
{
    flow_harness_require(h, i < h->reject_count, "it rejected %zu records, no more",
                         h->reject_count);
    return h->rejects[i];
}

size_t flow_harness_log_count(const struct flow_harness *h)
{
    return h->log_count;
}

const char *flow_harness_log(const struct flow_harness *h, size_t i)
{
    flow_harness_require(h, i < h->log_count, "it logged %zu lines, no more", h->log_count);
    return h->logs[i];
}

const char *flow_harness_failure(const struct flow_harness *h)
{
    return h->failure;
}

int64_t flow_harness_waited_ns(const struct flow_harness *h)
{
    return h->waited_ns;
}

void *flow_harness_state(struct flow_harness *h)
{
    return h->state;
}

const char *flow_harness_weakness(const struct flow_harness *h)
{
    return h->type->weakness != NULL ? h->type->weakness(h->state) : NULL;
}
