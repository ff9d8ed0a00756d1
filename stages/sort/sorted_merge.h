/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_SORTED_MERGE_H
#define FLOW_STAGES_SORTED_MERGE_H

/* Files of sorted records (sort/sorted.h), one after the other as in an arena, merged into one.
 */

#include "sort/sorted.h"

#define SORTED_BUFFER ((size_t)64 << 10) /* of a file that is merged, at first */

/* ---- the record before, to leave out equal ones ---- */

struct sorted_last {
    char *value;
    size_t size, capacity;
    uint64_t rank;
    bool there;
};

static inline bool sorted_is_again(const struct sorted_order *order, const struct sorted_last *last,
                                   const struct sorted_record *record)
{
    const struct sorted_record before = {
        .rank = last->rank, .value = last->value, .head = {.value_size = (uint32_t)last->size}};
    return last->there && sorted_compare(order, &before, record) == 0;
}

static inline bool sorted_remember(struct sorted_last *last, const struct sorted_record *record)
{
    const size_t size = record->head.value_size;
    if (last->value == NULL || size > last->capacity) {
        char *value = realloc(last->value, size * 2 + 64);
        if (value == NULL)
            return false;
        last->value = value;
        last->capacity = size * 2 + 64;
    }
    memcpy(last->value, record->value, size);
    last->size = size;
    last->rank = record->rank;
    last->there = true;
    return true;
}

static inline void sorted_forget(struct sorted_last *last)
{
    free(last->value);
    *last = (struct sorted_last){0};
}

/* ---- merging ---- */

struct sorted_source {
    int fd;
    bool open;
    char *buf; /* `at` to `end` is read and not used */
    size_t at, end, capacity;
    struct sorted_record record;
};

struct sorted_merge {
    const struct sorted_order *order;
    const char *name; /* for messages */
    struct sorted_source *sources;
    size_t count;
    size_t *heap; /* sources with a record, the first one on top */
    size_t heap_count;
    bool started; /* the record on top has been handed out */
};

static inline enum flow_status sorted_merge_init(struct sorted_merge *m, struct flow_stage *stage,
                                                 size_t most)
{
    m->sources = calloc(most + 1, sizeof(*m->sources));
    m->heap = calloc(most + 1, sizeof(*m->heap));
    return m->sources != NULL && m->heap != NULL
               ? FLOW_OK
               : flow_stage_fail(stage, FLOW_ENOMEM, "no memory to merge %zu files", most);
}

/* Have `size` bytes at s->at; `*got` is false at the end of the file. */
static inline enum flow_status sorted_fill(const struct sorted_merge *m, struct flow_stage *stage,
                                           struct sorted_source *s, size_t size, bool *got)
{
    if (s->end - s->at < size && s->at > 0) {
        memmove(s->buf, s->buf + s->at, s->end - s->at);
        s->end -= s->at;
        s->at = 0;
    }
    if (size > s->capacity) {
        const size_t capacity = size > SORTED_BUFFER ? size + size / 2 : SORTED_BUFFER;
        char *buf = realloc(s->buf, capacity);
        if (buf == NULL)
            return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a record of %zu bytes", size);
        s->buf = buf;
        s->capacity = capacity;
    }
    while (s->end - s->at < size) {
        const ssize_t count = read(s->fd, s->buf + s->end, s->capacity - s->end);
        if (count < 0 && errno != EINTR)
            return flow_file_fail(stage, "read from", m->name);
        if (count == 0)
            break;
        s->end += count > 0 ? (size_t)count : 0;
    }
    *got = s->end - s->at >= size;
    return FLOW_OK;
}

/* The next record of a source; `*got` is false when there is none. */
static inline enum flow_status sorted_advance(const struct sorted_merge *m,
                                              struct flow_stage *stage, struct sorted_source *s,
                                              bool *got)
{
    struct sorted_head head;
    uint64_t rank;
    enum flow_status rc = sorted_fill(m, stage, s, sizeof(head), got);
    if (rc != FLOW_OK || (!*got && s->end == s->at))
        return rc;
    if (*got) {
        memcpy(&head, s->buf + s->at, sizeof(head));
        rc = sorted_fill(m, stage, s, sizeof(head) + sorted_size(&head), got);
    }
    if (rc != FLOW_OK)
        return rc;
    if (!*got)
        return flow_stage_fail(stage, FLOW_EIO, "a file in '%s' has become shorter", m->name);
    s->record = sorted_at(s->buf + s->at, 0);
    if (!sorted_rank(m->order, s->record.value, head.value_size, &rank))
        return flow_stage_fail(stage, FLOW_EIO, "a file in '%s' has changed", m->name);
    s->record.rank = rank;
    s->at += sizeof(head) + sorted_size(&head);
    return FLOW_OK;
}

/* Equal records come in the order of their sources. */
static inline bool sorted_is_before(const struct sorted_merge *m, size_t a, size_t b)
{
    const int order = sorted_compare(m->order, &m->sources[a].record, &m->sources[b].record);
    return order != 0 ? order < 0 : a < b;
}

static inline void sorted_sink_down(struct sorted_merge *m, size_t at)
{
    const size_t item = m->heap[at];
    for (;;) {
        size_t child = at * 2 + 1;
        if (child + 1 < m->heap_count && sorted_is_before(m, m->heap[child + 1], m->heap[child]))
            child++;
        if (child >= m->heap_count || !sorted_is_before(m, m->heap[child], item))
            break;
        m->heap[at] = m->heap[child];
        at = child;
    }
    m->heap[at] = item;
}

/* Merge this file too; the descriptor is the merge's from here on. */
static inline enum flow_status sorted_merge_add(struct sorted_merge *m, struct flow_stage *stage,
                                                int fd, const char *name)
{
    const size_t i = m->count++;
    bool got = false;
    m->name = name;
    m->sources[i].fd = fd;
    m->sources[i].open = true;
    const enum flow_status rc = sorted_advance(m, stage, &m->sources[i], &got);
    if (rc == FLOW_OK && got)
        m->heap[m->heap_count++] = i;
    return rc;
}

/* The next record, borrowed until the next call; NULL: there are no more. */
static inline enum flow_status sorted_merge_next(struct sorted_merge *m, struct flow_stage *stage,
                                                 const struct sorted_record **record)
{
    bool got = true;
    enum flow_status rc = FLOW_OK;
    if (!m->started) {
        for (size_t i = m->heap_count / 2; i-- > 0;)
            sorted_sink_down(m, i);
        m->started = true;
    } else {
        rc = sorted_advance(m, stage, &m->sources[m->heap[0]], &got);
        if (rc == FLOW_OK && !got)
            m->heap[0] = m->heap[--m->heap_count];
        if (rc == FLOW_OK && m->heap_count > 0)
            sorted_sink_down(m, 0);
    }
    *record = m->heap_count > 0 ? &m->sources[m->heap[0]].record : NULL;
    return rc;
}

static inline void sorted_merge_clear(struct sorted_merge *m)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->sources[i].open)
            (void)close(m->sources[i].fd);
        free(m->sources[i].buf);
    }
    free(m->sources);
    free(m->heap);
}

#endif /* FLOW_STAGES_SORTED_MERGE_H */
