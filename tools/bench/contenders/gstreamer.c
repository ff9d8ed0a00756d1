/* SPDX-License-Identifier: MIT */

/*
 * GStreamer: appsrc ! queue ! identity ! queue ! appsink, a buffer a record.  Identity passes
 * buffers on: nothing is copied.  For a broadcast, a tee with a queue and an appsink for each
 * reader.
 *
 *     gstreamer chain|broadcast|latency KEY=VALUE...
 */

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>

#include "common/options.h"
#include "common/pace.h"

#define READERS 16

struct end {
    struct bench_tally tally;
    struct bench_delays delays;
    bool is_paced;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "gstreamer: %s\n", what);
    exit(1);
}

/* Called by the appsink for every buffer, on the thread of the queue before it. */
static GstFlowReturn take(GstAppSink *sink, gpointer user)
{
    struct end *end = user;
    GstSample *sample = gst_app_sink_pull_sample(sink);
    GstBuffer *buffer = sample != NULL ? gst_sample_get_buffer(sample) : NULL;
    GstMapInfo map;
    if (buffer == NULL || !gst_buffer_map(buffer, &map, GST_MAP_READ))
        die("no buffer in a sample");
    if (!end->is_paced)
        bench_tally_add(&end->tally, map.data, map.size);
    else if (!bench_delays_add(&end->delays, map.data, map.size))
        die("no memory for the delays");
    gst_buffer_unmap(buffer, &map);
    gst_sample_unref(sample);
    return GST_FLOW_OK;
}

static GstBuffer *make_buffer(const struct bench_options *o, const uint8_t *pattern, uint64_t i,
                              int64_t due)
{
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, o->size, NULL);
    GstMapInfo map;
    if (buffer == NULL || !gst_buffer_map(buffer, &map, GST_MAP_WRITE))
        die("no memory for a buffer");
    bench_record_write(map.data, pattern, o->size, i);
    if (due != 0)
        bench_stamp(map.data, due);
    gst_buffer_unmap(buffer, &map);
    return buffer;
}

/* appsrc blocks while its queue is full. */
static void produce(const struct bench_options *o, GstAppSrc *source)
{
    uint8_t *pattern = malloc(o->size);
    const bool is_paced = bench_is(o->workload, "latency");
    if (pattern == NULL)
        die("no memory");
    bench_pattern_fill(pattern, o->size);
    const int64_t start = bench_now();
    for (uint64_t i = 0; i < o->count; i++) {
        const int64_t due = is_paced ? bench_due(start, i, o->rate) : 0;
        if (is_paced && bench_now() < due)
            bench_pause_until(due);
        if (gst_app_src_push_buffer(source, make_buffer(o, pattern, i, due)) != GST_FLOW_OK)
            die("appsrc takes no more");
    }
    (void)gst_app_src_end_of_stream(source);
    free(pattern);
}

/* The pipeline in GStreamer's own words. */
static GstElement *build(const struct bench_options *o)
{
    GString *text = g_string_new(NULL);
    const char *queue = "queue max-size-time=0 max-size-buffers=1000 max-size-bytes=16777216";
    const char *sink = "appsink sync=false max-buffers=1";
    g_string_append(text, "appsrc name=source format=bytes block=true max-bytes=16777216");
    if (bench_is(o->workload, "broadcast")) {
        g_string_append(text, " ! tee name=tee");
        for (uint64_t i = 0; i < o->readers; i++)
            g_string_append_printf(text, " tee. ! %s ! %s name=end%u", queue, sink, (unsigned)i);
    } else {
        for (uint64_t i = 2; i < o->stages; i++)
            g_string_append_printf(text, " ! %s ! identity", queue);
        g_string_append_printf(text, " ! %s ! %s name=end0", queue, sink);
    }
    GstElement *pipeline = gst_parse_launch(text->str, NULL);
    if (pipeline == NULL)
        die("appsrc, queue, identity, tee or appsink is missing");
    (void)g_string_free(text, TRUE);
    return pipeline;
}

static void watch_end(GstElement *pipeline, unsigned i, struct end *end)
{
    char name[16];
    (void)snprintf(name, sizeof(name), "end%u", i);
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), name);
    GstAppSinkCallbacks callbacks = {.new_sample = take};
    gst_app_sink_set_callbacks(GST_APP_SINK(sink), &callbacks, end, NULL);
    gst_object_unref(sink);
}

static void run(const struct bench_options *o)
{
    struct end ends[READERS] = {0};
    const unsigned count = bench_is(o->workload, "broadcast") ? (unsigned)o->readers : 1;
    GstElement *pipeline = build(o);
    for (unsigned i = 0; i < count; i++) {
        ends[i].is_paced = bench_is(o->workload, "latency");
        watch_end(pipeline, i, &ends[i]);
    }
    GstElement *source = gst_bin_get_by_name(GST_BIN(pipeline), "source");
    (void)gst_element_set_state(pipeline, GST_STATE_PLAYING);
    produce(o, GST_APP_SRC(source));
    GstBus *bus = gst_element_get_bus(pipeline);
    GstMessage *message =
        gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_EOS)
        die("the pipeline failed");
    gst_message_unref(message);
    (void)gst_element_set_state(pipeline, GST_STATE_NULL);
    for (unsigned i = 0; i < count; i++) {
        if (ends[i].is_paced)
            bench_delays_print(&ends[i].delays);
        else
            bench_tally_print(&ends[i].tally);
        bench_delays_clear(&ends[i].delays);
    }
    gst_object_unref(bus);
    gst_object_unref(source);
    gst_object_unref(pipeline);
}

int main(int argc, char **argv)
{
    struct bench_options o;
    if (!bench_options_read(&o, argc, argv))
        return 2;
    const bool is_known = bench_is(o.workload, "chain") || bench_is(o.workload, "latency") ||
                          bench_is(o.workload, "broadcast");
    if (!is_known || o.readers > READERS)
        return bench_unknown(&o);
    gst_init(NULL, NULL);
    run(&o);
    return 0;
}
