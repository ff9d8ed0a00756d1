/* SPDX-License-Identifier: MIT */

/*
 * Taskflow's Pipeline: one token a record, a line (a buffer) for each token under way.
 *
 *     taskflow chain|jobs KEY=VALUE...
 */

#include <vector>

#include <taskflow/algorithm/pipeline.hpp>
#include <taskflow/taskflow.hpp>

#include "common/options.h"
#include "common/work.h"

namespace
{

/* A line's own buffers: stages of a token run one after the other. */
struct Line {
    std::vector<uint8_t> data, room;
};

class Run
{
  public:
    explicit Run(const bench_options &o)
        : options_(o), is_jobs_(bench_is(o.workload, "jobs")),
          size_(is_jobs_ ? BENCH_JOB_SIZE : o.size), jobs_{o.steps, o.long_steps, o.every},
          pattern_(size_), lines_(line_count())
    {
        bench_pattern_fill(pattern_.data(), size_);
        for (Line &line : lines_) {
            line.data.resize(size_);
            line.room.resize(size_);
        }
    }

    size_t line_count() const
    {
        const size_t fit = (size_t{16} << 20) / options_.size;
        return fit < 4 ? 4 : fit > 64 ? 64 : fit;
    }

    void produce(tf::Pipeflow &flow)
    {
        if (flow.token() == options_.count) {
            flow.stop();
            return;
        }
        uint8_t *record = lines_[flow.line()].data.data();
        if (is_jobs_)
            bench_job_write(record, &jobs_, flow.token());
        else
            bench_record_write(record, pattern_.data(), size_, flow.token());
    }

    void work(tf::Pipeflow &flow)
    {
        Line &line = lines_[flow.line()];
        if (is_jobs_) {
            bench_job_do(line.data.data());
        } else {
            memcpy(line.room.data(), line.data.data(), size_);
            line.room.swap(line.data);
        }
    }

    void take(tf::Pipeflow &flow)
    {
        bench_tally_add(&tally_, lines_[flow.line()].data.data(), size_);
    }

    void go()
    {
        using Pipe = tf::Pipe<std::function<void(tf::Pipeflow &)>>;
        const auto type = is_jobs_ ? tf::PipeType::PARALLEL : tf::PipeType::SERIAL;
        std::vector<Pipe> pipes;
        pipes.emplace_back(tf::PipeType::SERIAL, [this](tf::Pipeflow &flow) { produce(flow); });
        for (uint64_t i = 0; i < (is_jobs_ ? 1 : options_.stages - 2); i++)
            pipes.emplace_back(type, [this](tf::Pipeflow &flow) { work(flow); });
        pipes.emplace_back(tf::PipeType::SERIAL, [this](tf::Pipeflow &flow) { take(flow); });
        tf::ScalablePipeline<std::vector<Pipe>::iterator> pipeline(lines_.size(), pipes.begin(),
                                                                   pipes.end());
        tf::Taskflow taskflow;
        tf::Executor executor;
        taskflow.composed_of(pipeline);
        executor.run(taskflow).wait();
        bench_tally_print(&tally_);
    }

  private:
    const bench_options &options_;
    bool is_jobs_;
    size_t size_;
    bench_jobs jobs_;
    std::vector<uint8_t> pattern_;
    std::vector<Line> lines_;
    bench_tally tally_ = {};
};

} // namespace

int main(int argc, char **argv)
{
    bench_options o;
    if (!bench_options_read(&o, argc, argv))
        return 2;
    if (!bench_is(o.workload, "chain") && !bench_is(o.workload, "jobs"))
        return bench_unknown(&o);
    Run(o).go();
    return 0;
}
