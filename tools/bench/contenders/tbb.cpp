/* SPDX-License-Identifier: MIT */

/*
 * oneTBB: its flow graph, one message a record between nodes, and its parallel_pipeline, one token
 * a record.  Records lie in buffers that are used again.
 *
 *     tbb chain|broadcast|jobs mode=graph|pipeline KEY=VALUE...
 *
 * The queues of a flow graph have no bound, so the producer waits for a buffer to come back before
 * it puts a record into the graph.  (An input_node behind a limiter_node would not do: what the
 * limiter refuses can overtake.)
 */

#include <memory>
#include <vector>

#include <oneapi/tbb/concurrent_queue.h>
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/parallel_pipeline.h>

#include "common/options.h"
#include "common/work.h"

namespace flow = oneapi::tbb::flow;

namespace
{

/* Records between the producer and the end. */
size_t under_way(const bench_options &o)
{
    const size_t fit = (size_t{16} << 20) / o.size;
    return fit < 4 ? 4 : fit > 256 ? 256 : fit;
}

/* A record in its own buffer, with a second one beside it for the copy. */
struct Record {
    uint8_t *data, *room;
    uint64_t number;
    size_t buffer; /* which */
};

class Producer
{
  public:
    explicit Producer(const bench_options &o)
        : options_(o), size_((o.size + 63) / 64 * 64), bytes_(2 * size_ * under_way(o)),
          pattern_(o.size), jobs_{o.steps, o.long_steps, o.every}
    {
        bench_pattern_fill(pattern_.data(), o.size);
        for (size_t i = 0; i < under_way(o); i++)
            give_back({bytes_.data() + 2 * i * size_, bytes_.data() + (2 * i + 1) * size_, 0, i});
    }

    /* Waits for a buffer; false: that was the last. */
    bool next(Record &record)
    {
        if (next_ == options_.count)
            return false;
        free_.pop(record);
        record.number = next_;
        if (bench_is(options_.workload, "jobs"))
            bench_job_write(record.data, &jobs_, next_);
        else
            bench_record_write(record.data, pattern_.data(), options_.size, next_);
        next_++;
        return true;
    }

    void give_back(const Record &record)
    {
        free_.push(record);
    }

  private:
    const bench_options &options_;
    size_t size_;
    std::vector<uint8_t> bytes_, pattern_;
    bench_jobs jobs_;
    oneapi::tbb::concurrent_bounded_queue<Record> free_;
    uint64_t next_ = 0;
};

/* What a worker does: a copy, or the job in place. */
class Worker
{
  public:
    explicit Worker(const bench_options &o) : options_(o), is_jobs_(bench_is(o.workload, "jobs"))
    {
    }

    Record operator()(const Record &record) const
    {
        if (is_jobs_) {
            bench_job_do(record.data);
            return record;
        }
        memcpy(record.room, record.data, options_.size);
        return {record.room, record.data, record.number, record.buffer};
    }

  private:
    const bench_options &options_;
    bool is_jobs_;
};

size_t record_size(const bench_options &o)
{
    return bench_is(o.workload, "jobs") ? BENCH_JOB_SIZE : o.size;
}

/* The workers of a chain, or the one parallel stage of jobs. */
size_t middle_count(const bench_options &o)
{
    return bench_is(o.workload, "jobs") ? 1 : o.stages - 2;
}

int run_graph(const bench_options &o)
{
    using Node = flow::function_node<Record, Record>;
    flow::graph graph;
    Producer producer(o);
    bench_tally tally = {};
    const size_t size = record_size(o);
    const size_t width = bench_is(o.workload, "jobs") ? o.workers : 1;
    flow::function_node<Record, flow::continue_msg, flow::lightweight> end(
        graph, flow::serial, [&](const Record &record) {
            bench_tally_add(&tally, record.data, size);
            producer.give_back(record);
            return flow::continue_msg();
        });
    flow::sequencer_node<Record> in_order(
        graph, [](const Record &record) { return static_cast<size_t>(record.number); });
    std::vector<std::unique_ptr<Node>> nodes;
    for (size_t i = 0; i < middle_count(o); i++) {
        nodes.push_back(std::make_unique<Node>(graph, width, Worker(o)));
        if (i > 0)
            flow::make_edge(*nodes[i - 1], *nodes[i]);
    }
    /* Even a chain of serial nodes needs it: a node starts its next record before its result has
     * gone on, and another thread may be faster. */
    if (width == 1 || bench_is(o.order, "input")) {
        flow::make_edge(*nodes.back(), in_order);
        flow::make_edge(in_order, end);
    } else {
        flow::make_edge(*nodes.back(), end);
    }
    for (Record record = {}; producer.next(record);)
        nodes.front()->try_put(record);
    graph.wait_for_all();
    bench_tally_print(&tally);
    return 0;
}

int run_broadcast(const bench_options &o)
{
    flow::graph graph;
    Producer producer(o);
    std::vector<bench_tally> tallies(o.readers);
    std::vector<std::atomic<size_t>> left(under_way(o)); /* readers of each buffer */
    flow::broadcast_node<Record> source(graph);
    std::vector<std::unique_ptr<flow::function_node<Record>>> readers;
    for (size_t i = 0; i < o.readers; i++) {
        readers.push_back(std::make_unique<flow::function_node<Record>>(
            graph, flow::serial, [&, i](const Record &record) {
                bench_tally_add(&tallies[i], record.data, o.size);
                if (left[record.buffer].fetch_sub(1) == 1)
                    producer.give_back(record);
                return flow::continue_msg();
            }));
        flow::make_edge(source, *readers.back());
    }
    for (Record record = {}; producer.next(record);) {
        left[record.buffer].store(o.readers);
        source.try_put(record);
    }
    graph.wait_for_all();
    for (const bench_tally &tally : tallies)
        bench_tally_print(&tally);
    return 0;
}

int run_pipeline(const bench_options &o)
{
    using oneapi::tbb::filter;
    using oneapi::tbb::filter_mode;
    using oneapi::tbb::make_filter;
    Producer producer(o);
    bench_tally tally = {};
    const size_t size = record_size(o);
    const bool is_jobs = bench_is(o.workload, "jobs");
    const filter_mode end_mode = is_jobs && bench_is(o.order, "none")
                                     ? filter_mode::serial_out_of_order
                                     : filter_mode::serial_in_order;
    filter<void, Record> row = make_filter<void, Record>(filter_mode::serial_in_order,
                                                         [&](oneapi::tbb::flow_control &control) {
                                                             Record record = {};
                                                             if (!producer.next(record))
                                                                 control.stop();
                                                             return record;
                                                         });
    for (size_t i = 0; i < middle_count(o); i++)
        row = row & make_filter<Record, Record>(
                        is_jobs ? filter_mode::parallel : filter_mode::serial_in_order, Worker(o));
    const auto take = [&](const Record &record) {
        bench_tally_add(&tally, record.data, size);
        producer.give_back(record);
    };
    /* No more tokens than buffers: the producer never waits. */
    oneapi::tbb::parallel_pipeline(under_way(o), row & make_filter<Record, void>(end_mode, take));
    bench_tally_print(&tally);
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    bench_options o;
    if (!bench_options_read(&o, argc, argv))
        return 2;
    const bool is_graph = bench_is(o.mode, "graph");
    if (is_graph && bench_is(o.workload, "broadcast"))
        return run_broadcast(o);
    if (!bench_is(o.workload, "chain") && !bench_is(o.workload, "jobs"))
        return bench_unknown(&o);
    return is_graph ? run_graph(o) : run_pipeline(o);
}
