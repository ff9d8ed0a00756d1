/* SPDX-License-Identifier: MIT */
/* Records that a stage under test has in flight, and what it watches meanwhile. */
#include "testing/harness.h"

#include <stdlib.h>

#include "base/clock.h"

void flow_harness_forget(struct flow_harness *h, struct flow_flight *flight)
{
    struct flow_flight **at = &h->flights;
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

struct flow_token *flow_harness_on_hold(struct flow_stage *stage, const struct flow_record *record)
{
    struct flow_harness *h = flow_harness_of(stage);
    flow_harness_require(h, h->type->ready != NULL, "it holds a record, and has no 'ready'");
    flow_harness_require(h, h->taken == record, "it holds a record that is not the one in hand");
    flow_harness_require(h, h->holds == NULL, "it holds the record in hand twice");
    struct flow_flight *flight = flow_harness_must(calloc(1, sizeof(*flight)));
    flight->token.record = *record;
    flight->token.record.data = flow_harness_copy(record->data, record->size);
    flight->token.record.key =
        record->key_size > 0 ? flow_harness_copy(record->key, record->key_size) : NULL;
    flight->index = h->taken_index;
    flight->next = h->flights;
    h->flights = h->holds = flight;
    h->flight_count++;
    return &flight->token;
}

enum flow_status flow_harness_on_resume(struct flow_stage *stage, struct flow_token *token)
{
    struct flow_harness *h = flow_harness_of(stage);
    struct flow_flight *flight = h->flights;
    while (flight != NULL && &flight->token != token)
        flight = flight->next;
    flow_harness_require(h, flight != NULL, "it goes on with a token that is not in flight");
    h->resumed = flight;
    flight->emitted = h->emitted_count;
    return flow_harness_reached(h, h->options.abort_after) ? FLOW_EABORT : FLOW_OK;
}

enum flow_status flow_harness_on_done(struct flow_stage *stage, struct flow_token *token,
                                      enum flow_status status)
{
    struct flow_harness *h = flow_harness_of(stage);
    if (h->resumed == NULL || &h->resumed->token != token) {
        const enum flow_status rc = flow_harness_on_resume(stage, token);
        if (rc != FLOW_OK)
            return rc;
    }
    flow_harness_forget(h, h->resumed);
    return status == FLOW_EBAD ? FLOW_OK : status;
}

void flow_harness_on_hold_most(struct flow_stage *stage, size_t count)
{
    struct flow_harness *h = flow_harness_of(stage);
    flow_harness_require(h, count > 0 || h->type->process_batch != NULL,
                         "it says that it holds no records at all");
    h->most = count > 0 ? count : 1;
    h->by_batch = count == 0 && !h->info.numbered;
}

static size_t find_watched(const struct flow_harness *h, int fd)
{
    size_t at = 0;
    while (at < h->watched_count && h->watched[at].fd != fd)
        at++;
    return at;
}

enum flow_status flow_harness_on_watch(struct flow_stage *stage, int fd, unsigned events,
                                       uint64_t tag)
{
    struct flow_harness *h = flow_harness_of(stage);
    const size_t at = find_watched(h, fd);
    flow_harness_require(h, fd >= 0, "it watches a descriptor of %d", fd);
    flow_harness_require(h, at < FLOW_HARNESS_WATCHED, "it watches more than %d descriptors",
                         FLOW_HARNESS_WATCHED);
    h->watched[at] = (struct pollfd){.fd = fd, .events = (short)events};
    h->tags[at] = tag;
    h->watched_count += at == h->watched_count;
    return FLOW_OK;
}

void flow_harness_on_unwatch(struct flow_stage *stage, int fd)
{
    struct flow_harness *h = flow_harness_of(stage);
    const size_t at = find_watched(h, fd);
    if (at == h->watched_count)
        return;
    h->watched_count--;
    h->watched[at] = h->watched[h->watched_count];
    h->tags[at] = h->tags[h->watched_count];
}

static int64_t now_of(const struct flow_harness *h)
{
    return flow_now_ns() + h->waited_ns;
}

enum flow_status flow_harness_on_timer(struct flow_stage *stage, uint64_t tag, int64_t after_ns)
{
    struct flow_harness *h = flow_harness_of(stage);
    for (size_t i = 0; i < h->timer_count; i++) {
        if (h->timers[i].tag == tag)
            h->timers[i--] = h->timers[--h->timer_count];
    }
    flow_harness_require(h, h->timer_count < FLOW_HARNESS_WATCHED, "it has more than %d timers",
                         FLOW_HARNESS_WATCHED);
    if (after_ns >= 0)
        h->timers[h->timer_count++] = (struct flow_timer){tag, now_of(h) + after_ns};
    return FLOW_OK;
}

static enum flow_status call_ready(struct flow_harness *h, uint64_t tag, unsigned events)
{
    const enum flow_status rc = h->type->ready(h->state, &h->stage, tag, events);
    h->resumed = NULL;
    return rc;
}

/* The timer that is due first; NULL: there is none. */
static struct flow_timer *first_timer(struct flow_harness *h)
{
    struct flow_timer *first = NULL;
    for (size_t i = 0; i < h->timer_count; i++) {
        if (first == NULL || h->timers[i].due_ns < first->due_ns)
            first = &h->timers[i];
    }
    return first;
}

static enum flow_status call_timer(struct flow_harness *h)
{
    const struct flow_timer timer = *first_timer(h);
    (void)flow_harness_on_timer(&h->stage, timer.tag, -1);
    return call_ready(h, timer.tag, 0);
}

/* Without a descriptor, time is added up; with one, it has to pass. */
static int patience(struct flow_harness *h)
{
    const struct flow_timer *timer = first_timer(h);
    const int64_t left = timer != NULL ? timer->due_ns - now_of(h) : INT64_MAX;
    if (h->watched_count == 0) {
        flow_harness_require(h, timer != NULL,
                             "it has records in flight, but neither a timer nor a descriptor");
        h->waited_ns += left > 0 ? left : 0;
        return 0;
    }
    return left / 1000000 < FLOW_HARNESS_PATIENCE_MS ? (int)(left > 0 ? left / 1000000 + 1 : 0)
                                                     : FLOW_HARNESS_PATIENCE_MS;
}

enum flow_status flow_harness_turn(struct flow_harness *h)
{
    const int patient = patience(h);
    struct pollfd ready[FLOW_HARNESS_WATCHED];
    uint64_t tags[FLOW_HARNESS_WATCHED];
    const size_t count = h->watched_count;
    memcpy(ready, h->watched, sizeof(ready));
    memcpy(tags, h->tags, sizeof(tags));
    const int some = poll(ready, count, patient);
    flow_harness_require(h, some >= 0, "its descriptors cannot be waited for");
    flow_harness_require(h, some > 0 || first_timer(h) != NULL, "nothing has happened for %d s",
                         FLOW_HARNESS_PATIENCE_MS / 1000);
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < count && rc == FLOW_OK; i++) {
        if (ready[i].revents != 0 && find_watched(h, ready[i].fd) < h->watched_count)
            rc = call_ready(h, tags[i], (unsigned)ready[i].revents);
    }
    while (rc == FLOW_OK && first_timer(h) != NULL && first_timer(h)->due_ns <= now_of(h))
        rc = call_timer(h);
    return rc;
}

size_t flow_harness_in_flight(const struct flow_harness *h)
{
    return h->flight_count;
}

enum flow_status flow_harness_drain(struct flow_harness *h)
{
    enum flow_status rc = FLOW_OK;
    if (h->type->flush != NULL)
        rc = h->type->flush(h->state, &h->stage);
    while (rc == FLOW_OK && h->flight_count > 0)
        rc = flow_harness_turn(h);
    return rc;
}

void flow_harness_drop(struct flow_harness *h)
{
    flow_harness_require(h, h->flights != NULL, "nothing is in flight that could be dropped");
    struct flow_flight *flight = h->flights;
    h->type->drop(h->state, &h->stage, &flight->token);
    flow_harness_forget(h, flight);
}
