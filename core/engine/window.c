/* SPDX-License-Identifier: MIT */
#include "engine/window.h"

#include "base/clock.h"
#include "record/frame.h"

#define WORK_NS 20000000        /* of a reader, shared among its links, ... */
#define WORK_LEAST_NS 2000000   /* ... but this for each */
#define MERGE_NS 200000000      /* how far results may be ahead of the one that is missing */
#define SLICE_NS 1000000        /* of work that several readers share, ... */
#define REMOTE_SLICE_NS 2000000 /* ... where to hand it over costs more */
#define SLICES 4                /* in a window */
#define LAGS 4                  /* that a window makes up for */
#define LAG_MOST_NS 25000000    /* a longer one is taken for an accident */
#define LAG_WEIGHT 4            /* a report changes the average by 1/4 of the difference */
#define GROWTH 4                /* records for each that the reader is known to have done */
#define SLICE_GROWTH 8          /* at most by this factor from report to report */
#define HOT_RECORD 65536        /* bytes: records of this size fill a cache before a window */
#define HOT_BYTES 4194304       /* outstanding, what a cache holds; more ... */
#define HOT_NS 250000           /* ... only while it is less work than this */
#define FIRST 8                 /* records, while nothing is known of the reader, ... */
#define MERGE_FIRST 256         /* ... who may not even be able to take them */
#define LEAST 2                 /* one in hand and one waiting */

void flow_window_init(struct flow_window *window, enum flow_window_kind kind, uint64_t links,
                      bool remote)
{
    const int64_t share = WORK_NS / (int64_t)(links > 0 ? links : 1);
    *window = (struct flow_window){.records = UINT32_MAX, .slice = FLOW_BATCH_RECORDS_MAX};
    switch (kind) {
    case FLOW_WINDOW_NONE:
        break;
    case FLOW_WINDOW_DEAL:
        window->slice_ns = remote ? REMOTE_SLICE_NS : SLICE_NS;
        window->slice = 1;
        break;
    case FLOW_WINDOW_STREAM:
        window->work_ns = share > WORK_LEAST_NS ? share : WORK_LEAST_NS;
        window->first = FIRST;
        break;
    case FLOW_WINDOW_MERGE:
        window->work_ns = MERGE_NS;
        window->first = MERGE_FIRST;
        break;
    }
    if (window->work_ns == 0)
        return;
    window->records = window->first;
    window->slice = window->first / SLICES;
}

bool flow_window_asks(struct flow_window *window, uint32_t count, uint64_t out, uint64_t sent,
                      uint64_t done)
{
    if (window->work_ns == 0)
        return false;
    const uint32_t half = window->records / 2;
    window->quiet += count;
    if (out < half || (window->asked > done && window->quiet < half))
        return false;
    window->quiet = 0;
    window->asked = sent;
    window->asked_out = out;
    window->asked_ns = flow_now_ns();
    return true;
}

/* What was outstanding when the batch asked has been worked on since; the rest is the lag. */
static void learn_lag(struct flow_window *window, int64_t cost_ns)
{
    int64_t lag = flow_now_ns() - window->asked_ns - (int64_t)window->asked_out * cost_ns;
    if (lag < 0)
        lag = 0;
    if (lag > LAG_MOST_NS)
        lag = LAG_MOST_NS;
    window->lag_ns += (lag - window->lag_ns) / LAG_WEIGHT;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/*
 * Large records that their reader looks into are best taken while they are in a cache.  A window
 * of them is as large as the two ends need in order not to wake each other for each one.
 */
static uint64_t hot_records(const struct flow_window *window, int64_t cost_ns)
{
    if (window->record_bytes < HOT_RECORD)
        return UINT32_MAX;
    return larger(HOT_BYTES / window->record_bytes, (uint64_t)(HOT_NS / cost_ns));
}

/* A reader has done nothing yet that would be slow: it may be about to.  So a window is no larger
 * than a few times what it has done. */
static void learn_work(struct flow_window *window, uint64_t done_records, int64_t cost_ns)
{
    const int64_t time = window->work_ns + LAGS * window->lag_ns;
    const uint64_t proven = larger(window->first, smaller(done_records, UINT32_MAX) * GROWTH);
    const uint64_t records =
        smaller(smaller((uint64_t)(time / cost_ns), proven), hot_records(window, cost_ns));
    window->records = (uint32_t)larger(LEAST, smaller(records, UINT32_MAX));
    window->slice = (uint32_t)larger(1, smaller(window->records / SLICES, FLOW_BATCH_RECORDS_MAX));
}

static void learn_slice(struct flow_window *window, int64_t cost_ns)
{
    const uint64_t wanted =
        smaller((uint64_t)(window->slice_ns / cost_ns), (uint64_t)window->slice * SLICE_GROWTH);
    window->slice = (uint32_t)larger(1, smaller(wanted, FLOW_BATCH_RECORDS_MAX));
}

void flow_window_learn(struct flow_window *window, uint64_t done, uint64_t done_records,
                       uint32_t cost_ns, uint64_t record_bytes)
{
    if (record_bytes > 0)
        window->record_bytes = record_bytes;
    if (cost_ns == 0)
        return;
    if (window->slice_ns > 0)
        learn_slice(window, cost_ns);
    if (window->work_ns == 0)
        return;
    if (window->asked_ns != 0 && window->asked <= done) {
        learn_lag(window, cost_ns);
        window->asked_ns = 0;
    }
    learn_work(window, done_records, cost_ns);
}
