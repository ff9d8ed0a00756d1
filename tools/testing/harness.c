/* SPDX-License-Identifier: MIT */
/* The engine's side of a stage under test, and its life from its parameters to its end. */
#include "testing/harness.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "param/param.h"
#include "stage/type.h"

void *flow_harness_must(void *memory)
{
    if (memory == NULL)
        flow_harness_broken("no memory for the test");
    return memory;
}

FLOW_PRINTF(2, 0)
static void end_test(const struct flow_harness *h, const char *fmt, va_list args)
{
    char text[1024];
    const int size = snprintf(text, sizeof(text), "%s: ", h->type->name);
    (void)vsnprintf(text + size, sizeof(text) - (size_t)size, fmt, args);
    flow_harness_broken(text);
}

void flow_harness_require(const struct flow_harness *h, bool holds, const char *fmt, ...)
{
    if (holds)
        return;
    va_list args;
    va_start(args, fmt);
    end_test(h, fmt, args);
    va_end(args);
}

struct flow_harness *flow_harness_of(struct flow_stage *stage)
{
    return (struct flow_harness *)stage;
}

bool flow_harness_reached(const struct flow_harness *h, size_t limit)
{
    return limit > 0 && h->emitted_count >= limit;
}

static void add_text(char ***list, size_t *count, const char *text)
{
    *list = flow_harness_must(realloc(*list, (*count + 1) * sizeof(**list)));
    (*list)[(*count)++] = flow_harness_copy(text, strlen(text));
}

static unsigned output_count(const struct flow_harness *h)
{
    unsigned count = 0;
    if (h->type->role == FLOW_CONSUMER)
        return 0;
    if (h->type->outputs == NULL)
        return 1;
    while (h->type->outputs[count].name != NULL)
        count++;
    return count;
}

static void require_port(const struct flow_harness *h, unsigned port)
{
    flow_harness_require(h, port < output_count(h), "it names output port %u, and has %u", port,
                         output_count(h));
}

static void require_size(const struct flow_harness *h, size_t size)
{
    flow_harness_require(h, size <= FLOW_RECORD_MAX,
                         "it emits %zu bytes at once, where %zu are allowed", size,
                         FLOW_RECORD_MAX);
}

static enum flow_status on_emit(struct flow_stage *stage, const struct flow_target *to,
                                const void *data, size_t size)
{
    struct flow_harness *h = flow_harness_of(stage);
    require_port(h, to->port);
    flow_harness_require(h, data != NULL, "what it emits is NULL");
    require_size(h, size + to->key_size);
    if (flow_harness_reached(h, h->options.abort_after))
        return FLOW_EABORT;
    struct flow_harness_record record = {.port = to->port, .size = size, .key_size = to->key_size};
    memcpy(&record.data, &data, sizeof(data)); /* only read from */
    memcpy(&record.key, &to->key, sizeof(to->key));
    flow_harness_add(&h->emitted, &h->emitted_count, &record);
    return FLOW_OK;
}

static enum flow_status on_forward(struct flow_stage *stage, unsigned port,
                                   const struct flow_record *record)
{
    const struct flow_target to = {port, record->key, record->key_size};
    return on_emit(stage, &to, record->data, record->size);
}

static enum flow_status on_forward_batch(struct flow_stage *stage, unsigned port,
                                         const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    for (uint32_t i = 0; rc == FLOW_OK && i < batch->count; i++) {
        const struct flow_record record = flow_batch_record(batch, i);
        rc = on_forward(stage, port, &record);
    }
    return rc;
}

/* What is fed lies in memory of this harness, which nobody else reads. */
static void *on_edit(struct flow_stage *stage, const struct flow_record *record)
{
    (void)stage;
    void *bytes;
    memcpy(&bytes, &record->data, sizeof(bytes));
    return bytes;
}

static uint8_t *on_edit_batch(struct flow_stage *stage, const struct flow_batch *batch)
{
    (void)stage;
    uint8_t *bytes;
    memcpy(&bytes, &batch->bytes, sizeof(bytes));
    return bytes;
}

static void *on_reserve(struct flow_stage *stage, unsigned port, size_t size)
{
    struct flow_harness *h = flow_harness_of(stage);
    if (flow_harness_reached(h, h->options.abort_after))
        return NULL;
    require_port(h, port);
    require_size(h, size);
    free(h->reserved);
    h->reserved = flow_harness_must(malloc(size));
    h->reserved_size = size;
    h->reserved_port = port;
    return h->reserved;
}

static enum flow_status on_commit(struct flow_stage *stage, const struct flow_target *to,
                                  size_t size)
{
    struct flow_harness *h = flow_harness_of(stage);
    flow_harness_require(h, h->reserved != NULL, "it commits what it has not reserved");
    flow_harness_require(h, size <= h->reserved_size, "it commits %zu bytes and has reserved %zu",
                         size, h->reserved_size);
    flow_harness_require(h, to->port == h->reserved_port,
                         "it commits to port %u what it has reserved on port %u", to->port,
                         h->reserved_port);
    const enum flow_status rc = on_emit(stage, to, h->reserved, size);
    free(h->reserved);
    h->reserved = NULL;
    return rc;
}

FLOW_PRINTF(4, 0)
static enum flow_status on_fail(struct flow_stage *stage, enum flow_status status, uint32_t index,
                                const char *fmt, va_list args)
{
    struct flow_harness *h = flow_harness_of(stage);
    char text[1024];
    (void)vsnprintf(text, sizeof(text), fmt, args);
    if (status != FLOW_EBAD) {
        flow_harness_require(h, h->failure[0] == '\0',
                             "it goes on after it has failed: %s; then: %s", h->failure, text);
        memcpy(h->failure, text, sizeof(text));
        return status;
    }
    flow_harness_require(h, index < h->in_hand || h->resumed != NULL,
                         "it rejects record %u of %u: %s", (unsigned)index, (unsigned)h->in_hand,
                         text);
    if (h->type->ready != NULL && !h->by_batch)
        index = h->resumed != NULL ? h->resumed->index : h->taken_index;
    char line[sizeof(text) + 16];
    (void)snprintf(line, sizeof(line), "%u: %s", (unsigned)index, text);
    add_text(&h->rejects, &h->reject_count, line);
    return h->by_batch ? FLOW_OK : FLOW_EBAD;
}

static enum flow_status on_wait(struct flow_stage *stage, int fd, short events, int64_t timeout_ns)
{
    struct flow_harness *h = flow_harness_of(stage);
    if (flow_harness_reached(h, h->options.abort_after))
        return FLOW_EABORT;
    if (h->type->role == FLOW_PRODUCER && flow_harness_reached(h, h->options.stop_after))
        return FLOW_ECLOSED;
    if (fd < 0) {
        flow_harness_require(h, timeout_ns >= 0, "it waits for nothing, for ever");
        h->waited_ns += timeout_ns;
        return FLOW_EAGAIN;
    }
    struct pollfd ready = {.fd = fd, .events = events};
    const bool bounded =
        timeout_ns >= 0 && timeout_ns < FLOW_HARNESS_PATIENCE_MS * (int64_t)1000000;
    const int count =
        poll(&ready, 1, bounded ? (int)(timeout_ns / 1000000) : FLOW_HARNESS_PATIENCE_MS);
    flow_harness_require(h, count == 1 || (count == 0 && bounded),
                         "nothing came for %d s on the descriptor that it waits for",
                         FLOW_HARNESS_PATIENCE_MS / 1000);
    return count == 1 ? FLOW_OK : FLOW_EAGAIN;
}

static bool on_stopping(const struct flow_stage *stage)
{
    const struct flow_harness *h = (const struct flow_harness *)stage;
    return flow_harness_reached(h, h->options.stop_after);
}

static bool on_connected(const struct flow_stage *stage, unsigned port)
{
    const struct flow_harness *h = (const struct flow_harness *)stage;
    require_port(h, port);
    return !h->options.unread;
}

FLOW_PRINTF(2, 0)
static void on_log(struct flow_stage *stage, const char *fmt, va_list args)
{
    struct flow_harness *h = flow_harness_of(stage);
    char text[1024];
    (void)vsnprintf(text, sizeof(text), fmt, args);
    add_text(&h->logs, &h->log_count, text);
}

static const struct flow_calls calls = {
    .abi = FLOW_ABI,
    .emit = on_emit,
    .forward = on_forward,
    .forward_batch = on_forward_batch,
    .edit = on_edit,
    .edit_batch = on_edit_batch,
    .reserve = on_reserve,
    .commit = on_commit,
    .fail = on_fail,
    .wait = on_wait,
    .stopping = on_stopping,
    .connected = on_connected,
    .hold = flow_harness_on_hold,
    .resume = flow_harness_on_resume,
    .done = flow_harness_on_done,
    .hold_most = flow_harness_on_hold_most,
    .watch = flow_harness_on_watch,
    .unwatch = flow_harness_on_unwatch,
    .timer = flow_harness_on_timer,
    .log = on_log,
};

static struct flow_info make_info(const struct flow_stage_type *type,
                                  const struct flow_harness_options *options)
{
    unsigned inputs = type->inputs == NULL && type->role != FLOW_PRODUCER ? 1 : 0;
    for (const struct flow_port *port = type->inputs; port != NULL && port->name != NULL; port++)
        inputs++;
    return (struct flow_info){
        .name = options->name != NULL ? options->name : "stage",
        .replica = options->replica,
        .replicas = options->replicas > 0 ? options->replicas : 1,
        .inputs = inputs,
        .folder = options->folder != NULL ? options->folder : ".",
        .checkpoints = options->checkpoints,
        .resumes = options->resumes,
        .numbered = options->numbered,
        .spools = options->respooled > 0,
        .respooled = options->respooled,
    };
}

/* Fill the zeroed state. */
static enum flow_status read_params(const struct flow_stage_type *type, const char *with,
                                    void *state, struct flow_error *err)
{
    json_error_t why;
    json_t *json = with != NULL ? json_loads(with, 0, &why) : NULL;
    if (with != NULL && json == NULL)
        return flow_fail(err, FLOW_EPROTO, "the parameters %s are not JSON: %s", with, why.text);
    const enum flow_status rc = flow_params_read(type->params, json, state, err);
    json_decref(json);
    return rc;
}

/* NULL: `err` says what the type or its parameters lack. */
static struct flow_harness *make(const struct flow_stage_type *type,
                                 const struct flow_harness_options *options, struct flow_error *err)
{
    struct flow_harness *h = flow_harness_must(calloc(1, sizeof(*h)));
    h->state = flow_harness_must(calloc(1, type->state_size > 0 ? type->state_size : 1));
    if (flow_type_check(type, err) != FLOW_OK ||
        read_params(type, options->with, h->state, err) != FLOW_OK) {
        free(h->state);
        free(h);
        return NULL;
    }
    h->options = *options;
    h->type = type;
    h->most = 1000;
    h->by_batch = type->process == NULL;
    h->info = make_info(type, options);
    h->rooms[0] = &h->no_room;
    h->stage = (struct flow_stage){.calls = &calls, .info = &h->info, .rooms = h->rooms};
    return h;
}

struct flow_harness *flow_harness_new(const struct flow_stage_type *type,
                                      const struct flow_harness_options *options)
{
    static const struct flow_harness_options none = {0};
    struct flow_error err = {0};
    struct flow_harness *h = make(type, options != NULL ? options : &none, &err);
    if (h == NULL) {
        char text[sizeof(err.text) + 128];
        (void)snprintf(text, sizeof(text), "%s: %s", type->name, err.text);
        flow_harness_broken(text);
    }
    return h;
}

char *flow_harness_refusal(const struct flow_stage_type *type, const char *with)
{
    const struct flow_harness_options options = {.with = with};
    struct flow_error err = {0};
    struct flow_harness *h = make(type, &options, &err);
    if (h == NULL)
        return flow_harness_copy(err.text, strlen(err.text));
    h->closed = true; /* it was never open */
    flow_harness_free(h);
    return NULL;
}

void flow_harness_close(struct flow_harness *h)
{
    if (!h->closed && h->type->close != NULL)
        h->type->close(h->state, &h->stage);
    h->closed = true;
}

static void free_records(struct flow_harness_record *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(list[i].data);
        free(list[i].key);
    }
    free(list);
}

static void free_texts(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

void flow_harness_free(struct flow_harness *h)
{
    if (h == NULL)
        return;
    flow_harness_close(h);
    while (h->flights != NULL)
        flow_harness_forget(h, h->flights);
    flow_params_clear(h->type->params, h->state);
    flow_harness_clear_batch(h);
    free_records(h->fed, h->fed_count);
    free_records(h->emitted, h->emitted_count);
    free_texts(h->rejects, h->reject_count);
    free_texts(h->logs, h->log_count);
    free(h->reserved);
    free(h->state);
    free(h->text);
    free(h);
}

enum flow_status flow_harness_open(struct flow_harness *h)
{
    return h->type->open != NULL ? h->type->open(h->state, &h->stage) : FLOW_OK;
}

enum flow_status flow_harness_work(struct flow_harness *h)
{
    enum flow_status rc = FLOW_OK;
    if (h->type->role == FLOW_PRODUCER) {
        while (rc == FLOW_OK)
            rc = h->type->produce(h->state, &h->stage);
        return rc == FLOW_ECLOSED ? FLOW_OK : rc;
    }
    while (rc == FLOW_OK && h->given < h->fed_count)
        rc = flow_harness_give(h);
    return rc;
}

enum flow_status flow_harness_step(struct flow_harness *h)
{
    flow_harness_require(h, h->type->produce != NULL, "it is no producer");
    return h->type->produce(h->state, &h->stage);
}

enum flow_status flow_harness_finish(struct flow_harness *h)
{
    const enum flow_status rc = flow_harness_drain(h);
    if (rc != FLOW_OK || h->type->finish == NULL)
        return rc;
    return h->type->finish(h->state, &h->stage);
}

enum flow_status flow_harness_run(struct flow_harness *h)
{
    enum flow_status rc = flow_harness_open(h);
    if (rc == FLOW_OK)
        rc = flow_harness_work(h);
    if (rc == FLOW_OK)
        rc = flow_harness_finish(h);
    /* Who fails says why; who is aborted need not. */
    flow_harness_require(h, rc == FLOW_OK || rc == FLOW_EABORT || h->failure[0] != '\0',
                         "it returns status %d without having said why", (int)rc);
    return rc;
}
