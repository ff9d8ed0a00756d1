/* SPDX-License-Identifier: MIT */

/*
 * Records lie one after the other in an arena; what is sorted is a list of their places, by a rank
 * of 64 bits first: the first bytes of what they are sorted by, or the number itself.  Ranks are
 * sorted byte by byte, and only where they are equal the rest is compared (sort/sorted.h).
 *
 * When the arena is full it is written, sorted, to a file; in the end the files are merged.  Of
 * many files some are merged before.  In a run that takes checkpoints the arena is written at each
 * of them, the checkpoint names the files, and those that no checkpoint names any more are removed
 * when the next one is for good.
 */

#include <flowrun/stage.h>

#include <inttypes.h>
#include <stdlib.h>

#include "shared/saved.h"
#include "shared/scratch.h"
#include "sort/sorted.h"
#include "sort/sorted_merge.h"

#define RUNS_MOST 64 /* files that are merged at once */
#define BUFFER ((size_t)256 << 10)

struct run {
    uint64_t id;
    uint64_t size;
};

struct sorter {
    int by; /* enum sorted_by */
    int64_t column;
    char *separator;
    char *field;
    bool numeric, reverse, unique;
    uint64_t memory;
    char *temp;

    struct sorted_order order; /* what the parameters say */
    struct sorted_arena arena;
    struct flow_scratch folder;
    struct run *runs; /* the older come first */
    size_t run_count, run_capacity;
    struct run *named; /* those of the last checkpoint, which is perhaps not for good yet */
    size_t named_count;
    uint64_t next_id;
    char *out; /* of a run that is written */
    size_t out_size;
};

static const struct flow_param params[] = {
    FLOW_PARAM_ENUM(struct sorter, by, "record", "record|key|column|field",
                    "the whole record, its key, a column of text, or a JSON field"),
    FLOW_PARAM_I64(struct sorter, column, "1", 1, 1000000, "with by column: which, from 1"),
    FLOW_PARAM_STR(struct sorter, separator, "\t", "with by column: the byte between two"),
    FLOW_PARAM_STR(struct sorter, field, NULL, "with by field: where it is, as /user/name"),
    FLOW_PARAM_BOOL(struct sorter, numeric, "false", "by the number it begins with, not its bytes"),
    FLOW_PARAM_BOOL(struct sorter, reverse, "false", "the largest first"),
    FLOW_PARAM_BOOL(struct sorter, unique, "false", "only the first of equal ones"),
    FLOW_PARAM_SIZE(struct sorter, memory, "256MiB", 1 << 20, 0x1p44,
                    "what does not fit in it goes to files, sorted [bytes]"),
    FLOW_PARAM_STR(struct sorter, temp, NULL,
                   "folder for these files; else $TMPDIR or /tmp, or the graph's with checkpoints"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "records in any order"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "the same records, sorted, when the input has ended; equal ones as they came"},
    {NULL, NULL, NULL},
};

static enum flow_status no_memory(struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory to sort");
}

static char *name_folder(const struct sorter *s, const struct flow_info *info)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in the program changes the environment */
    const char *system = getenv("TMPDIR");
    const char *base = s->temp != NULL                       ? s->temp
                       : info->checkpoints                   ? info->folder
                       : system != NULL && system[0] != '\0' ? system
                                                             : "/tmp";
    char *path = NULL;
    const int done = info->checkpoints ? asprintf(&path, "%s/.flowrun-sort-%s-%u", base, info->name,
                                                  info->replica)
                                       : asprintf(&path, "%s/.flowrun-sort-%s-%u-%ld", base,
                                                  info->name, info->replica, (long)getpid());
    return done < 0 ? NULL : flow_scratch_flatten(path, strlen(base) + 1);
}

/* Files are needed only when memory is short, or for checkpoints. */
static enum flow_status need_folder(struct sorter *s, struct flow_stage *stage)
{
    const struct flow_info *info = flow_stage_info(stage);
    if (s->folder.open)
        return FLOW_OK;
    const enum flow_status rc = flow_scratch_open(&s->folder, stage, name_folder(s, info));
    if (rc == FLOW_OK && !info->resumes)
        flow_scratch_sweep(&s->folder, NULL, NULL);
    return rc;
}

static enum flow_status sorter_open(void *self, struct flow_stage *stage)
{
    struct sorter *s = self;
    if ((s->by == SORTED_BY_FIELD) != (s->field != NULL))
        return flow_stage_fail(stage, FLOW_EINVAL, "\"by\": \"field\" and 'field' go together");
    if (strlen(s->separator) != 1)
        return flow_stage_fail(stage, FLOW_EINVAL, "separator '%s' is not one byte", s->separator);
    s->order = (struct sorted_order){.by = (enum sorted_by)s->by,
                                     .column = (size_t)s->column,
                                     .separator = s->separator[0],
                                     .numeric = s->numeric,
                                     .reverse = s->reverse};
    const char *why = flow_json_field_init(&s->order.paths, s->field);
    if (why != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL, "field '%s': %s", s->field, why);
    s->out = malloc(BUFFER);
    if (s->out == NULL)
        return no_memory(stage);
    return flow_stage_info(stage)->checkpoints ? need_folder(s, stage) : FLOW_OK;
}

/* ---- writing runs ---- */

static enum flow_status flush(struct sorter *s, struct flow_stage *stage, int fd)
{
    struct flow_file_place place = {.fd = fd, .name = s->folder.path, .patient = true};
    const size_t size = s->out_size;
    s->out_size = 0;
    return flow_file_write_to(stage, &place, s->out, size);
}

static enum flow_status put(struct sorter *s, struct flow_stage *stage, int fd, const void *data,
                            size_t size)
{
    enum flow_status rc = FLOW_OK;
    if (size > BUFFER - s->out_size)
        rc = flush(s, stage, fd);
    if (rc != FLOW_OK)
        return rc;
    if (size > BUFFER) {
        struct flow_file_place place = {.fd = fd, .name = s->folder.path, .patient = true};
        return flow_file_write_to(stage, &place, data, size);
    }
    memcpy(s->out + s->out_size, data, size);
    s->out_size += size;
    return FLOW_OK;
}

/* Where sorted records go: a new run, or the output. */
struct sink {
    struct sorter *sorter;
    struct flow_stage *stage;
    int fd; /* -1: the output */
    uint64_t size;
    struct sorted_last last; /* with `unique`: the record before */
};

static enum flow_status put_record(struct sink *sink, const struct sorted_record *record)
{
    struct sorter *s = sink->sorter;
    if (s->unique && sorted_is_again(&s->order, &sink->last, record))
        return FLOW_OK;
    if (s->unique && !sorted_remember(&sink->last, record))
        return no_memory(sink->stage);
    if (sink->fd < 0) {
        const struct flow_target to = {.key = record->head.key_size > 0 ? record->key : NULL,
                                       .key_size = record->head.key_size};
        return flow_emit_to(sink->stage, &to, record->data, record->head.size);
    }
    enum flow_status rc = put(s, sink->stage, sink->fd, &record->head, sizeof(record->head));
    if (rc == FLOW_OK)
        rc = put(s, sink->stage, sink->fd, record->data,
                 (size_t)record->head.size + record->head.key_size);
    sink->size += sizeof(record->head) + record->head.size + record->head.key_size;
    return rc;
}

static enum flow_status add_run(struct sorter *s, struct flow_stage *stage, size_t at,
                                const struct run *run)
{
    if (s->run_count == s->run_capacity) {
        const size_t capacity = s->run_capacity == 0 ? 16 : s->run_capacity * 2;
        struct run *runs = realloc(s->runs, capacity * sizeof(*runs));
        if (runs == NULL)
            return no_memory(stage);
        s->runs = runs;
        s->run_capacity = capacity;
    }
    memmove(s->runs + at + 1, s->runs + at, (s->run_count - at) * sizeof(*s->runs));
    s->runs[at] = *run;
    s->run_count++;
    return FLOW_OK;
}

/* A new file; what `fill` puts into it becomes the run at `at`. */
static enum flow_status write_run(struct sorter *s, struct flow_stage *stage, size_t at,
                                  enum flow_status (*fill)(struct sink *sink))
{
    enum flow_status rc = need_folder(s, stage);
    if (rc != FLOW_OK)
        return rc;
    const struct run fresh = {.id = s->next_id++};
    struct sink sink = {.sorter = s, .stage = stage};
    sink.fd = flow_scratch_file(&s->folder, fresh.id, O_WRONLY | O_CREAT | O_TRUNC);
    if (sink.fd < 0)
        return flow_file_fail(stage, "write to", s->folder.path);
    s->out_size = 0;
    rc = fill(&sink);
    if (rc == FLOW_OK)
        rc = flush(s, stage, sink.fd);
    if (rc == FLOW_OK && flow_stage_info(stage)->checkpoints && fsync(sink.fd) != 0)
        rc = flow_file_fail(stage, "write to", s->folder.path);
    sorted_forget(&sink.last);
    if (close(sink.fd) != 0 && rc == FLOW_OK)
        rc = flow_file_fail(stage, "write to", s->folder.path);
    const struct run run = {fresh.id, sink.size};
    return rc == FLOW_OK ? add_run(s, stage, at, &run) : rc;
}

static enum flow_status put_arena(struct sink *sink)
{
    struct sorter *s = sink->sorter;
    enum flow_status rc = FLOW_OK;
    if (!sorted_sort(&s->order, &s->arena))
        return no_memory(sink->stage);
    for (size_t i = 0; rc == FLOW_OK && i < s->arena.count; i++) {
        const struct sorted_record record = sorted_get(&s->arena, i);
        rc = put_record(sink, &record);
    }
    sorted_empty(&s->arena);
    return rc;
}

/* ---- merging ---- */

static enum flow_status merge(struct sink *sink, size_t first, size_t count)
{
    struct sorter *s = sink->sorter;
    struct sorted_merge merge = {.order = &s->order};
    const struct sorted_record *record = NULL;
    enum flow_status rc = sorted_merge_init(&merge, sink->stage, count);
    for (size_t i = 0; rc == FLOW_OK && i < count; i++) {
        const int fd = flow_scratch_file(&s->folder, s->runs[first + i].id, O_RDONLY);
        rc = fd >= 0 ? sorted_merge_add(&merge, sink->stage, fd, s->folder.path)
                     : flow_file_fail(sink->stage, "read from", s->folder.path);
    }
    while (rc == FLOW_OK && (rc = sorted_merge_next(&merge, sink->stage, &record)) == FLOW_OK &&
           record != NULL)
        rc = put_record(sink, record);
    sorted_merge_clear(&merge);
    return rc;
}

static enum flow_status merge_last(struct sink *sink)
{
    return merge(sink, sink->sorter->run_count - RUNS_MOST, RUNS_MOST);
}

/* Make one of the youngest RUNS_MOST runs.  What a checkpoint may name is not removed yet. */
static enum flow_status compact(struct sorter *s, struct flow_stage *stage)
{
    const size_t first = s->run_count - RUNS_MOST;
    const enum flow_status rc = write_run(s, stage, s->run_count, merge_last);
    if (rc != FLOW_OK)
        return rc;
    for (size_t i = first; i < first + RUNS_MOST; i++) {
        if (!flow_stage_info(stage)->checkpoints)
            flow_scratch_remove(&s->folder, s->runs[i].id);
    }
    s->runs[first] = s->runs[s->run_count - 1];
    s->run_count = first + 1;
    return FLOW_OK;
}

static enum flow_status spill(struct sorter *s, struct flow_stage *stage)
{
    enum flow_status rc = write_run(s, stage, s->run_count, put_arena);
    /* Runs of about one size come together: so each record is written again only a few times. */
    while (rc == FLOW_OK && s->run_count >= RUNS_MOST &&
           s->runs[s->run_count - RUNS_MOST].size / 8 <= s->runs[s->run_count - 1].size)
        rc = compact(s, stage);
    return rc;
}

/* ---- callbacks ---- */

static enum flow_status sorter_process_batch(void *self, struct flow_stage *stage,
                                             const struct flow_batch *batch)
{
    struct sorter *s = self;
    enum flow_status rc = FLOW_OK;
    struct flow_cursor c = flow_batch_begin(batch);
    for (uint32_t i = 0; rc == FLOW_OK && flow_batch_next(&c); i++) {
        const char *fault = NULL;
        if (s->arena.count > 0 && sorted_used(&s->arena, &c.record) > s->memory)
            rc = spill(s, stage);
        if (rc != FLOW_OK)
            break;
        if (!sorted_add(&s->order, &s->arena, &c.record, &fault))
            rc = fault == NULL
                     ? no_memory(stage)
                     : flow_batch_reject(stage, i, "%s: %s", fault,
                                         flow_bytes_quote(c.record.data, c.record.size).text);
    }
    return rc;
}

static enum flow_status sorter_finish(void *self, struct flow_stage *stage)
{
    struct sorter *s = self;
    struct sink sink = {.sorter = s, .stage = stage, .fd = -1};
    enum flow_status rc = FLOW_OK;
    if (s->run_count == 0) {
        rc = put_arena(&sink);
    } else {
        if (s->arena.count > 0)
            rc = spill(s, stage);
        while (rc == FLOW_OK && s->run_count > RUNS_MOST)
            rc = compact(s, stage);
        if (rc == FLOW_OK)
            rc = merge(&sink, 0, s->run_count);
    }
    sorted_forget(&sink.last);
    s->run_count = rc == FLOW_OK ? 0 : s->run_count;
    return rc;
}

static bool has_run(const struct run *runs, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (runs[i].id == id)
            return true;
    }
    return false;
}

static bool is_run(const void *self, uint64_t id)
{
    const struct sorter *s = self;
    return has_run(s->runs, s->run_count, id) || has_run(s->named, s->named_count, id);
}

/* These files have to stay until another checkpoint is for good. */
static bool note_named(struct sorter *s)
{
    struct run *named = realloc(s->named, (s->run_count + 1) * sizeof(*named));
    if (named == NULL)
        return false;
    if (s->run_count > 0)
        memcpy(named, s->runs, s->run_count * sizeof(*named));
    s->named = named;
    s->named_count = s->run_count;
    return true;
}

static enum flow_status sorter_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    struct sorter *s = self;
    enum flow_status rc = s->arena.count > 0 ? spill(s, stage) : FLOW_OK;
    if (rc == FLOW_OK && s->run_count > 0 && fsync(s->folder.fd) != 0)
        rc = flow_file_fail(stage, "write to", s->folder.path);
    if (rc == FLOW_OK && !note_named(s))
        rc = no_memory(stage);
    if (rc == FLOW_OK)
        rc = flow_save_number(to, s->next_id);
    return rc == FLOW_OK ? flow_save_text(to, s->runs != NULL ? (const void *)s->runs : "",
                                          s->run_count * sizeof(*s->runs))
                         : rc;
}

static enum flow_status check_run(const struct sorter *s, struct flow_stage *stage,
                                  const struct run *run)
{
    struct stat st = {0};
    const int fd = flow_scratch_file(&s->folder, run->id, O_RDONLY);
    const bool there = fd >= 0 && fstat(fd, &st) == 0;
    if (fd >= 0)
        (void)close(fd);
    if (there && (uint64_t)st.st_size == run->size)
        return FLOW_OK;
    return flow_stage_fail(stage, FLOW_EIO,
                           "'%s/%" PRIu64 "' has %lld bytes, at the checkpoint it had %" PRIu64,
                           s->folder.path, run->id, (long long)st.st_size, run->size);
}

static enum flow_status sorter_restore(void *self, struct flow_stage *stage,
                                       struct flow_loader *from)
{
    struct sorter *s = self;
    const char *runs;
    size_t size;
    enum flow_status rc = flow_load_number(from, &s->next_id);
    if (rc == FLOW_OK)
        rc = flow_load_text(from, &runs, &size);
    if (rc == FLOW_OK && size % sizeof(*s->runs) != 0)
        rc = FLOW_EPROTO;
    for (size_t at = 0; rc == FLOW_OK && at < size; at += sizeof(*s->runs)) {
        struct run run;
        memcpy(&run, runs + at, sizeof(run));
        rc = check_run(s, stage, &run);
        if (rc == FLOW_OK)
            rc = add_run(s, stage, s->run_count, &run);
    }
    return rc == FLOW_OK && !note_named(s) ? FLOW_ENOMEM : rc;
}

static enum flow_status sorter_commit(void *self, struct flow_stage *stage, uint64_t epoch)
{
    const struct sorter *s = self;
    (void)stage;
    (void)epoch;
    flow_scratch_sweep(&s->folder, is_run, s);
    return FLOW_OK;
}

static void sorter_close(void *self, struct flow_stage *stage)
{
    struct sorter *s = self;
    if (!flow_stage_info(stage)->checkpoints)
        flow_scratch_sweep(&s->folder, NULL, NULL);
    flow_scratch_close(&s->folder);
    sorted_clear(&s->arena);
    flow_json_paths_clear(&s->order.paths);
    free(s->runs);
    free(s->named);
    free(s->out);
}

static const struct flow_stage_type sorter = {
    .name = "sort",
    .help = "sorts all records, with files where memory is short",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct sorter),
    .open = sorter_open,
    .process_batch = sorter_process_batch,
    .finish = sorter_finish,
    .close = sorter_close,
    .save = sorter_save,
    .restore = sorter_restore,
    .commit = sorter_commit,
};

FLOW_PLUGIN(&sorter);
