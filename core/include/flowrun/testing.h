/* SPDX-License-Identifier: MIT */
#ifndef FLOWRUN_TESTING_H
#define FLOWRUN_TESTING_H

/*
 * One stage without an engine, to test it: it is given records from memory, and what it emits,
 * refuses, saves and says can be looked at afterwards.
 *
 *     struct flow_harness *h = flow_harness_new(type, NULL);
 *     flow_harness_feed(h, "a record");
 *     assert(flow_harness_run(h) == FLOW_OK);
 *     assert(strcmp(flow_harness_text(h, 0), "A RECORD\n") == 0);
 *     flow_harness_free(h);
 *
 * Every record given and every reservation lies in an allocation of exactly its size, so that
 * AddressSanitizer sees a byte too far.  Time is not waited for, it is added up, unless the stage
 * watches a descriptor.  What breaks the
 * rules of <flowrun/stage.h>, or asks for what is not there, ends the test: see
 * flow_harness_broken.
 *
 * It goes with any test library, or none.  Link libflowrun-testing.a, as `pkg-config --libs
 * flowrun-testing` or the CMake target flowrun::testing do.
 *
 * Threads: a harness belongs to one thread.  Memory: texts and records that it returns are its own
 * and last until flow_harness_free, unless a comment says otherwise.
 */

#include <flowrun/stage.h>

#ifdef __cplusplus
extern "C" {
#endif

struct flow_harness;

struct flow_harness_options {
    const char *with;   /* the parameters as a JSON object; NULL: {} */
    const char *name;   /* of the stage in the graph; NULL: "stage" */
    const char *folder; /* of the graph; NULL: "." */
    unsigned replica;   /* this one, of ... */
    unsigned replicas;  /* 0: 1 */
    bool unread;        /* nothing takes from any output */
    size_t batch;       /* records in a batch; 0: all in one */
    size_t stop_after;  /* the run is asked to stop once so many were emitted; 0: never */
    size_t abort_after; /* the run is aborted once so many were emitted; 0: never */
    bool checkpoints;   /* the run takes some */
    bool resumes;       /* it goes on from one: flow_harness_restore follows on flow_harness_open */
    bool numbered;      /* one of several workers whose results are put in order */
    size_t respooled;   /* so many records a spool has emitted in its place since restore */
};

/* What a stage has saved; `bytes` is to be released with free(). */
struct flow_harness_saved {
    uint8_t *bytes;
    size_t size;
};

/* What a stage emitted. */
struct flow_harness_record {
    unsigned port;
    char *data; /* with a zero after its `size` bytes */
    size_t size;
    char *key; /* NULL: none; with a zero after it */
    size_t key_size;
};

/*
 * The type `name` of the plugin in a file, or, with NULL, its only one.  The checks are those of
 * the engine; the file stays loaded.
 */
const struct flow_stage_type *flow_harness_load(const char *path, const char *name);

/*
 * Allocate the stage's state and fill it from the parameters.  Parameters that are refused end the
 * test; `options`, which may be NULL, are copied, what they point to is borrowed.
 */
struct flow_harness *flow_harness_new(const struct flow_stage_type *type,
                                      const struct flow_harness_options *options);

/* Why these parameters are refused, to be released with free(); NULL: they are not. */
char *flow_harness_refusal(const struct flow_stage_type *type, const char *with);

/* Close the stage, unless that was done, and free all.  NULL is fine. */
void flow_harness_free(struct flow_harness *h);

/* Add a record to what the stage will be given (copied). */
void flow_harness_feed(struct flow_harness *h, const char *text);
void flow_harness_feed_bytes(struct flow_harness *h, const void *data, size_t size);
void flow_harness_feed_keyed(struct flow_harness *h, const char *key, const char *text);

/* The same with data, key and input port of `record`; its number is not looked at. */
void flow_harness_feed_record(struct flow_harness *h, const struct flow_record *record);

/*
 * Open the stage, let it produce to its end or process what was fed, and finish.  Refused records
 * are noted and left out.  Stops at the first other failure and returns it.
 */
enum flow_status flow_harness_run(struct flow_harness *h);

/* The steps of flow_harness_run, for tests that look between them; work gives the stage what was
 * fed since it was called last. */
enum flow_status flow_harness_open(struct flow_harness *h);
enum flow_status flow_harness_work(struct flow_harness *h);
enum flow_status flow_harness_step(struct flow_harness *h); /* one call of produce */
enum flow_status flow_harness_finish(struct flow_harness *h);
void flow_harness_close(struct flow_harness *h);

/*
 * Records in flight: work hands over the next ones as soon as fewer are than the stage has said,
 * and finish waits for all.  A turn waits for what the stage watches, and calls it; time passes
 * only if it watches a descriptor.  Drain has it flush and waits until nothing is in flight.  Drop
 * drops what was held last, as a time-out would.
 */
enum flow_status flow_harness_turn(struct flow_harness *h);
enum flow_status flow_harness_drain(struct flow_harness *h);
size_t flow_harness_in_flight(const struct flow_harness *h);
void flow_harness_drop(struct flow_harness *h);

/* Its state, saved and restored; a harness that is to be restored has been opened. */
enum flow_status flow_harness_save(struct flow_harness *h, struct flow_harness_saved *saved);
enum flow_status flow_harness_restore(struct flow_harness *h,
                                      const struct flow_harness_saved *saved);
enum flow_status flow_harness_commit(struct flow_harness *h, uint64_t epoch);

/* The struct that the parameters were put into, which is the stage's own. */
void *flow_harness_state(struct flow_harness *h);

/* What the type's weakness says of these parameters; NULL: nothing. */
const char *flow_harness_weakness(const struct flow_harness *h);

/* What came out. */
size_t flow_harness_count(const struct flow_harness *h, unsigned port);
const struct flow_harness_record *flow_harness_record(const struct flow_harness *h, unsigned port,
                                                      size_t i);

/* All records of a port, each followed by a newline; valid until the next call. */
const char *flow_harness_text(struct flow_harness *h, unsigned port);

/* "INDEX: REASON", the index being the record's place in its batch, 0 for process, or, of a type
 * with `ready`, its place in what was fed. */
size_t flow_harness_reject_count(const struct flow_harness *h);
const char *flow_harness_reject(const struct flow_harness *h, size_t i);

/* What it told the operator, and why it failed, "" if it did not. */
size_t flow_harness_log_count(const struct flow_harness *h);
const char *flow_harness_log(const struct flow_harness *h, size_t i);
const char *flow_harness_failure(const struct flow_harness *h);

/* How long it has waited for nothing but time. */
int64_t flow_harness_waited_ns(const struct flow_harness *h);

/*
 * Called with what is wrong, when the stage breaks a rule or the test asks for what is not there;
 * it must not return.  The library's own prints the message and aborts.  A program that defines
 * this function itself gets its own called, which can be a failure in the terms of its test
 * library: cmocka's fail_msg, for example.
 */
void flow_harness_broken(const char *message);

#ifdef __cplusplus
}
#endif

#endif /* FLOWRUN_TESTING_H */
