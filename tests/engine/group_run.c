/* SPDX-License-Identifier: MIT */
#include "group_run.h"

#include "watch/rows.h"
#include <dirent.h>
#include <string.h>
#include <unistd.h>

int64_t group_source_count = 1000;
size_t group_source_size = 0;
struct kept group_kept[4];
atomic_int group_gate = 1;
const struct flow_checkpoints *group_checkpoints = NULL;
bool group_keeps = false;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

struct source {
    int64_t next;
};

static enum flow_status source_produce(void *self, struct flow_stage *stage)
{
    struct source *source = self;
    if (source->next == group_source_count)
        return FLOW_ECLOSED;
    char text[32];
    const int size = snprintf(text, sizeof(text), "%lld", (long long)source->next++);
    const size_t room = (size_t)size > group_source_size ? (size_t)size : group_source_size;
    char *at = flow_reserve(stage, 0, room);
    if (at == NULL)
        return FLOW_EABORT;
    memset(at, ' ', room);
    memcpy(at, text, (size_t)size);
    return flow_commit(stage, &(struct flow_target){0}, room);
}

const struct flow_stage_type group_source = {.name = "t.source",
                                             .role = FLOW_PRODUCER,
                                             .state_size = sizeof(struct source),
                                             .produce = source_produce};

static long long number_of(const struct flow_record *record)
{
    char text[32] = "";
    memcpy(text, record->data, record->size < 31 ? record->size : 31);
    return strtoll(text, NULL, 10);
}

static enum flow_status twice(void *self, struct flow_stage *stage,
                              const struct flow_record *record)
{
    (void)self;
    const enum flow_status rc = flow_emit(stage, record->data, record->size);
    return rc == FLOW_OK ? flow_emit(stage, record->data, record->size) : rc;
}
const struct flow_stage_type group_twice = {
    .name = "t.twice", .role = FLOW_WORKER, .process = twice};

static enum flow_status odd(void *self, struct flow_stage *stage, const struct flow_record *record)
{
    (void)self;
    return number_of(record) % 2 == 0 ? FLOW_OK : flow_emit(stage, record->data, record->size);
}
const struct flow_stage_type group_odd = {.name = "t.odd", .role = FLOW_WORKER, .process = odd};

/* Emits, and then refuses multiples of 10: what it emitted must not be seen. */
static enum flow_status picky(void *self, struct flow_stage *stage,
                              const struct flow_record *record)
{
    (void)self;
    const enum flow_status rc = flow_emit(stage, record->data, record->size);
    if (rc == FLOW_OK && number_of(record) % 10 == 0)
        return flow_reject(stage, "%lld is a multiple of 10", number_of(record));
    return rc;
}
const struct flow_stage_type group_picky = {
    .name = "t.picky", .role = FLOW_WORKER, .process = picky};

static enum flow_status batch_picky(void *self, struct flow_stage *stage,
                                    const struct flow_batch *batch)
{
    (void)self;
    enum flow_status rc = FLOW_OK;
    for (uint32_t i = 0; i < batch->count && rc == FLOW_OK; i++) {
        const struct flow_record record = flow_batch_record(batch, i);
        rc = number_of(&record) % 10 == 0
                 ? flow_batch_reject(stage, i, "%lld is a multiple of 10", number_of(&record))
                 : flow_forward(stage, 0, &record);
    }
    return rc;
}
const struct flow_stage_type group_batch_picky = {
    .name = "t.batch_picky", .role = FLOW_WORKER, .process_batch = batch_picky};

/* Emits ten large copies of every record, and then refuses odd ones. */
static enum flow_status bulky(void *self, struct flow_stage *stage,
                              const struct flow_record *record)
{
    (void)self;
    static const size_t sizes[] = {10, 60000, 20000, 50000, 1, 65000, 40000, 40000, 200000, 100};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char *at = flow_reserve(stage, 0, sizes[i] + record->size);
        if (at == NULL)
            return FLOW_EABORT;
        memset(at, ' ', sizes[i] + record->size);
        memcpy(at, record->data, record->size);
        const enum flow_status rc =
            flow_commit(stage, &(struct flow_target){0}, sizes[i] + record->size);
        if (rc != FLOW_OK)
            return rc;
    }
    return number_of(record) % 2 == 1 ? flow_reject(stage, "odd") : FLOW_OK;
}
const struct flow_stage_type group_bulky = {
    .name = "t.bulky", .role = FLOW_WORKER, .process = bulky};

struct flaky {
    long long last;
    int tries;
};

/* Every record needs three tries. */
static enum flow_status flaky(void *self, struct flow_stage *stage,
                              const struct flow_record *record)
{
    struct flaky *state = self;
    const enum flow_status rc = flow_emit(stage, record->data, record->size);
    if (rc != FLOW_OK)
        return rc;
    if (state->tries == 0 || state->last != number_of(record))
        *state = (struct flaky){number_of(record), 0};
    return ++state->tries < 3 ? flow_reject(stage, "not yet") : FLOW_OK;
}
const struct flow_stage_type group_flaky = {
    .name = "t.flaky", .role = FLOW_WORKER, .state_size = sizeof(struct flaky), .process = flaky};

static enum flow_status forward(void *self, struct flow_stage *stage,
                                const struct flow_record *record)
{
    (void)self;
    return flow_forward(stage, 0, record);
}
const struct flow_stage_type group_forward = {
    .name = "t.forward", .role = FLOW_WORKER, .process = forward};

/* Forwards, and says at the end which replica it was. */
static enum flow_status tail(void *self, struct flow_stage *stage)
{
    (void)self;
    char text[32];
    const int size = snprintf(text, sizeof(text), "end %u", flow_stage_info(stage)->replica);
    return flow_emit(stage, text, (size_t)size);
}
const struct flow_stage_type group_tail = {
    .name = "t.tail", .role = FLOW_WORKER, .process = forward, .finish = tail};

/* Gives each record its last digit as key. */
static enum flow_status keyed(void *self, struct flow_stage *stage,
                              const struct flow_record *record)
{
    (void)self;
    const char digit = (char)('0' + number_of(record) % 10);
    const struct flow_target to = {.key = &digit, .key_size = 1};
    return flow_emit_to(stage, &to, record->data, record->size);
}
const struct flow_stage_type group_keyed = {
    .name = "t.keyed", .role = FLOW_WORKER, .process = keyed};

static enum flow_status keep(void *self, struct flow_stage *stage, const struct flow_record *record)
{
    (void)self;
    const char *name = flow_stage_info(stage)->name;
    const char last = name[strlen(name) - 1];
    struct kept *kept = &group_kept[last >= '0' && last <= '3' ? last - '0' : 0];
    size_t size = record->size;
    while (size > 0 && ((const char *)record->data)[size - 1] == ' ')
        size--;
    (void)pthread_mutex_lock(&kept_lock);
    if (kept->count < sizeof(kept->records) / sizeof(*kept->records))
        kept->records[kept->count++] = strndup(record->data, size);
    (void)pthread_mutex_unlock(&kept_lock);
    return FLOW_OK;
}
const struct flow_stage_type group_sink = {
    .name = "t.sink", .role = FLOW_CONSUMER, .process = keep};

/* Takes nothing before the gate is open; until then its input fills up. */
static enum flow_status gated_keep(void *self, struct flow_stage *stage,
                                   const struct flow_record *record)
{
    while (!atomic_load(&group_gate)) {
        const enum flow_status rc = flow_wait(stage, -1, 0, 1000000);
        if (rc != FLOW_EAGAIN)
            return rc;
    }
    return keep(self, stage, record);
}
const struct flow_stage_type group_gated_sink = {
    .name = "t.gated_sink", .role = FLOW_CONSUMER, .process = gated_keep};

static enum flow_status bad_open(void *self, struct flow_stage *stage)
{
    (void)self;
    return flow_stage_fail(stage, FLOW_EIO, "there is no such thing");
}
const struct flow_stage_type group_bad_open = {
    .name = "t.bad_open", .role = FLOW_CONSUMER, .open = bad_open, .process = keep};

static void note_failed(void *context, const struct flow_error *error)
{
    struct group_run *run = context;
    (void)pthread_mutex_lock(&run->lock);
    run->failed = true;
    run->error = *error;
    (void)pthread_cond_broadcast(&run->changed);
    (void)pthread_mutex_unlock(&run->lock);
}

static void note_ended(void *context)
{
    struct group_run *run = context;
    (void)pthread_mutex_lock(&run->lock);
    run->ended++;
    (void)pthread_cond_broadcast(&run->changed);
    (void)pthread_mutex_unlock(&run->lock);
}

static void note_saved(void *context, size_t replica, uint64_t epoch,
                       const struct flow_manifest_replica *saved)
{
    struct group_run *run = context;
    assert_true(replica < GROUP_REPLICAS);
    (void)pthread_mutex_lock(&run->lock);
    if (saved->finished) {
        run->finished[replica] = *saved;
        run->has_finished[replica] = true;
    } else {
        assert_int_equal(epoch, run->epoch);
        run->saved[replica] = *saved;
        run->has_saved[replica] = true;
    }
    (void)pthread_cond_broadcast(&run->changed);
    (void)pthread_mutex_unlock(&run->lock);
}

/* How many replicas have done so: saved or finished, and finished. */
static size_t count_saved(const struct group_run *run, size_t *finished)
{
    size_t count = 0;
    *finished = 0;
    for (size_t i = 0; i < run->plan->replica_count; i++) {
        count += run->has_saved[i] || run->has_finished[i];
        *finished += run->has_finished[i];
    }
    return count;
}

bool group_checkpoint(struct group_run *run, uint64_t epoch)
{
    size_t finished = 0;
    (void)pthread_mutex_lock(&run->lock);
    run->epoch = epoch;
    memset(run->has_saved, 0, sizeof(run->has_saved));
    (void)pthread_mutex_unlock(&run->lock);
    for (size_t i = 0; i < run->group_count; i++)
        flow_group_begin_epoch(run->groups[i], epoch);
    (void)pthread_mutex_lock(&run->lock);
    while (!run->failed && count_saved(run, &finished) < run->plan->replica_count)
        (void)pthread_cond_wait(&run->changed, &run->lock);
    if (run->failed)
        fail_msg("%s", run->error.text);
    (void)pthread_mutex_unlock(&run->lock);
    return finished == run->plan->replica_count;
}

void group_commit(struct group_run *run, uint64_t epoch, bool last)
{
    for (size_t i = 0; i < run->group_count; i++)
        flow_group_commit_epoch(run->groups[i], epoch, last);
}

static void make_folder(struct group_run *run)
{
    if (run->group_count < 2)
        return;
    (void)snprintf(run->folder, sizeof(run->folder), "/tmp/flowrun-group-XXXXXX");
    assert_non_null(mkdtemp(run->folder));
}

static void remove_folder(struct group_run *run)
{
    if (run->folder[0] == '\0')
        return;
    DIR *folder = opendir(run->folder);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.')
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
    }
    (void)closedir(folder);
    assert_int_equal(rmdir(run->folder), 0);
}

/* As a launcher does: bind all, open all, start all. */
static void start_groups(struct group_run *run, enum flow_status open_status)
{
    struct flow_error err = {0};
    for (size_t i = 0; i < run->group_count; i++) {
        const struct flow_group_options options = {
            .plan = run->plan,
            .group = i,
            .board = &run->board,
            .folder = run->folder[0] != '\0' ? run->folder : NULL,
            .run_id = 1,
            .checkpoints = group_checkpoints,
            .events = {.context = run,
                       .failed = note_failed,
                       .ended = note_ended,
                       .saved = note_saved},
        };
        assert_int_equal(flow_group_new(&options, &run->groups[i], &err), FLOW_OK);
    }
    enum flow_status opened = FLOW_OK;
    for (size_t i = 0; i < run->group_count && opened == FLOW_OK; i++)
        opened = flow_group_open(run->groups[i], &run->error);
    assert_int_equal(opened, open_status);
    run->failed = opened != FLOW_OK;
    for (size_t i = 0; i < run->group_count && opened == FLOW_OK; i++)
        flow_group_start(run->groups[i]);
}

void group_start(struct group_run *run, struct hand *h, enum flow_status open_status)
{
    struct flow_error err = {0};
    *run =
        (struct group_run){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    for (size_t i = 0; i < COUNT(group_kept) && !group_keeps; i++) {
        while (group_kept[i].count > 0)
            free(group_kept[i].records[--group_kept[i].count]);
    }
    run->plan = flow_plan_new(&h->graph, &(struct flow_plan_options){.cpus = 2}, &err);
    assert_non_null(run->plan);
    run->group_count = run->plan->group_count;
    assert_in_range(run->group_count, 1, GROUP_MOST);
    make_folder(run);
    const struct flow_board_size size = flow_board_size_of(run->plan);
    assert_int_equal(flow_board_new(&size, false, &run->board, &err), FLOW_OK);
    start_groups(run, open_status);
}

void group_drain(struct group_run *run)
{
    for (size_t i = 0; i < run->group_count; i++)
        flow_group_drain(run->groups[i]);
}

void group_abort(struct group_run *run)
{
    for (size_t i = 0; i < run->group_count; i++)
        flow_group_abort(run->groups[i]);
}

enum flow_status group_end(struct group_run *run)
{
    (void)pthread_mutex_lock(&run->lock);
    while (run->ended < run->group_count && !run->failed)
        (void)pthread_cond_wait(&run->changed, &run->lock);
    const bool failed = run->failed;
    (void)pthread_mutex_unlock(&run->lock);
    if (failed)
        group_abort(run);
    for (size_t i = 0; i < run->group_count; i++)
        assert_int_equal(flow_group_join(run->groups[i], -1, NULL), FLOW_OK);
    for (size_t i = 0; i < run->group_count; i++)
        flow_group_free(run->groups[i]);
    remove_folder(run);
    return failed ? run->error.status : FLOW_OK;
}

enum flow_status group_run(struct group_run *run, struct hand *h)
{
    group_start(run, h, FLOW_OK);
    return group_end(run);
}
