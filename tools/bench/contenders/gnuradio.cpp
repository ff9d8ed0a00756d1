/* SPDX-License-Identifier: MIT */

/*
 * GNU Radio's streams: an item is a record, blocks are called for as many items as there are, each
 * block is a thread.
 *
 *     gnuradio chain|broadcast KEY=VALUE...
 */

#include <vector>

#include <gnuradio/io_signature.h>
#include <gnuradio/sync_block.h>
#include <gnuradio/top_block.h>

#include "common/options.h"

namespace
{

gr::io_signature::sptr one(const bench_options &o)
{
    return gr::io_signature::make(1, 1, static_cast<int>(o.size));
}

gr::io_signature::sptr none()
{
    return gr::io_signature::make(0, 0, 0);
}

class Source : public gr::sync_block
{
  public:
    explicit Source(const bench_options &o)
        : gr::sync_block("source", none(), one(o)), options_(o), pattern_(o.size)
    {
        bench_pattern_fill(pattern_.data(), o.size);
    }

    int work(int room, gr_vector_const_void_star &, gr_vector_void_star &out) override
    {
        auto *record = static_cast<uint8_t *>(out[0]);
        int made = 0;
        for (; made < room && next_ < options_.count; made++, record += options_.size)
            bench_record_write(record, pattern_.data(), options_.size, next_++);
        return made > 0 ? made : WORK_DONE;
    }

  private:
    const bench_options &options_;
    std::vector<uint8_t> pattern_;
    uint64_t next_ = 0;
};

class Copy : public gr::sync_block
{
  public:
    explicit Copy(const bench_options &o) : gr::sync_block("copy", one(o), one(o)), size_(o.size)
    {
    }

    /* Items lie one behind the other: all at once, as a block would that knows GNU Radio. */
    int work(int count, gr_vector_const_void_star &in, gr_vector_void_star &out) override
    {
        memcpy(out[0], in[0], static_cast<size_t>(count) * size_);
        return count;
    }

  private:
    size_t size_;
};

class Sink : public gr::sync_block
{
  public:
    explicit Sink(const bench_options &o) : gr::sync_block("sink", one(o), none()), size_(o.size)
    {
    }

    int work(int count, gr_vector_const_void_star &in, gr_vector_void_star &) override
    {
        const auto *record = static_cast<const uint8_t *>(in[0]);
        for (int i = 0; i < count; i++, record += size_)
            bench_tally_add(&tally_, record, size_);
        return count;
    }

    void show() const
    {
        bench_tally_print(&tally_);
    }

  private:
    size_t size_;
    bench_tally tally_ = {};
};

} // namespace

int main(int argc, char **argv)
{
    bench_options o;
    if (!bench_options_read(&o, argc, argv))
        return 2;
    const bool is_chain = bench_is(o.workload, "chain");
    if (!is_chain && !bench_is(o.workload, "broadcast"))
        return bench_unknown(&o);
    auto top = gr::make_top_block("bench");
    gr::block_sptr last = gnuradio::make_block_sptr<Source>(o);
    for (uint64_t i = 2; is_chain && i < o.stages; i++) {
        gr::block_sptr next = gnuradio::make_block_sptr<Copy>(o);
        top->connect(last, 0, next, 0);
        last = next;
    }
    std::vector<std::shared_ptr<Sink>> sinks;
    for (uint64_t i = 0; i < (is_chain ? 1 : o.readers); i++) {
        sinks.push_back(gnuradio::make_block_sptr<Sink>(o));
        top->connect(last, 0, sinks.back(), 0);
    }
    top->run();
    for (const auto &sink : sinks)
        sink->show();
    return 0;
}
