/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTS_HARNESS_H
#define FLOW_TESTS_HARNESS_H

/*
 * One stage without an engine: it is given records from memory, and what it emits, refuses and says
 * can be looked at afterwards.  Every record given and every reservation lies in an allocation of
 * exactly its size, so that AddressSanitizer sees a byte too far.
 *
 * Waiting for time does not wait: it is added up.  A call that breaks the contract of
 * <flowrun/stage.h> fails the test.
 *
 * Threads: one.
 */

#include <flowrun/stage.h>

struct harness;

struct harness_options {
    const char *with;   /* the parameters as a JSON object; NULL: {} */
    unsigned replica;   /* this one, of ... */
    unsigned replicas;  /* 0: 1 */
    bool unread;        /* nothing takes from any output */
    size_t batch;       /* records in a batch; 0: all in one */
    size_t stop_after;  /* the run is asked to stop once so many were emitted; 0: never */
    size_t abort_after; /* the run is aborted once so many were emitted; 0: never */
    bool checkpoints;   /* the run takes some */
    bool resumes;       /* it goes on from one: harness_restore follows on harness_open */
    bool numbered;      /* one of several workers whose results are put in order */
};

/* What a stage has saved; to be freed. */
struct harness_saved {
    uint8_t *bytes;
    size_t size;
};

/* What a stage emitted. */
struct harness_record {
    unsigned port;
    char *data; /* with a zero after its `size` bytes */
    size_t size;
    char *key; /* NULL: none; with a zero after it */
    size_t key_size;
};

/* A built-in type, or one from a plugin file; a test that asks for another fails. */
const struct flow_stage_type *harness_builtin(const char *name);

/* Allocate and fill the stage's state.  Parameters that are refused fail the test. */
struct harness *harness_new(const struct flow_stage_type *type,
                            const struct harness_options *options);

/* Close the stage, unless that was done, and free all. */
void harness_free(struct harness *h);

/* Add a record to what the stage will be given (copied). */
void harness_feed(struct harness *h, const char *text);
void harness_feed_bytes(struct harness *h, const void *data, size_t size);
void harness_feed_keyed(struct harness *h, const char *key, const char *text);

/*
 * Open the stage, let it produce to its end or process what was fed, and finish.  Refused records
 * are noted and left out.  Stops at the first other failure and returns it.
 */
enum flow_status harness_run(struct harness *h);

/* The steps of harness_run, for tests that look between them. */
enum flow_status harness_open(struct harness *h);
enum flow_status harness_work(struct harness *h);
enum flow_status harness_step(struct harness *h); /* one call of produce */
enum flow_status harness_finish(struct harness *h);
void harness_close(struct harness *h);

/*
 * Records in flight: harness_work hands over the next ones as soon as fewer are than the stage has
 * said, and harness_finish waits for all.  A turn waits for what the stage watches, and calls it;
 * time passes only if it watches a descriptor.  Drain has it flush and waits until nothing is in
 * flight.  Drop drops what was held last, as a time-out would.
 */
enum flow_status harness_turn(struct harness *h);
enum flow_status harness_drain(struct harness *h);
size_t harness_in_flight(const struct harness *h);
void harness_drop(struct harness *h);

/* Its state, saved and restored; a harness that is to be restored has been opened. */
enum flow_status harness_save(struct harness *h, struct harness_saved *saved);
enum flow_status harness_restore(struct harness *h, const struct harness_saved *saved);
enum flow_status harness_commit(struct harness *h, uint64_t epoch);

/* What came out. */
size_t harness_count(const struct harness *h, unsigned port);
const struct harness_record *harness_record(const struct harness *h, unsigned port, size_t i);

/* All records of a port, each followed by a newline; valid until the next call and harness_free. */
const char *harness_text(struct harness *h, unsigned port);

size_t harness_reject_count(const struct harness *h);
const char *harness_reject(const struct harness *h, size_t i); /* "INDEX: REASON" */
const char *harness_failure(const struct harness *h);          /* "" if the stage did not fail */
int64_t harness_waited_ns(const struct harness *h);

#endif /* FLOW_TESTS_HARNESS_H */
