/* SPDX-License-Identifier: MIT */

/*
 * What flowrun is compared with: stages over PUSH and PULL, one message a record, as ZeroMQ's guide
 * would have it, in its best form: records are written into messages and read where they lie.
 *
 *     naive_zmq chain|broadcast|jobs|keyed|latency mode=threads|processes KEY=VALUE...
 *     naive_zmq version
 */

#include <zmq.h>

#include "common/key.h"
#include "common/options.h"
#include "common/pace.h"
#include "common/work.h"
#include "contenders/naive_run.h"

/* false: the run is over, and the context shut down. */
static bool receive(void *socket, zmq_msg_t *message)
{
    if (zmq_msg_recv(message, socket, 0) >= 0)
        return true;
    if (zmq_errno() != ETERM)
        naive_die("zmq_msg_recv");
    return false;
}

static void send_message(void *socket, zmq_msg_t *message)
{
    if (zmq_msg_send(message, socket, 0) < 0 && zmq_errno() != ETERM)
        naive_die("zmq_msg_send");
}

static void *new_message(zmq_msg_t *message, size_t size)
{
    if (zmq_msg_init_size(message, size) != 0)
        naive_die("zmq_msg_init_size");
    return zmq_msg_data(message);
}

static void send_bytes(void *socket, const void *data, size_t size)
{
    if (zmq_send(socket, data, size, 0) < 0 && zmq_errno() != ETERM)
        naive_die("zmq_send");
}

static void gen(struct stage *stage)
{
    const struct bench_options *o = stage->options;
    const bool all = bench_is(o->read, "all");
    uint8_t *pattern = naive_allocate(1, o->size);
    bench_pattern_fill(pattern, o->size);
    for (uint64_t i = 0; i < o->count; i++) {
        for (unsigned r = 0; r < (stage->separate ? stage->readers : 1); r++) {
            zmq_msg_t message;
            void *record = new_message(&message, o->size);
            if (all)
                bench_record_write(record, pattern, o->size, i);
            else
                bench_set_word(record, 0, i);
            send_message(stage->out[r], &message);
        }
    }
    free(pattern);
}

static void ticks(struct stage *stage)
{
    const struct bench_options *o = stage->options;
    uint8_t *pattern = naive_allocate(1, o->size);
    bench_pattern_fill(pattern, o->size);
    const int64_t start = bench_now();
    for (uint64_t i = 0; i < o->count; i++) {
        const int64_t due = bench_due(start, i, o->rate);
        if (bench_now() < due)
            bench_pause_until(due);
        bench_set_word(pattern, 0, i);
        bench_stamp(pattern, due);
        send_bytes(stage->out[0], pattern, o->size);
    }
    free(pattern);
}

static void gen_jobs(struct stage *stage)
{
    const struct bench_options *o = stage->options;
    const struct bench_jobs jobs = {o->steps, o->long_steps, o->every};
    uint8_t job[BENCH_JOB_SIZE];
    for (uint64_t i = 0; i < o->count; i++) {
        bench_job_write(job, &jobs, i);
        send_bytes(stage->out[stage->separate ? i % stage->readers : 0], job, sizeof(job));
    }
}

static void gen_keys(struct stage *stage)
{
    const struct bench_options *o = stage->options;
    uint8_t record[BENCH_KEYED_SIZE];
    bench_pattern_fill(record, BENCH_RECORD_MIN);
    for (uint64_t i = 0; i < o->count; i++) {
        bench_set_word(record, 0, i);
        bench_key_write(record + BENCH_RECORD_MIN, i, o->keys);
        const uint64_t to = bench_mix(bench_word(record, 2)) % stage->readers;
        send_bytes(stage->out[to], record, sizeof(record));
    }
    for (unsigned r = 0; r < stage->readers; r++)
        send_bytes(stage->out[r], "", 0); /* the end */
}

static void copy(struct stage *stage)
{
    zmq_msg_t in;
    (void)zmq_msg_init(&in);
    while (receive(stage->in[0], &in)) {
        zmq_msg_t out;
        memcpy(new_message(&out, zmq_msg_size(&in)), zmq_msg_data(&in), zmq_msg_size(&in));
        send_message(stage->out[0], &out);
    }
    (void)zmq_msg_close(&in);
}

static void edit(struct stage *stage)
{
    zmq_msg_t message;
    (void)zmq_msg_init(&message);
    while (receive(stage->in[0], &message)) {
        bench_record_edit(zmq_msg_data(&message));
        send_message(stage->out[0], &message);
    }
    (void)zmq_msg_close(&message);
}

static void pass(struct stage *stage)
{
    zmq_msg_t message;
    (void)zmq_msg_init(&message);
    while (receive(stage->in[0], &message))
        send_message(stage->out[0], &message);
    (void)zmq_msg_close(&message);
}

static void work(struct stage *stage)
{
    zmq_msg_t message;
    (void)zmq_msg_init(&message);
    while (receive(stage->in[0], &message)) {
        bench_job_do(zmq_msg_data(&message));
        send_message(stage->out[0], &message);
    }
    (void)zmq_msg_close(&message);
}

static void count(struct stage *stage)
{
    struct bench_counter counter = {0};
    zmq_msg_t message;
    (void)zmq_msg_init(&message);
    while (receive(stage->in[0], &message) && zmq_msg_size(&message) > 0) {
        if (!bench_counter_add(&counter, (uint8_t *)zmq_msg_data(&message) + BENCH_RECORD_MIN))
            naive_die("no memory for the counts");
    }
    (void)zmq_msg_close(&message);
    for (size_t i = 0; i < counter.capacity; i++) {
        const struct bench_slot *slot = &counter.slots[i];
        char text[BENCH_COUNT_SIZE];
        if (slot->key != 0)
            send_bytes(stage->out[0], text, bench_count_write(text, slot->count, &slot->key));
    }
    send_bytes(stage->out[0], "", 0); /* the end */
    free(counter.slots);
}

static void sum(struct stage *stage)
{
    const bool all = bench_is(stage->options->read, "all");
    struct bench_tally tally = {0};
    zmq_msg_t message;
    (void)zmq_msg_init(&message);
    while (tally.count < stage->options->count &&
           receive(stage->in[tally.count % stage->writers], &message)) {
        if (all)
            bench_tally_add(&tally, zmq_msg_data(&message), zmq_msg_size(&message));
        else
            bench_tally_add_head(&tally, zmq_msg_data(&message), zmq_msg_size(&message));
    }
    (void)zmq_msg_close(&message);
    bench_tally_print(&tally);
}

static void text(struct stage *stage)
{
    struct bench_tally tally = {0};
    zmq_msg_t message;
    (void)zmq_msg_init(&message);
    for (uint64_t ended = 0; ended < stage->options->workers;) {
        if (!receive(stage->in[0], &message))
            naive_die("the counters have gone");
        if (zmq_msg_size(&message) > 0)
            bench_tally_add_text(&tally, zmq_msg_data(&message), zmq_msg_size(&message));
        else
            ended++;
    }
    (void)zmq_msg_close(&message);
    bench_tally_print(&tally);
}

static void latency(struct stage *stage)
{
    struct bench_delays delays = {0};
    zmq_msg_t message;
    (void)zmq_msg_init(&message);
    while (delays.count < stage->options->count && receive(stage->in[0], &message)) {
        if (!bench_delays_add(&delays, zmq_msg_data(&message), zmq_msg_size(&message)))
            naive_die("no memory for the delays");
    }
    (void)zmq_msg_close(&message);
    bench_delays_print(&delays);
    bench_delays_clear(&delays);
}

static void build_chain(struct run *run)
{
    const struct bench_options *o = run->options;
    const bool paced = bench_is(o->workload, "latency");
    naive_add_level(run, 1, paced ? ticks : gen);
    for (uint64_t i = 2; i < o->stages; i++) {
        naive_add_level(run, 1,
                        bench_is(o->middle, "copy")   ? copy
                        : bench_is(o->middle, "edit") ? edit
                                                      : pass);
    }
    naive_add_level(run, 1, paced ? latency : sum);
}

static void build_broadcast(struct run *run)
{
    naive_add_level(run, 1, gen);
    naive_add_level(run, (unsigned)run->options->readers, sum);
    run->stages[0].separate = true;
}

/* In order: dealt and collected in strict turn. */
static void build_jobs(struct run *run)
{
    const struct bench_options *o = run->options;
    const bool in_turn = bench_is(o->order, "input");
    naive_add_level(run, 1, gen_jobs);
    naive_add_level(run, (unsigned)o->workers, work);
    naive_add_level(run, 1, sum);
    run->stages[0].separate = in_turn;
    for (uint64_t i = 0; in_turn && i < o->workers; i++)
        run->stages[1 + i].is_indexed = true;
    if (in_turn)
        run->stages[run->last].writers = (unsigned)o->workers;
}

static void build_keyed(struct run *run)
{
    naive_add_level(run, 1, gen_keys);
    naive_add_level(run, (unsigned)run->options->workers, count);
    naive_add_level(run, 1, text);
    run->stages[0].separate = true;
}

static bool build(struct run *run)
{
    static const struct {
        const char *name;
        void (*build)(struct run *run);
    } workloads[] = {
        {"chain", build_chain}, {"latency", build_chain}, {"broadcast", build_broadcast},
        {"jobs", build_jobs},   {"keyed", build_keyed},
    };
    for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
        if (bench_is(run->options->workload, workloads[i].name))
            workloads[i].build(run);
    }
    return run->count > 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && bench_is(argv[1], "version")) {
        int version[3];
        zmq_version(&version[0], &version[1], &version[2]);
        (void)printf("%d.%d.%d\n", version[0], version[1], version[2]);
        return 0;
    }
    struct bench_options o;
    if (!bench_options_read(&o, argc, argv))
        return 2;
    const bool threads = bench_is(o.mode, "threads");
    char folder[] = "/tmp/naive-zmq-XXXXXX";
    struct run run = {.options = &o, .folder = folder};
    if ((!threads && !bench_is(o.mode, "processes")) || !build(&run))
        return bench_unknown(&o);
    if (mkdtemp(folder) == NULL)
        naive_die(folder);
    if (threads)
        naive_run_threads(&run);
    else
        naive_run_processes(&run);
    naive_remove_folder(&run);
    free(run.stages);
    return 0;
}
