/* SPDX-License-Identifier: MIT */

/*
 * The limit of fusing: the stages of a chain as indirect calls in one thread, one call a record and
 * stage.  A stage that copies does so into a room of its own, which the next one is handed.
 *
 *     loop chain|broadcast|keyed KEY=VALUE...
 *     loop jobs: `workers` threads, among which the jobs are split evenly beforehand, short ones
 * and long ones alike: no way of handing them out can be faster
 */

#include <pthread.h>

#include "common/key.h"
#include "common/options.h"
#include "common/work.h"

struct stage {
    void (*take)(struct stage *stage, void *record, size_t size);
    struct stage **next; /* what takes from it; NULL ends the list */
    void *room;
    struct bench_tally tally;
    struct bench_counter counter;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "loop: %s\n", what);
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        die("no memory");
    return memory;
}

static void emit(const struct stage *stage, void *record, size_t size)
{
    for (struct stage **next = stage->next; *next != NULL; next++)
        (*next)->take(*next, record, size);
}

static void take_copy(struct stage *stage, void *record, size_t size)
{
    memcpy(stage->room, record, size);
    emit(stage, stage->room, size);
}

static void take_edit(struct stage *stage, void *record, size_t size)
{
    bench_record_edit(record);
    emit(stage, record, size);
}

static void take_pass(struct stage *stage, void *record, size_t size)
{
    emit(stage, record, size);
}

static void take_sum(struct stage *stage, void *record, size_t size)
{
    bench_tally_add(&stage->tally, record, size);
}

static void take_head(struct stage *stage, void *record, size_t size)
{
    bench_tally_add_head(&stage->tally, record, size);
}

static void take_text(struct stage *stage, void *record, size_t size)
{
    bench_tally_add_text(&stage->tally, record, size);
}

static void take_key(struct stage *stage, void *record, size_t size)
{
    if (!bench_counter_add(&stage->counter, (uint8_t *)record + size - BENCH_KEY_SIZE))
        die("no memory for the counts");
}

static void produce(const struct bench_options *o, const struct stage *stage)
{
    const bool all = bench_is(o->read, "all");
    uint8_t *pattern = allocate(1, o->size);
    uint8_t *room = allocate(1, o->size);
    bench_pattern_fill(pattern, o->size);
    for (uint64_t i = 0; i < o->count; i++) {
        if (all)
            bench_record_write(room, pattern, o->size, i);
        else
            bench_set_word(room, 0, i);
        emit(stage, room, o->size);
    }
    free(room);
    free(pattern);
}

static int run_chain(const struct bench_options *o)
{
    struct stage *stages = allocate(o->stages, sizeof(*stages));
    struct stage **links = allocate(2 * o->stages, sizeof(*links));
    for (size_t i = 0; i < o->stages; i++) {
        links[2 * i] = i + 1 < o->stages ? &stages[i + 1] : NULL;
        stages[i].next = &links[2 * i];
        stages[i].room = allocate(1, o->size);
        stages[i].take = bench_is(o->middle, "copy")   ? take_copy
                         : bench_is(o->middle, "edit") ? take_edit
                                                       : take_pass;
    }
    struct stage *end = &stages[o->stages - 1];
    end->take = bench_is(o->read, "all") ? take_sum : take_head;
    produce(o, &stages[0]);
    bench_tally_print(&end->tally);
    for (size_t i = 0; i < o->stages; i++)
        free(stages[i].room);
    free(links);
    free(stages);
    return 0;
}

static int run_broadcast(const struct bench_options *o)
{
    struct stage *readers = allocate(o->readers, sizeof(*readers));
    struct stage **links = allocate(o->readers + 1, sizeof(*links));
    const struct stage gen = {.next = links};
    for (size_t i = 0; i < o->readers; i++) {
        readers[i].take = take_sum;
        links[i] = &readers[i];
    }
    produce(o, &gen);
    for (size_t i = 0; i < o->readers; i++)
        bench_tally_print(&readers[i].tally);
    free(links);
    free(readers);
    return 0;
}

static int run_keyed(const struct bench_options *o)
{
    struct stage end = {.take = take_text};
    struct stage *to_end[] = {&end, NULL};
    struct stage count = {.take = take_key, .next = to_end};
    uint8_t record[BENCH_KEYED_SIZE];
    bench_pattern_fill(record, BENCH_RECORD_MIN);
    for (uint64_t i = 0; i < o->count; i++) {
        bench_set_word(record, 0, i);
        bench_key_write(record + BENCH_RECORD_MIN, i, o->keys);
        count.take(&count, record, sizeof(record));
    }
    for (size_t i = 0; i < count.counter.capacity; i++) {
        const struct bench_slot *slot = &count.counter.slots[i];
        char text[BENCH_COUNT_SIZE];
        if (slot->key != 0)
            emit(&count, text, bench_count_write(text, slot->count, &slot->key));
    }
    bench_tally_print(&end.tally);
    free(count.counter.slots);
    return 0;
}

struct share {
    const struct bench_options *options;
    uint64_t worker;
    struct bench_tally tally;
};

static void *work(void *argument)
{
    struct share *share = argument;
    const struct bench_options *o = share->options;
    const struct bench_jobs jobs = {o->steps, o->long_steps, o->every};
    uint64_t turns[2] = {0, 0}; /* of short jobs and of long ones */
    for (uint64_t i = 0; i < o->count; i++) {
        uint8_t job[BENCH_JOB_SIZE];
        bench_job_write(job, &jobs, i);
        uint64_t *turn = &turns[bench_word(job, 1) == o->long_steps];
        if ((*turn)++ % o->workers != share->worker)
            continue;
        bench_job_do(job);
        bench_tally_add(&share->tally, job, sizeof(job));
    }
    return NULL;
}

static int run_jobs(const struct bench_options *o)
{
    pthread_t *threads = allocate(o->workers, sizeof(*threads));
    struct share *shares = allocate(o->workers, sizeof(*shares));
    for (uint64_t i = 0; i < o->workers; i++) {
        shares[i] = (struct share){.options = o, .worker = i};
        if (pthread_create(&threads[i], NULL, work, &shares[i]) != 0)
            die("cannot start a thread");
    }
    struct bench_tally all = {0};
    for (uint64_t i = 0; i < o->workers; i++) {
        (void)pthread_join(threads[i], NULL);
        all.count += shares[i].tally.count;
        all.bytes += shares[i].tally.bytes;
        all.sum += shares[i].tally.sum;
    }
    bench_tally_print(&all);
    free(shares);
    free(threads);
    return 0;
}

int main(int argc, char **argv)
{
    struct bench_options o;
    if (!bench_options_read(&o, argc, argv))
        return 2;
    if (bench_is(o.workload, "chain"))
        return run_chain(&o);
    if (bench_is(o.workload, "broadcast"))
        return run_broadcast(&o);
    if (bench_is(o.workload, "keyed"))
        return run_keyed(&o);
    if (bench_is(o.workload, "jobs"))
        return run_jobs(&o);
    return bench_unknown(&o);
}
