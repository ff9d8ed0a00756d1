/* SPDX-License-Identifier: MIT */

/*
 * The limit of threads: the workloads written out by hand over contenders/ring.h, every stage a
 * loop that the compiler sees whole.
 *
 *     rings chain|broadcast|jobs|keyed|latency KEY=VALUE...
 */

#include <pthread.h>

#include "common/key.h"
#include "common/options.h"
#include "common/pace.h"
#include "common/work.h"
#include "contenders/ring.h"

#define BLOCK ((size_t)64 << 10) /* what blocks hold, unless a record is larger */
#define BLOCKS 8                 /* of a node, for each of its links */
#define JOB_STEPS 16384 /* of work in a block, about 20 us: what a worker has in hand ... */
#define JOBS 1024       /* of a block at the most */
#define JOB_BLOCKS 3    /* ... so often, with what the end has not yet read */

struct run {
    const struct bench_options *options;
    struct node *nodes;
    struct link *links;
    size_t node_count, link_count;
    struct bench_tally *tallies; /* of each node */
};

static void die(const char *what)
{
    (void)fprintf(stderr, "rings: %s\n", what);
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = aligned_alloc(64, (count * size + 63) / 64 * 64);
    if (memory == NULL)
        die("no memory");
    memset(memory, 0, count * size);
    return memory;
}

static const struct bench_options *options_of(const struct node *node)
{
    return ((const struct run *)node->context)->options;
}

static struct bench_tally *tally_of(const struct node *node)
{
    const struct run *run = node->context;
    return &run->tallies[node - run->nodes];
}

/* Room for a record on the way to all readers. */
static uint8_t *add(struct node *node, struct block **block, size_t size)
{
    if (*block != NULL && !block_has_room(*block, size)) {
        node_send(node, *block);
        *block = NULL;
    }
    if (*block == NULL)
        *block = node_new_block(node);
    return block_add(*block, size);
}

static void flush(struct node *node, struct block **block)
{
    if (*block != NULL)
        node_send(node, *block);
    *block = NULL;
}

static void gen(struct node *node)
{
    const struct bench_options *o = options_of(node);
    const bool all = bench_is(o->read, "all");
    uint8_t *pattern = allocate(1, o->size);
    struct block *block = NULL;
    bench_pattern_fill(pattern, o->size);
    for (uint64_t i = 0; i < o->count; i++) {
        uint8_t *record = add(node, &block, o->size);
        if (all)
            bench_record_write(record, pattern, o->size, i);
        else
            bench_set_word(record, 0, i);
    }
    flush(node, &block);
    free(pattern);
}

static void ticks(struct node *node)
{
    const struct bench_options *o = options_of(node);
    uint8_t *pattern = allocate(1, o->size);
    struct block *block = NULL;
    bench_pattern_fill(pattern, o->size);
    const int64_t start = bench_now();
    for (uint64_t i = 0; i < o->count; i++) {
        const int64_t due = bench_due(start, i, o->rate);
        if (bench_now() < due) {
            flush(node, &block);
            bench_pause_until(due);
        }
        uint8_t *record = add(node, &block, o->size);
        bench_record_write(record, pattern, o->size, i);
        bench_stamp(record, due);
    }
    flush(node, &block);
    free(pattern);
}

static void copy(struct node *node)
{
    struct block *out = NULL;
    struct link *link;
    for (struct block *in; (in = node_take(node, &link)) != NULL;) {
        size_t start = 0;
        for (uint32_t i = 0; i < in->count; i++) {
            const size_t end = block_end(in, i);
            memcpy(add(node, &out, end - start), in->bytes + start, end - start);
            start = end;
        }
        link_send_back(link, in);
        if (!node_has_input(node))
            flush(node, &out);
    }
    flush(node, &out);
}

static void edit(struct node *node)
{
    struct link *link;
    for (struct block *block; (block = node_take(node, &link)) != NULL;) {
        size_t start = 0;
        for (uint32_t i = 0; i < block->count; i++) {
            bench_record_edit(block->bytes + start);
            start = block_end(block, i);
        }
        node_send(node, block);
    }
}

static void pass(struct node *node)
{
    struct link *link;
    for (struct block *block; (block = node_take(node, &link)) != NULL;)
        node_send(node, block);
}

static void work(struct node *node)
{
    struct link *link;
    for (struct block *block; (block = node_take(node, &link)) != NULL;) {
        size_t start = 0;
        for (uint32_t i = 0; i < block->count; i++) {
            bench_job_do(block->bytes + start);
            start = block_end(block, i);
        }
        node_send(node, block);
    }
}

static void sum_block(struct bench_tally *tally, const struct block *block,
                      void (*add_one)(struct bench_tally *tally, const void *data, size_t size))
{
    size_t start = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        const size_t end = block_end(block, i);
        add_one(tally, block->bytes + start, end - start);
        start = end;
    }
}

static void sum(struct node *node)
{
    struct link *link;
    for (struct block *block; (block = node_take(node, &link)) != NULL;) {
        sum_block(tally_of(node), block, bench_tally_add);
        link_send_back(link, block);
    }
    bench_tally_print(tally_of(node));
}

static void head(struct node *node)
{
    struct link *link;
    for (struct block *block; (block = node_take(node, &link)) != NULL;) {
        sum_block(tally_of(node), block, bench_tally_add_head);
        link_send_back(link, block);
    }
    bench_tally_print(tally_of(node));
}

static void text(struct node *node)
{
    struct link *link;
    for (struct block *block; (block = node_take(node, &link)) != NULL;) {
        sum_block(tally_of(node), block, bench_tally_add_text);
        link_send_back(link, block);
    }
    bench_tally_print(tally_of(node));
}

/* One block of each worker in turn, as they were dealt out. */
static void sum_in_order(struct node *node)
{
    struct block *block;
    for (size_t turn = 0;; turn = (turn + 1) % node->in_count) {
        struct link *link = node->in[turn];
        if ((block = node_take_from(node, link)) == NULL)
            break;
        sum_block(tally_of(node), block, bench_tally_add);
        link_send_back(link, block);
    }
    bench_tally_print(tally_of(node));
}

static void latency(struct node *node)
{
    struct bench_delays delays = {0};
    struct link *link;
    for (struct block *block; (block = node_take(node, &link)) != NULL;) {
        size_t start = 0;
        for (uint32_t i = 0; i < block->count; i++) {
            const size_t end = block_end(block, i);
            if (!bench_delays_add(&delays, block->bytes + start, end - start))
                die("no memory for the delays");
            start = end;
        }
        link_send_back(link, block);
    }
    bench_delays_print(&delays);
    bench_delays_clear(&delays);
}

/* Jobs go to the worker with the least in hand or, in order, to one after the other. */
static void deal(struct node *node)
{
    const struct bench_options *o = options_of(node);
    const struct bench_jobs jobs = {o->steps, o->long_steps, o->every};
    const bool in_turn = bench_is(o->order, "input");
    const uint64_t fit = JOB_STEPS / (o->steps + 1) + 1;
    const uint64_t most = fit < JOBS ? fit : JOBS;
    size_t turn = 0;
    for (uint64_t i = 0; i < o->count;) {
        struct link *link = in_turn ? node->out[turn] : node_choose(node, JOB_BLOCKS);
        struct block *block = node_new_block(node);
        const uint64_t end = o->count - i < most ? o->count : i + most;
        for (; i < end; i++)
            bench_job_write(block_add(block, BENCH_JOB_SIZE), &jobs, i);
        link_send(link, block);
        turn = (turn + 1) % node->out_count;
    }
}

/* Equal keys to the same link. */
static void gen_keys(struct node *node)
{
    const struct bench_options *o = options_of(node);
    struct block **open = allocate(node->out_count, sizeof(struct block *));
    uint8_t pattern[BENCH_KEYED_SIZE];
    bench_pattern_fill(pattern, BENCH_RECORD_MIN);
    for (uint64_t i = 0; i < o->count; i++) {
        bench_key_write(pattern + BENCH_RECORD_MIN, i, o->keys);
        const size_t to = bench_mix(bench_word(pattern, 2)) % node->out_count;
        if (open[to] != NULL && !block_has_room(open[to], sizeof(pattern))) {
            link_send(node->out[to], open[to]);
            open[to] = NULL;
        }
        if (open[to] == NULL)
            open[to] = node_new_block(node);
        bench_record_write(block_add(open[to], sizeof(pattern)), pattern, sizeof(pattern), i);
    }
    for (size_t i = 0; i < node->out_count; i++) {
        if (open[i] != NULL)
            link_send(node->out[i], open[i]);
    }
    free(open);
}

static void count(struct node *node)
{
    struct bench_counter counter = {0};
    struct link *link;
    for (struct block *block; (block = node_take(node, &link)) != NULL;) {
        for (uint32_t i = 0; i < block->count; i++) {
            if (!bench_counter_add(&counter, block->bytes + block_end(block, i) - BENCH_KEY_SIZE))
                die("no memory for the counts");
        }
        link_send_back(link, block);
    }
    struct block *out = NULL;
    for (size_t i = 0; i < counter.capacity; i++) {
        char line[BENCH_COUNT_SIZE];
        if (counter.slots[i].key == 0)
            continue;
        const size_t size = bench_count_write(line, counter.slots[i].count, &counter.slots[i].key);
        memcpy(add(node, &out, size), line, size);
    }
    flush(node, &out);
    free(counter.slots);
}

static void *run_node(void *argument)
{
    struct node *node = argument;
    node->body(node);
    node_end(node);
    return NULL;
}

static struct node *add_node(struct run *run, void (*body)(struct node *node), size_t blocks)
{
    const size_t size = run->options->size;
    const size_t room = size + 256 > BLOCK ? size + 4096 : BLOCK;
    struct node *node = &run->nodes[run->node_count++];
    node_init(node, room, blocks);
    node->body = body;
    node->context = run;
    return node;
}

static void connect(struct run *run, struct node *from, struct node *to)
{
    node_link(from, to, &run->links[run->link_count++]);
}

static void build_chain(struct run *run)
{
    const struct bench_options *o = run->options;
    const bool paced = bench_is(o->workload, "latency");
    struct node *last = add_node(run, paced ? ticks : gen, BLOCKS);
    for (uint64_t i = 1; i < o->stages; i++) {
        void (*body)(struct node * node) = bench_is(o->middle, "copy")   ? copy
                                           : bench_is(o->middle, "edit") ? edit
                                                                         : pass;
        if (i + 1 == o->stages)
            body = paced ? latency : bench_is(o->read, "all") ? sum : head;
        struct node *node = add_node(run, body, BLOCKS);
        connect(run, last, node);
        last = node;
    }
}

static void build_broadcast(struct run *run)
{
    struct node *from = add_node(run, gen, BLOCKS);
    for (uint64_t i = 0; i < run->options->readers; i++)
        connect(run, from, add_node(run, sum, 0));
}

static void build_jobs(struct run *run)
{
    const struct bench_options *o = run->options;
    const bool in_turn = bench_is(o->order, "input");
    const size_t blocks = o->workers * JOB_BLOCKS < RING_SLOTS ? o->workers * JOB_BLOCKS + 1 : 60;
    struct node *from = add_node(run, deal, blocks);
    struct node *to = add_node(run, in_turn ? sum_in_order : sum, 0);
    for (uint64_t i = 0; i < o->workers; i++) {
        struct node *worker = add_node(run, work, 0);
        connect(run, from, worker);
        connect(run, worker, to);
    }
}

static void build_keyed(struct run *run)
{
    struct node *from = add_node(run, gen_keys, BLOCKS * 2);
    struct node *to = add_node(run, text, 0);
    for (uint64_t i = 0; i < run->options->workers; i++) {
        struct node *worker = add_node(run, count, BLOCKS);
        connect(run, from, worker);
        connect(run, worker, to);
    }
}

static void start(struct run *run)
{
    pthread_t *threads = allocate(run->node_count, sizeof(*threads));
    for (size_t i = 0; i < run->node_count; i++) {
        if (pthread_create(&threads[i], NULL, run_node, &run->nodes[i]) != 0)
            die("cannot start a thread");
    }
    for (size_t i = 0; i < run->node_count; i++)
        (void)pthread_join(threads[i], NULL);
    for (size_t i = 0; i < run->node_count; i++)
        node_clear(&run->nodes[i]);
    free(threads);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*build)(struct run *run);
    } workloads[] = {
        {"chain", build_chain}, {"latency", build_chain}, {"broadcast", build_broadcast},
        {"jobs", build_jobs},   {"keyed", build_keyed},
    };
    struct bench_options o;
    if (!bench_options_read(&o, argc, argv))
        return 2;
    const size_t most = o.stages + o.workers + o.readers + 2;
    struct run run = {
        .options = &o,
        .nodes = allocate(most, sizeof(struct node)),
        .links = allocate(2 * most, sizeof(struct link)),
        .tallies = allocate(most, sizeof(struct bench_tally)),
    };
    int status = 2;
    for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
        if (bench_is(o.workload, workloads[i].name)) {
            workloads[i].build(&run);
            start(&run);
            status = 0;
        }
    }
    free(run.tallies);
    free(run.links);
    free(run.nodes);
    return status == 0 ? 0 : bench_unknown(&o);
}
