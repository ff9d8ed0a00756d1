/* SPDX-License-Identifier: MIT */

/*
 * What flowrun is compared with: stages over PUSH and PULL, one message a record, as ZeroMQ's guide
 * would have it, in its best form: records are written into messages and read where they lie.
 *
 *     naive_zmq chain|broadcast|jobs|keyed|latency mode=threads|processes KEY=VALUE...
 *     naive_zmq version
 *
 * A workload is a row of levels of one or more stages.  Each stage binds a PULL socket (one for
 * each writer where it reads them in turn) and connects to the stages of the next level: with one
 * PUSH socket, which deals to them in turn, or with a socket for each.
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "common/key.h"
#include "common/options.h"
#include "common/pace.h"
#include "common/work.h"

#define QUEUE_BYTES ((size_t)16 << 20) /* large records: fewer than ZeroMQ's 1000 in a queue */

struct stage {
    const struct bench_options *options;
    const char *folder;
    void (*body)(struct stage *stage);
    void *context; /* NULL: make one, this is a process of its own */
    unsigned level, index;
    unsigned writers; /* PULL sockets; 1: one for all writers */
    unsigned readers; /* of the next level */
    bool separate;    /* a PUSH socket for each reader */
    bool is_indexed;  /* the next level has a socket for each writer */
    void **in, **out;
    int ready; /* written to when the stage listens; -1: nobody waits */
};

struct run {
    const struct bench_options *options;
    const char *folder;
    struct stage *stages;
    size_t count, last; /* how many, and the first of the last level */
};

static void die(const char *what)
{
    (void)fprintf(stderr, "naive_zmq: %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        die("calloc");
    return memory;
}

/* false: the run is over.  On the way in and out: the context has been shut down. */
static bool receive(void *socket, zmq_msg_t *message)
{
    if (zmq_msg_recv(message, socket, 0) >= 0)
        return true;
    if (zmq_errno() != ETERM)
        die("zmq_msg_recv");
    return false;
}

static void send_message(void *socket, zmq_msg_t *message)
{
    if (zmq_msg_send(message, socket, 0) < 0 && zmq_errno() != ETERM)
        die("zmq_msg_send");
}

static void *new_message(zmq_msg_t *message, size_t size)
{
    if (zmq_msg_init_size(message, size) != 0)
        die("zmq_msg_init_size");
    return zmq_msg_data(message);
}

static void send_bytes(void *socket, const void *data, size_t size)
{
    if (zmq_send(socket, data, size, 0) < 0 && zmq_errno() != ETERM)
        die("zmq_send");
}

static void gen(struct stage *stage)
{
    const struct bench_options *o = stage->options;
    const bool all = bench_is(o->read, "all");
    uint8_t *pattern = allocate(1, o->size);
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
    uint8_t *pattern = allocate(1, o->size);
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
            die("no memory for the counts");
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
            die("the counters have gone");
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
            die("no memory for the delays");
    }
    (void)zmq_msg_close(&message);
    bench_delays_print(&delays);
    bench_delays_clear(&delays);
}

static void *open_socket(const struct stage *stage, void *context, int type)
{
    const size_t fit = QUEUE_BYTES / stage->options->size;
    const int mark = fit > 1000 ? 1000 : fit < 2 ? 2 : (int)fit;
    void *socket = zmq_socket(context, type);
    if (socket == NULL)
        die("zmq_socket");
    (void)zmq_setsockopt(socket, ZMQ_SNDHWM, &mark, sizeof(mark));
    (void)zmq_setsockopt(socket, ZMQ_RCVHWM, &mark, sizeof(mark));
    return socket;
}

static void end_point(const struct stage *stage, unsigned level, unsigned index, unsigned writer,
                      char *out, size_t size)
{
    (void)snprintf(out, size, "%s%s/%u.%u.%u", stage->context != NULL ? "inproc:/" : "ipc://",
                   stage->folder, level, index, writer);
}

static void open_sockets(struct stage *stage, void *context)
{
    char endpoint[128];
    stage->in = allocate(stage->writers + 1, sizeof(void *));
    stage->out = allocate(stage->readers + 1, sizeof(void *));
    for (unsigned w = 0; stage->level > 0 && w < stage->writers; w++) {
        stage->in[w] = open_socket(stage, context, ZMQ_PULL);
        end_point(stage, stage->level, stage->index, w, endpoint, sizeof(endpoint));
        if (zmq_bind(stage->in[w], endpoint) != 0)
            die(endpoint);
    }
    for (unsigned r = 0; r < stage->readers; r++) {
        const unsigned at = stage->separate ? r : 0;
        if (stage->out[at] == NULL)
            stage->out[at] = open_socket(stage, context, ZMQ_PUSH);
        end_point(stage, stage->level + 1, r, stage->is_indexed ? stage->index : 0, endpoint,
                  sizeof(endpoint));
        if (zmq_connect(stage->out[at], endpoint) != 0)
            die(endpoint);
    }
}

static void close_sockets(struct stage *stage)
{
    for (unsigned w = 0; w < stage->writers; w++) {
        if (stage->in[w] != NULL)
            (void)zmq_close(stage->in[w]);
    }
    for (unsigned r = 0; r < stage->readers; r++) {
        if (stage->out[r] != NULL)
            (void)zmq_close(stage->out[r]);
    }
    free(stage->in);
    free(stage->out);
}

static void *run_stage(void *argument)
{
    struct stage *stage = argument;
    void *context = stage->context != NULL ? stage->context : zmq_ctx_new();
    open_sockets(stage, context);
    if (stage->ready >= 0 && write(stage->ready, "r", 1) != 1)
        die("write");
    stage->body(stage);
    /* A sender that closes while its reader is behind may take messages with it: stay until the
     * last stage has all. */
    while (stage->context == NULL && stage->readers > 0)
        (void)pause();
    close_sockets(stage);
    if (stage->context == NULL)
        (void)zmq_ctx_term(context);
    return NULL;
}

static void run_threads(struct run *run)
{
    pthread_t *threads = allocate(run->count, sizeof(*threads));
    void *context = zmq_ctx_new();
    (void)zmq_ctx_set(context, ZMQ_MAX_SOCKETS, (int)(4 * run->count) + 64);
    for (size_t i = 0; i < run->count; i++) {
        run->stages[i].context = context;
        if (pthread_create(&threads[i], NULL, run_stage, &run->stages[i]) != 0)
            die("pthread_create");
    }
    for (size_t i = run->last; i < run->count; i++)
        (void)pthread_join(threads[i], NULL);
    (void)zmq_ctx_shutdown(context); /* wakes the others, which wait for more */
    for (size_t i = 0; i < run->last; i++)
        (void)pthread_join(threads[i], NULL);
    (void)zmq_ctx_term(context);
    free(threads);
}

static void run_processes(struct run *run)
{
    /* The last stage first, and each only when its reader listens: a PUSH that connects too early
     * may lose what it has sent until then. */
    int ready[2];
    pid_t *children = allocate(run->count, sizeof(*children));
    if (pipe(ready) != 0)
        die("pipe");
    for (size_t i = run->count; i-- > 0;) {
        run->stages[i].ready = ready[1];
        children[i] = fork(); /* no context exists yet */
        if (children[i] < 0)
            die("fork");
        if (children[i] == 0) {
            (void)run_stage(&run->stages[i]);
            _exit(0);
        }
        char byte;
        if (read(ready[0], &byte, 1) != 1)
            die("read");
    }
    int status;
    for (size_t i = run->last; i < run->count; i++) {
        if (waitpid(children[i], &status, 0) < 0 || status != 0)
            die("the last stage failed");
    }
    for (size_t i = 0; i < run->last; i++) {
        (void)kill(children[i], SIGKILL);
        (void)waitpid(children[i], &status, 0);
    }
    free(children);
}

/* One level more, of `width` stages. */
static void add_level(struct run *run, unsigned width, void (*body)(struct stage *stage))
{
    const size_t before = run->count > 0 ? run->count - run->last : 0;
    const unsigned level = run->count > 0 ? run->stages[run->last].level + 1 : 0;
    for (size_t i = run->last; i < run->count; i++)
        run->stages[i].readers = width;
    run->stages = realloc(run->stages,
                          (run->count + width) * sizeof(*run->stages)); /* at most once a level */
    if (run->stages == NULL)
        die("realloc");
    run->last += before;
    for (unsigned i = 0; i < width; i++)
        run->stages[run->count++] = (struct stage){.options = run->options,
                                                   .folder = run->folder,
                                                   .body = body,
                                                   .level = level,
                                                   .index = i,
                                                   .writers = 1,
                                                   .ready = -1};
}

static void build_chain(struct run *run)
{
    const struct bench_options *o = run->options;
    const bool paced = bench_is(o->workload, "latency");
    add_level(run, 1, paced ? ticks : gen);
    for (uint64_t i = 2; i < o->stages; i++) {
        add_level(run, 1,
                  bench_is(o->middle, "copy")   ? copy
                  : bench_is(o->middle, "edit") ? edit
                                                : pass);
    }
    add_level(run, 1, paced ? latency : sum);
}

static void build_broadcast(struct run *run)
{
    add_level(run, 1, gen);
    add_level(run, (unsigned)run->options->readers, sum);
    run->stages[0].separate = true;
}

/* In order: dealt and collected in strict turn. */
static void build_jobs(struct run *run)
{
    const struct bench_options *o = run->options;
    const bool in_turn = bench_is(o->order, "input");
    add_level(run, 1, gen_jobs);
    add_level(run, (unsigned)o->workers, work);
    add_level(run, 1, sum);
    run->stages[0].separate = in_turn;
    for (uint64_t i = 0; in_turn && i < o->workers; i++)
        run->stages[1 + i].is_indexed = true;
    if (in_turn)
        run->stages[run->last].writers = (unsigned)o->workers;
}

static void build_keyed(struct run *run)
{
    add_level(run, 1, gen_keys);
    add_level(run, (unsigned)run->options->workers, count);
    add_level(run, 1, text);
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

static void remove_folder(const struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        for (unsigned w = 0; w < run->stages[i].writers; w++) {
            char path[128];
            (void)snprintf(path, sizeof(path), "%s/%u.%u.%u", run->folder, run->stages[i].level,
                           run->stages[i].index, w);
            (void)unlink(path);
        }
    }
    (void)rmdir(run->folder);
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
        die(folder);
    if (threads)
        run_threads(&run);
    else
        run_processes(&run);
    remove_folder(&run);
    free(run.stages);
    return 0;
}
