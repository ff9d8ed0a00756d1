/* SPDX-License-Identifier: MIT */
#include "random/compare.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random/reference.h"

/* A record in one of the two streams, with what it is sorted by. */
struct place {
    const struct rt_item *item;
    uint64_t hash;
    size_t at; /* where it stands in its stream */
};

/* A record that stands once in each stream. */
struct pair {
    uint64_t chain, group;
    size_t expected, found;
    uint64_t replica;
};

__attribute__((format(printf, 2, 3))) static bool wrong(struct rt_verdict *verdict, const char *fmt,
                                                        ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(verdict->text, sizeof(verdict->text), fmt, args);
    va_end(args);
    return false;
}

/* "17 bytes [ID:1:2:\x03...] key [k1]" for messages. */
static char *show(const struct rt_item *item, char *buf, size_t size)
{
    size_t at = (size_t)snprintf(buf, size, "%" PRIu32 " bytes [", item->size);
    for (uint32_t i = 0; i < item->size && i < 40 && at + 8 < size; i++) {
        const uint8_t c = item->data[i];
        const bool plain = c >= ' ' && c < 127;
        at += (size_t)snprintf(buf + at, size - at, plain ? "%c" : "\\x%02x", c);
    }
    snprintf(buf + at, size - at, "%s] key [%.*s]", item->size > 40 ? "..." : "",
             (int)item->key_size, item->key_size > 0 ? (const char *)item->key : "");
    return buf;
}

static int compare_bytes(const struct rt_item *x, const struct rt_item *y)
{
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    if (x->key_size != y->key_size)
        return x->key_size < y->key_size ? -1 : 1;
    const int order = memcmp(x->data, y->data, x->size);
    return order != 0 || x->key_size == 0 ? order : memcmp(x->key, y->key, x->key_size);
}

static int compare_content(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return compare_bytes(x->item, y->item);
}

static int compare_places(const void *a, const void *b)
{
    const int order = compare_content(a, b);
    const struct place *x = a;
    const struct place *y = b;
    return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

static struct place *sorted_places(const struct rt_stream *stream)
{
    struct place *places = calloc(stream->count + 1, sizeof(*places));
    if (places == NULL)
        exit(70);
    for (size_t i = 0; i < stream->count; i++) {
        const struct rt_item *item = &stream->items[i];
        places[i] = (struct place){.item = item, .at = i};
        places[i].hash = rt_hash(item->data, item->size, 8) ^ rt_hash(item->key, item->key_size, 9);
    }
    qsort(places, stream->count, sizeof(*places), compare_places);
    return places;
}

static size_t run_length(const struct place *places, size_t count)
{
    size_t length = 1;
    while (length < count && compare_content(&places[0], &places[length]) == 0)
        length++;
    return length;
}

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a;
    const struct pair *y = b;
    if (x->chain != y->chain)
        return x->chain < y->chain ? -1 : 1;
    if (x->replica != y->replica)
        return x->replica < y->replica ? -1 : 1;
    return (x->expected > y->expected) - (x->expected < y->expected);
}

static int compare_groups(const void *a, const void *b)
{
    const struct pair *x = a;
    const struct pair *y = b;
    return (x->group > y->group) - (x->group < y->group);
}

/* Within a chain and a replica, what stands later in the one stream stands later in the other. */
static bool chains_hold(const struct rt_stream *expected, struct pair *pairs, size_t count,
                        struct rt_verdict *verdict)
{
    qsort(pairs, count, sizeof(*pairs), compare_pairs);
    for (size_t i = 1; i < count; i++) {
        const struct pair *first = &pairs[i - 1];
        const struct pair *then = &pairs[i];
        if (first->chain != then->chain || first->replica != then->replica ||
            first->found < then->found)
            continue;
        char a[256], b[256];
        return wrong(verdict, "out of order: %s (at %zu) must come before %s (at %zu)",
                     show(&expected->items[first->expected], a, sizeof(a)), first->found,
                     show(&expected->items[then->expected], b, sizeof(b)), then->found);
    }
    return true;
}

static bool groups_hold(const struct rt_stream *expected, struct pair *pairs, size_t count,
                        struct rt_verdict *verdict)
{
    qsort(pairs, count, sizeof(*pairs), compare_groups);
    for (size_t i = 1; i < count; i++) {
        const struct pair *first = &pairs[i - 1];
        const struct pair *then = &pairs[i];
        if (first->group == 0 || first->group != then->group || first->replica == then->replica)
            continue;
        char a[256], b[256];
        return wrong(verdict, "one key at two replicas: %s at %" PRIu64 ", %s at %" PRIu64,
                     show(&expected->items[first->expected], a, sizeof(a)), first->replica - 1,
                     show(&expected->items[then->expected], b, sizeof(b)), then->replica - 1);
    }
    return true;
}

/* Where all records form one chain at one replica, even equal records have their places. */
static bool is_sequence(const struct rt_stream *stream, const struct rt_stream *found)
{
    for (size_t i = 1; i < stream->count; i++)
        if (stream->items[i].chain != stream->items[0].chain)
            return false;
    for (size_t i = 1; i < found->count; i++)
        if (found->items[i].group != found->items[0].group)
            return false;
    return true;
}

static bool sequence_holds(const struct rt_stream *expected, const struct rt_stream *found,
                           struct rt_verdict *verdict)
{
    size_t at = 0;
    for (size_t i = 0; i < found->count; i++, at++) {
        while (at < expected->count && compare_bytes(&expected->items[at], &found->items[i]) != 0)
            at++;
        if (at == expected->count) {
            char text[256];
            return wrong(verdict, "out of order: record %zu, %s, stands too late", i,
                         show(&found->items[i], text, sizeof(text)));
        }
    }
    return true;
}

static bool counts_differ(struct rt_verdict *verdict, const struct rt_item *item, size_t want,
                          size_t have)
{
    char text[256];
    return wrong(verdict, "expected %zu times, found %zu times: %s", want, have,
                 show(item, text, sizeof(text)));
}

struct match {
    const struct rt_stream *expected, *found;
    const struct rt_demand *demand;
    struct place *want, *have;
    struct pair *pairs;
    size_t pair_count;
};

static void pair_up(struct match *match, const struct place *want, const struct place *have)
{
    match->pairs[match->pair_count++] = (struct pair){
        .chain = want->item->chain,
        .group = want->item->group,
        .expected = want->at,
        .found = have->at,
        .replica = have->item->group,
    };
}

/* Walk both sorted streams side by side; collect the records that stand once in each. */
static bool multisets_agree(struct match *match, struct rt_verdict *verdict)
{
    const size_t want_count = match->expected->count;
    const size_t have_count = match->found->count;
    size_t w = 0;
    size_t h = 0;
    while (w < want_count || h < have_count) {
        const int order = w == want_count   ? 1
                          : h == have_count ? -1
                                            : compare_content(&match->want[w], &match->have[h]);
        const size_t want = order <= 0 ? run_length(match->want + w, want_count - w) : 0;
        const size_t have = order >= 0 ? run_length(match->have + h, have_count - h) : 0;
        if (match->demand->lossy ? have > want : have != want)
            return counts_differ(verdict, want > 0 ? match->want[w].item : match->have[h].item,
                                 want, have);
        if (want == 1 && have == 1)
            pair_up(match, &match->want[w], &match->have[h]);
        w += want;
        h += have;
    }
    return true;
}

static bool agree(const struct rt_stream *expected, const struct rt_stream *found,
                  const struct rt_demand *demand, struct rt_verdict *verdict)
{
    struct match match = {.expected = expected,
                          .found = found,
                          .demand = demand,
                          .want = sorted_places(expected),
                          .have = sorted_places(found),
                          .pairs = calloc(expected->count + 1, sizeof(struct pair))};
    if (match.pairs == NULL)
        exit(70);
    const bool ok = multisets_agree(&match, verdict) &&
                    chains_hold(expected, match.pairs, match.pair_count, verdict) &&
                    groups_hold(expected, match.pairs, match.pair_count, verdict) &&
                    (!is_sequence(expected, found) || sequence_holds(expected, found, verdict));
    free(match.want);
    free(match.have);
    free(match.pairs);
    return ok;
}

static struct rt_stream without_keys(const struct rt_stream *stream, bool drop, uint64_t group)
{
    struct rt_stream copy = {0};
    for (size_t i = 0; i < stream->count; i++) {
        struct rt_item item = stream->items[i];
        if (group != 0 && item.group != group)
            continue;
        if (drop)
            item.key_size = 0;
        rt_stream_add(&copy, &item);
    }
    return copy;
}

/* Group 0: all groups together. */
static bool group_agrees(const struct rt_stream *expected, const struct rt_stream *found,
                         const struct rt_demand *demand, uint64_t group, struct rt_verdict *verdict)
{
    struct rt_stream want = without_keys(expected, demand->loose, group);
    struct rt_stream have = without_keys(found, demand->loose, group);
    const bool ok = agree(&want, &have, demand, verdict);
    rt_stream_clear(&want);
    rt_stream_clear(&have);
    return ok;
}

bool rt_streams_agree(const struct rt_stream *expected, const struct rt_stream *found,
                      const struct rt_demand *demand, struct rt_verdict *verdict)
{
    if (!demand->each)
        return group_agrees(expected, found, demand, 0, verdict);
    uint64_t replicas = 1;
    for (size_t i = 0; i < expected->count; i++)
        if (expected->items[i].group > replicas)
            replicas = expected->items[i].group;
    for (uint64_t group = 1; group <= replicas; group++)
        if (!group_agrees(expected, found, demand, group, verdict))
            return false;
    return true;
}

static bool gets_all(const struct rt_graph *graph, unsigned stage)
{
    for (unsigned e = 0; e < graph->edge_count; e++)
        if (graph->edges[e].to == stage && graph->edges[e].share != RT_ALL)
            return false;
    return graph->stages[stage].workers > 1;
}

bool rt_sinks_agree(const struct rt_graph *graph, const struct rt_expected *expected,
                    const char *folder, struct rt_verdict *verdict)
{
    bool ok = true;
    struct rt_arena *arena = rt_arena_new();
    for (unsigned s = 0; ok && s < graph->stage_count; s++) {
        if (!rt_is_sink(&graph->stages[s]))
            continue;
        struct rt_stream found = {0};
        const struct rt_demand demand = {
            .lossy = graph->in[s].lossy, .loose = graph->in[s].loose, .each = gets_all(graph, s)};
        struct rt_verdict why = {0};
        ok = rt_sink_read(graph, s, folder, arena, &found, &why) &&
             rt_streams_agree(&expected->sinks[s], &found, &demand, &why);
        char name[RT_KEY_SIZE];
        if (!ok)
            wrong(verdict, "%s (%zu records expected, %zu found): %.800s",
                  rt_stage_name(graph, s, name), expected->sinks[s].count, found.count, why.text);
        rt_stream_clear(&found);
    }
    rt_arena_free(arena);
    return ok;
}
