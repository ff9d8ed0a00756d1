/* SPDX-License-Identifier: MIT */
#include "support/harness.h"

#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "param/param.h"
#include "stages/builtin.h"
#include "support/check.h"

#define PATIENCE_MS 20000 /* for a descriptor that never gets ready */

/* A record in flight. */
struct flight {
    struct flow_token token; /* first: what the stage is handed */
    struct flight *next;
    uint32_t index; /* among those fed */
    size_t emitted; /* how many records there were when it was taken in hand */
};

struct timer {
    uint64_t tag;
    int64_t due_ns; /* by the clock and what was added to it */
};

#define WATCHED 256

struct harness {
    struct flow_stage stage; /* first: callbacks hand its address back */
    struct flow_info info;
    struct flow_room_ no_room; /* so that every record comes by a call */
    struct flow_room_ *rooms[1];
    struct harness_options options;
    const struct flow_stage_type *type;
    void *state;
    bool closed;
    struct harness_record *fed;
    size_t fed_count;
    struct harness_record *emitted;
    size_t emitted_count;
    char *reserved; /* NULL: nothing */
    size_t reserved_size;
    unsigned reserved_port;
    char **rejects;
    size_t reject_count;
    uint32_t in_hand; /* records that the stage may refuse */
    char failure[1024];
    int64_t waited_ns;
    char *text;
    struct flight *flights; /* of which none is done */
    size_t flight_count, most;
    struct flight *resumed;
    const struct flow_record *taken; /* by `process`; NULL: none */
    uint32_t taken_index;
    struct flight *holds; /* what it holds of it */
    struct timer timers[WATCHED];
    size_t timer_count;
    struct pollfd watched[WATCHED];
    uint64_t tags[WATCHED];
    size_t watched_count;
};

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static struct harness *self(struct flow_stage *stage)
{
    return (struct harness *)stage;
}

static bool reached(const struct harness *h, size_t limit)
{
    return limit > 0 && h->emitted_count >= limit;
}

static char *copy(const void *data, size_t size)
{
    char *text = must(malloc(size + 1));
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

static void add(struct harness_record **list, size_t *count, const struct harness_record *record)
{
    if ((*count & (*count - 1)) == 0) /* 0 or a power of two: the list is full */
        *list = must(realloc(*list, (*count > 0 ? *count * 2 : 1) * sizeof(**list)));
    (*list)[*count] = (struct harness_record){
        .port = record->port,
        .data = copy(record->data, record->size),
        .size = record->size,
        .key = record->key_size > 0 ? copy(record->key, record->key_size) : NULL,
        .key_size = record->key_size,
    };
    (*count)++;
}

static unsigned output_count(const struct harness *h)
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

static enum flow_status on_emit(struct flow_stage *stage, const struct flow_target *to,
                                const void *data, size_t size)
{
    struct harness *h = self(stage);
    assert_true(to->port < output_count(h));
    assert_non_null(data);
    assert_true(size + to->key_size <= FLOW_RECORD_MAX);
    if (reached(h, h->options.abort_after))
        return FLOW_EABORT;
    struct harness_record record = {.port = to->port, .size = size, .key_size = to->key_size};
    memcpy(&record.data, &data, sizeof(data)); /* only read from */
    memcpy(&record.key, &to->key, sizeof(to->key));
    add(&h->emitted, &h->emitted_count, &record);
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
    struct harness *h = self(stage);
    if (reached(h, h->options.abort_after))
        return NULL;
    assert_true(port < output_count(h));
    assert_true(size <= FLOW_RECORD_MAX);
    free(h->reserved);
    h->reserved = must(malloc(size));
    h->reserved_size = size;
    h->reserved_port = port;
    return h->reserved;
}

static enum flow_status on_commit(struct flow_stage *stage, const struct flow_target *to,
                                  size_t size)
{
    struct harness *h = self(stage);
    assert_non_null(h->reserved);
    assert_true(size <= h->reserved_size);
    assert_int_equal(to->port, h->reserved_port);
    const enum flow_status rc = on_emit(stage, to, h->reserved, size);
    free(h->reserved);
    h->reserved = NULL;
    return rc;
}

FLOW_PRINTF(4, 0)
static enum flow_status on_fail(struct flow_stage *stage, enum flow_status status, uint32_t index,
                                const char *fmt, va_list args)
{
    struct harness *h = self(stage);
    char text[1024];
    (void)vsnprintf(text, sizeof(text), fmt, args);
    if (status != FLOW_EBAD) {
        assert_string_equal(h->failure, "");
        memcpy(h->failure, text, sizeof(text));
        return status;
    }
    assert_true(index < h->in_hand || h->resumed != NULL);
    if (h->resumed != NULL)
        index = h->resumed->index;
    char *line = NULL;
    if (asprintf(&line, "%u: %s", (unsigned)index, text) < 0)
        abort();
    h->rejects = must(realloc(h->rejects, (h->reject_count + 1) * sizeof(*h->rejects)));
    h->rejects[h->reject_count++] = line;
    return h->type->process_batch != NULL ? FLOW_OK : FLOW_EBAD;
}

static enum flow_status on_wait(struct flow_stage *stage, int fd, short events, int64_t timeout_ns)
{
    struct harness *h = self(stage);
    if (reached(h, h->options.abort_after))
        return FLOW_EABORT;
    if (h->type->role == FLOW_PRODUCER && reached(h, h->options.stop_after))
        return FLOW_ECLOSED;
    if (fd < 0) {
        assert_true(timeout_ns >= 0);
        h->waited_ns += timeout_ns;
        return FLOW_EAGAIN;
    }
    struct pollfd ready = {.fd = fd, .events = events};
    const bool bounded = timeout_ns >= 0 && timeout_ns < PATIENCE_MS * (int64_t)1000000;
    const int count = poll(&ready, 1, bounded ? (int)(timeout_ns / 1000000) : PATIENCE_MS);
    assert_true(count == 1 || (count == 0 && bounded));
    return count == 1 ? FLOW_OK : FLOW_EAGAIN;
}

static bool on_stopping(const struct flow_stage *stage)
{
    const struct harness *h = (const struct harness *)stage;
    return reached(h, h->options.stop_after);
}

static bool on_connected(const struct flow_stage *stage, unsigned port)
{
    const struct harness *h = (const struct harness *)stage;
    assert_true(port < output_count(h));
    return !h->options.unread;
}

FLOW_PRINTF(2, 0)
static void on_log(struct flow_stage *stage, const char *fmt, va_list args)
{
    (void)stage;
    char text[1024];
    assert_true(vsnprintf(text, sizeof(text), fmt, args) >= 0);
}

/* ---- records in flight ---- */

static void forget(struct harness *h, struct flight *flight)
{
    struct flight **at = &h->flights;
    while (*at != flight)
        at = &(*at)->next;
    *at = flight->next;
    h->flight_count--;
    if (h->resumed == flight)
        h->resumed = NULL;
    if (h->holds == flight)
        h->holds = NULL;
    union {
        const void *in;
        void *out;
    } data = {flight->token.record.data}, key = {flight->token.record.key};
    free(data.out);
    free(key.out);
    free(flight);
}

static struct flow_token *on_hold(struct flow_stage *stage, const struct flow_record *record)
{
    struct harness *h = self(stage);
    assert_non_null(h->type->ready);
    assert_true(h->taken == record);
    assert_null(h->holds);
    struct flight *flight = must(calloc(1, sizeof(*flight)));
    flight->token.record = *record;
    flight->token.record.data = copy(record->data, record->size);
    flight->token.record.key = record->key_size > 0 ? copy(record->key, record->key_size) : NULL;
    flight->index = h->taken_index;
    flight->next = h->flights;
    h->flights = h->holds = flight;
    h->flight_count++;
    return &flight->token;
}

static enum flow_status on_resume(struct flow_stage *stage, struct flow_token *token)
{
    struct harness *h = self(stage);
    struct flight *flight = h->flights;
    while (flight != NULL && &flight->token != token)
        flight = flight->next;
    assert_non_null(flight);
    h->resumed = flight;
    flight->emitted = h->emitted_count;
    return reached(h, h->options.abort_after) ? FLOW_EABORT : FLOW_OK;
}

static enum flow_status on_done(struct flow_stage *stage, struct flow_token *token,
                                enum flow_status status)
{
    struct harness *h = self(stage);
    if (h->resumed == NULL || &h->resumed->token != token) {
        const enum flow_status rc = on_resume(stage, token);
        if (rc != FLOW_OK)
            return rc;
    }
    forget(h, h->resumed);
    return status == FLOW_EBAD ? FLOW_OK : status;
}

static void on_hold_most(struct flow_stage *stage, size_t count)
{
    assert_true(count > 0);
    self(stage)->most = count;
}

static size_t find_watched(const struct harness *h, int fd)
{
    size_t at = 0;
    while (at < h->watched_count && h->watched[at].fd != fd)
        at++;
    return at;
}

static enum flow_status on_watch(struct flow_stage *stage, int fd, unsigned events, uint64_t tag)
{
    struct harness *h = self(stage);
    const size_t at = find_watched(h, fd);
    assert_true(fd >= 0 && at < WATCHED);
    h->watched[at] = (struct pollfd){.fd = fd, .events = (short)events};
    h->tags[at] = tag;
    h->watched_count += at == h->watched_count;
    return FLOW_OK;
}

static void on_unwatch(struct flow_stage *stage, int fd)
{
    struct harness *h = self(stage);
    const size_t at = find_watched(h, fd);
    if (at == h->watched_count)
        return;
    h->watched_count--;
    h->watched[at] = h->watched[h->watched_count];
    h->tags[at] = h->tags[h->watched_count];
}

static int64_t now_of(const struct harness *h)
{
    return flow_now_ns() + h->waited_ns;
}

static enum flow_status on_timer(struct flow_stage *stage, uint64_t tag, int64_t after_ns)
{
    struct harness *h = self(stage);
    for (size_t i = 0; i < h->timer_count; i++) {
        if (h->timers[i].tag == tag)
            h->timers[i--] = h->timers[--h->timer_count];
    }
    assert_true(h->timer_count < WATCHED);
    if (after_ns >= 0)
        h->timers[h->timer_count++] = (struct timer){tag, now_of(h) + after_ns};
    return FLOW_OK;
}

static enum flow_status call_ready(struct harness *h, uint64_t tag, unsigned events)
{
    const enum flow_status rc = h->type->ready(h->state, &h->stage, tag, events);
    h->resumed = NULL;
    return rc;
}

/* The timer that is due first; NULL: there is none. */
static struct timer *first_timer(struct harness *h)
{
    struct timer *first = NULL;
    for (size_t i = 0; i < h->timer_count; i++) {
        if (first == NULL || h->timers[i].due_ns < first->due_ns)
            first = &h->timers[i];
    }
    return first;
}

static enum flow_status call_timer(struct harness *h)
{
    const struct timer timer = *first_timer(h);
    (void)on_timer(&h->stage, timer.tag, -1);
    return call_ready(h, timer.tag, 0);
}

/* Without a descriptor, time is added up; with one, it has to pass. */
static int patience(struct harness *h)
{
    const struct timer *timer = first_timer(h);
    const int64_t left = timer != NULL ? timer->due_ns - now_of(h) : INT64_MAX;
    if (h->watched_count == 0) {
        assert_non_null(timer); /* else nothing would ever happen */
        h->waited_ns += left > 0 ? left : 0;
        return 0;
    }
    return left / 1000000 < PATIENCE_MS ? (int)(left > 0 ? left / 1000000 + 1 : 0) : PATIENCE_MS;
}

enum flow_status harness_turn(struct harness *h)
{
    const int patient = patience(h);
    struct pollfd ready[WATCHED];
    uint64_t tags[WATCHED];
    const size_t count = h->watched_count;
    memcpy(ready, h->watched, sizeof(ready));
    memcpy(tags, h->tags, sizeof(tags));
    const int some = poll(ready, count, patient);
    assert_true(some >= 0);
    if (some == 0 && first_timer(h) == NULL)
        fail_msg("nothing has happened for %d s", PATIENCE_MS / 1000);
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < count && rc == FLOW_OK; i++) {
        if (ready[i].revents != 0 && find_watched(h, ready[i].fd) < h->watched_count)
            rc = call_ready(h, tags[i], (unsigned)ready[i].revents);
    }
    while (rc == FLOW_OK && first_timer(h) != NULL && first_timer(h)->due_ns <= now_of(h))
        rc = call_timer(h);
    return rc;
}

size_t harness_in_flight(const struct harness *h)
{
    return h->flight_count;
}

enum flow_status harness_drain(struct harness *h)
{
    enum flow_status rc = FLOW_OK;
    if (h->type->flush != NULL)
        rc = h->type->flush(h->state, &h->stage);
    while (rc == FLOW_OK && h->flight_count > 0)
        rc = harness_turn(h);
    return rc;
}

void harness_drop(struct harness *h)
{
    assert_non_null(h->flights);
    struct flight *flight = h->flights;
    h->type->drop(h->state, &h->stage, &flight->token);
    forget(h, flight);
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
    .hold = on_hold,
    .resume = on_resume,
    .done = on_done,
    .hold_most = on_hold_most,
    .watch = on_watch,
    .unwatch = on_unwatch,
    .timer = on_timer,
    .log = on_log,
};

const struct flow_stage_type *harness_builtin(const char *name)
{
    for (size_t i = 0; flow_builtin_plugins[i] != NULL; i++) {
        const struct flow_stage_type *const *type = flow_builtin_plugins[i]->types;
        for (; *type != NULL; type++) {
            if (strcmp((*type)->name, name) == 0)
                return *type;
        }
    }
    fail_msg("no built-in stage type '%s'", name);
    return NULL;
}

struct harness *harness_new(const struct flow_stage_type *type,
                            const struct harness_options *options)
{
    struct harness *h = must(calloc(1, sizeof(*h)));
    h->options = *options;
    h->type = type;
    h->most = 1000;
    h->info = (struct flow_info){
        .name = "stage",
        .replica = options->replica,
        .replicas = options->replicas > 0 ? options->replicas : 1,
        .inputs = 1,
        .folder = ".",
        .checkpoints = options->checkpoints,
        .resumes = options->resumes,
        .numbered = options->numbered,
    };
    h->rooms[0] = &h->no_room;
    h->stage = (struct flow_stage){.calls = &calls, .info = &h->info, .rooms = h->rooms};
    h->state = must(calloc(1, type->state_size > 0 ? type->state_size : 1));
    json_t *with = options->with != NULL ? json_loads(options->with, 0, NULL) : NULL;
    assert_true(options->with == NULL || with != NULL);
    struct flow_error err = {0};
    if (flow_params_read(type->params, with, h->state, &err) != FLOW_OK)
        fail_msg("%s: %s", type->name, err.text);
    json_decref(with);
    return h;
}

void harness_close(struct harness *h)
{
    if (!h->closed && h->type->close != NULL)
        h->type->close(h->state, &h->stage);
    h->closed = true;
}

static void free_records(struct harness_record *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(list[i].data);
        free(list[i].key);
    }
    free(list);
}

void harness_free(struct harness *h)
{
    harness_close(h);
    while (h->flights != NULL)
        forget(h, h->flights);
    flow_params_clear(h->type->params, h->state);
    free_records(h->fed, h->fed_count);
    free_records(h->emitted, h->emitted_count);
    for (size_t i = 0; i < h->reject_count; i++)
        free(h->rejects[i]);
    free(h->rejects);
    free(h->reserved);
    free(h->state);
    free(h->text);
    free(h);
}

static void feed(struct harness *h, const char *key, const void *data, size_t size)
{
    struct harness_record record = {.size = size, .key_size = key != NULL ? strlen(key) : 0};
    memcpy(&record.data, &data, sizeof(data)); /* only read from */
    memcpy(&record.key, &key, sizeof(key));
    add(&h->fed, &h->fed_count, &record);
}

void harness_feed(struct harness *h, const char *text)
{
    feed(h, NULL, text, strlen(text));
}

void harness_feed_bytes(struct harness *h, const void *data, size_t size)
{
    feed(h, NULL, data, size);
}

void harness_feed_keyed(struct harness *h, const char *key, const char *text)
{
    feed(h, key, text, strlen(text));
}

/* The private layout of a batch: bytes upwards, the column of ends and key sizes downwards. */
struct packed {
    struct flow_batch batch;
    uint8_t *bytes;
    uint32_t *column; /* its entries in reverse */
};

static struct packed pack(const struct harness *h, size_t first, size_t count)
{
    size_t size = 0;
    for (size_t i = first; i < first + count; i++)
        size += h->fed[i].size + h->fed[i].key_size;
    struct packed p = {.bytes = must(malloc(size)),
                       .column = must(malloc(count * 2 * sizeof(*p.column)))};
    uint32_t end = 0;
    for (size_t i = 0; i < count; i++) {
        const struct harness_record *record = &h->fed[first + i];
        memcpy(p.bytes + end, record->data, record->size);
        end += (uint32_t)record->size;
        if (record->key_size > 0)
            memcpy(p.bytes + end, record->key, record->key_size);
        end += (uint32_t)record->key_size;
        p.column[count * 2 - 1 - i * 2] = end;
        p.column[count * 2 - 2 - i * 2] = (uint32_t)record->key_size;
    }
    p.batch = (struct flow_batch){
        .bytes = p.bytes,
        .top = (const uint8_t *)(p.column + count * 2),
        .count = (uint32_t)count,
        .keyed = true,
        .number = first,
    };
    return p;
}

/* Hand the stage one record. */
static enum flow_status take(struct harness *h, const struct flow_record *record, uint32_t index)
{
    h->in_hand = 1;
    h->taken = record;
    h->taken_index = index;
    h->holds = NULL;
    const enum flow_status rc = h->type->process(h->state, &h->stage, record);
    if (rc != FLOW_OK && h->holds != NULL)
        forget(h, h->holds);
    h->taken = NULL;
    h->resumed = NULL;
    return rc == FLOW_EBAD ? FLOW_OK : rc;
}

static enum flow_status give(struct harness *h, size_t first, size_t count)
{
    struct packed p = pack(h, first, count);
    enum flow_status rc = FLOW_OK;
    if (h->type->process_batch != NULL) {
        h->in_hand = p.batch.count;
        rc = h->type->process_batch(h->state, &h->stage, &p.batch);
        assert_int_not_equal(rc, FLOW_EBAD);
    }
    for (uint32_t i = 0; h->type->process != NULL && rc == FLOW_OK && i < p.batch.count; i++) {
        const struct flow_record record = flow_batch_record(&p.batch, i);
        while (rc == FLOW_OK && h->flight_count >= h->most)
            rc = harness_turn(h);
        if (rc == FLOW_OK)
            rc = take(h, &record, (uint32_t)(first + i));
    }
    h->in_hand = 0;
    free(p.bytes);
    free(p.column);
    return rc;
}

enum flow_status harness_open(struct harness *h)
{
    return h->type->open != NULL ? h->type->open(h->state, &h->stage) : FLOW_OK;
}

enum flow_status harness_work(struct harness *h)
{
    enum flow_status rc = FLOW_OK;
    if (h->type->role == FLOW_PRODUCER) {
        while (rc == FLOW_OK)
            rc = h->type->produce(h->state, &h->stage);
        return rc == FLOW_ECLOSED ? FLOW_OK : rc;
    }
    for (size_t at = 0; rc == FLOW_OK && at < h->fed_count;) {
        const size_t left = h->fed_count - at;
        const size_t size = h->options.batch;
        const size_t count = size > 0 && size < left ? size : left;
        rc = give(h, at, count);
        at += count;
    }
    return rc;
}

enum flow_status harness_step(struct harness *h)
{
    return h->type->produce(h->state, &h->stage);
}

enum flow_status harness_finish(struct harness *h)
{
    const enum flow_status rc = harness_drain(h);
    if (rc != FLOW_OK || h->type->finish == NULL)
        return rc;
    return h->type->finish(h->state, &h->stage);
}

enum flow_status harness_run(struct harness *h)
{
    enum flow_status rc = harness_open(h);
    if (rc == FLOW_OK)
        rc = harness_work(h);
    if (rc == FLOW_OK)
        rc = harness_finish(h);
    /* Who fails says why; who is aborted need not. */
    assert_true(rc == FLOW_OK || rc == FLOW_EABORT || h->failure[0] != '\0');
    return rc;
}

struct saver {
    struct flow_saver saver; /* first: the stage is handed its address */
    struct harness_saved *saved;
};

static enum flow_status on_put(struct flow_saver *to, const void *data, size_t size)
{
    struct harness_saved *saved = ((struct saver *)to)->saved;
    saved->bytes = must(realloc(saved->bytes, saved->size + size + 1));
    if (size > 0)
        memcpy(saved->bytes + saved->size, data, size);
    saved->size += size;
    return FLOW_OK;
}

enum flow_status harness_save(struct harness *h, struct harness_saved *saved)
{
    *saved = (struct harness_saved){.bytes = must(malloc(1))};
    struct saver saver = {{on_put}, saved};
    return h->type->save(h->state, &h->stage, &saver.saver);
}

/* From memory of exactly the size, so that AddressSanitizer sees a byte too far. */
enum flow_status harness_restore(struct harness *h, const struct harness_saved *saved)
{
    uint8_t *bytes = must(malloc(saved->size > 0 ? saved->size : 1));
    memcpy(bytes, saved->bytes, saved->size);
    struct flow_loader loader = {bytes, saved->size};
    const enum flow_status rc = h->type->restore(h->state, &h->stage, &loader);
    if (rc == FLOW_OK)
        assert_int_equal(loader.left, 0);
    free(bytes);
    return rc;
}

enum flow_status harness_commit(struct harness *h, uint64_t epoch)
{
    return h->type->commit(h->state, &h->stage, epoch);
}

size_t harness_count(const struct harness *h, unsigned port)
{
    size_t count = 0;
    for (size_t i = 0; i < h->emitted_count; i++)
        count += h->emitted[i].port == port;
    return count;
}

const struct harness_record *harness_record(const struct harness *h, unsigned port, size_t i)
{
    for (size_t at = 0; at < h->emitted_count; at++) {
        if (h->emitted[at].port == port && i-- == 0)
            return &h->emitted[at];
    }
    fail_msg("nothing more was emitted on port %u", port);
    return NULL;
}

const char *harness_text(struct harness *h, unsigned port)
{
    size_t size = 1;
    for (size_t i = 0; i < h->emitted_count; i++)
        size += h->emitted[i].size + 1;
    free(h->text);
    h->text = must(malloc(size));
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

size_t harness_reject_count(const struct harness *h)
{
    return h->reject_count;
}

const char *harness_reject(const struct harness *h, size_t i)
{
    assert_true(i < h->reject_count);
    return h->rejects[i];
}

const char *harness_failure(const struct harness *h)
{
    return h->failure;
}

int64_t harness_waited_ns(const struct harness *h)
{
    return h->waited_ns;
}
