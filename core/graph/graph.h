/* SPDX-License-Identifier: MIT */
#ifndef FLOW_GRAPH_GRAPH_H
#define FLOW_GRAPH_GRAPH_H

/*
 * A graph: stages and the edges between them, read from a JSON text of format 1 and checked.  A
 * struct flow_graph that exists is sound: every name resolves, every parameter fits, there is no
 * cycle, and every rule of docs/graph-format.md holds.  Reading touches no socket and no thread.
 *
 * Threads: immutable once read; any number of readers.  Memory: flow_graph_free releases all.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "flowrun/error.h"
#include "flowrun/stage.h"

/* Limits of a graph file; beyond one, the file is refused with the limit named. */
#define FLOW_GRAPH_MAX_BYTES ((size_t)8 << 20)
#define FLOW_GRAPH_MAX_DEPTH 32
#define FLOW_GRAPH_MAX_STAGES 10000
#define FLOW_GRAPH_MAX_WORKERS 1024
#define FLOW_STALL_NS ((int64_t)30 * 1000 * 1000 * 1000) /* unless the graph says otherwise */
#define FLOW_GRAPH_MAX_NAME 64
#define FLOW_GRAPH_MAX_PARTS 16 /* graphs that use each other as stages, one in the other */
#define FLOW_GRAPH_MAX_TESTS 1000
#define FLOW_TEST_NS ((int64_t)60 * 1000 * 1000 * 1000) /* how long a test may take, likewise */
#define FLOW_GRAPH_MAX_CPUS 8192 /* as many as a Linux kernel can be built for */

/* The errors port of a stage, as a port index. */
#define FLOW_PORT_ERRORS 0xffffu

enum flow_mode { FLOW_THREADS, FLOW_PROCESSES };
enum flow_share { FLOW_BALANCE, FLOW_KEY, FLOW_ALL };
enum flow_order { FLOW_ORDER_INPUT, FLOW_ORDER_KEY, FLOW_ORDER_NONE };
enum flow_when_full { FLOW_BLOCK, FLOW_DROP_NEW, FLOW_DROP_OLD, FLOW_FAIL };
enum flow_pin { FLOW_PIN_NONE, FLOW_PIN_COMPACT, FLOW_PIN_SPREAD };
enum flow_on_error { FLOW_STOP, FLOW_SKIP, FLOW_ROUTE };
enum flow_delivery { /* what is demanded of paths */
                     FLOW_DELIVERY_NONE,
                     FLOW_DELIVERY_AT_MOST,
                     FLOW_DELIVERY_AT_LEAST,
                     FLOW_DELIVERY_EXACTLY,
};
enum flow_fuse { FLOW_FUSE_AUTO, FLOW_FUSE_ON, FLOW_FUSE_OFF };

#define FLOW_WORKERS_AUTO 0

struct flow_graph_origin; /* see control/origin.h */

struct flow_queue {
    uint64_t items; /* records; 0: the plan chooses */
    uint64_t bytes; /* 0: the plan chooses */
    enum flow_when_full when_full;
};

struct flow_error_policy {
    enum flow_on_error then; /* after the retries */
    unsigned retries;
    int64_t backoff_ns;     /* before the first retry; doubles with each */
    int64_t backoff_max_ns; /* the doubling stops here */
};

/* Whether the process of a stage is replaced when it dies, and when that is given up. */
struct flow_restart {
    bool on;
    unsigned tries;     /* deaths within `window_ns` after which the run ends */
    int64_t window_ns;  /* 0: of the whole run */
    int64_t backoff_ns; /* before the second start without progress; doubles with each */
    int64_t backoff_max_ns;
};

enum flow_fault_kind { FLOW_FAULT_FAIL, FLOW_FAULT_KILL, FLOW_FAULT_DELAY };

/* What a test has happen to a stage when it is handed a record. */
struct flow_graph_fault {
    size_t stage;
    uint64_t record; /* its number */
    enum flow_fault_kind kind;
    uint64_t times;   /* that the record is handed over: then all is well */
    int64_t delay_ns; /* FLOW_FAULT_DELAY */
    char *reason;     /* FLOW_FAULT_FAIL: NULL: the usual one */
    char *mark;       /* a path: what is noted there of how often it happened outlives processes */
};

struct flow_graph_stage {
    char *name;
    const struct flow_stage_type *type; /* borrowed from the catalogue */
    json_t *with;                       /* parameters after interpolation; NULL: none */
    unsigned workers;                   /* FLOW_WORKERS_AUTO or 1.. */
    enum flow_order order;
    struct flow_error_policy errors;
    uint32_t *cpus; /* where it may run, ascending; NULL: the graph does not say */
    size_t cpu_count;
    bool isolate;
    struct flow_restart restart;
    int64_t timeout_ns;          /* that a callback may take for one record; 0: any */
    bool delivery_given;         /* by the stage itself, not by `run` */
    enum flow_delivery delivery; /* of the paths that it begins or ends */
    bool fuse_given;             /* by the stage itself, not by `run` */
    enum flow_fuse fuse;         /* with the stage before it */
    bool spool_given;            /* by the stage itself, not at the top */
    uint64_t spool_bytes;        /* most that its spool may hold; 0: it has none */
    char *description;           /* NULL: none */
    const struct flow_graph_fault *const *faults; /* a list; NULL, mostly: none */
};

struct flow_graph_edge {
    size_t from;        /* index of the stage */
    unsigned from_port; /* index in its outputs, or FLOW_PORT_ERRORS */
    size_t to;
    unsigned to_port;
    enum flow_share share;
    char *key; /* a JSON pointer; NULL: the record's own key (or, without one, its bytes) */
    struct flow_queue queue;
};

/* Records that take the place of a producer in a test: texts as bytes, other JSON as compact text.
 */
struct flow_graph_feed {
    size_t stage;
    json_t *records; /* a list */
};

/* What a test expects of the records on a port, or of those that a consumer takes. */
struct flow_graph_expect {
    char *label; /* "STAGE" or "STAGE.PORT", as the test has it */
    size_t stage;
    unsigned port; /* of its outputs, or FLOW_PORT_ERRORS; nothing to a consumer */
    bool consumer;
    size_t line;       /* in the file, from 1 */
    json_t *records;   /* just these, in this order; this and the next three are lists or NULL */
    json_t *unordered; /* just these, in any order */
    json_t *contains;  /* these among others */
    json_t *matches;   /* each record matches all of these POSIX extended regular expressions */
    int64_t count;     /* so many; -1: any number */
};

/* One of the graph's own tests. */
struct flow_graph_test {
    char *name;
    size_t line;
    int64_t within_ns;
    json_t *env; /* an object of strings; NULL: nothing is changed */
    struct flow_graph_feed *feeds;
    size_t feed_count;
    struct flow_graph_expect *expects;
    size_t expect_count;
    struct flow_graph_fault *faults;
    size_t fault_count;
    const struct flow_graph_fault **by_stage; /* lists of them, each up to a NULL; see rig.h */
};

struct flow_graph {
    char *name; /* from the file, else the file's name without folder and ending */
    char *description;
    char *folder;                    /* of the file; "." when it is read from stdin or memory */
    struct flow_graph_stage *stages; /* in file order */
    size_t stage_count;
    struct flow_graph_edge *edges; /* in file order of the readers */
    size_t edge_count;
    enum flow_mode mode;
    enum flow_pin pin;     /* of the stages without CPUs of their own */
    uint64_t memory;       /* bytes in flight; 0: the plan chooses */
    enum flow_fuse fuse;   /* of stages that say nothing themselves */
    int64_t drain_ns;      /* how long draining may take; 0: no limit */
    int64_t stall_ns;      /* nothing moving for so long is told; 0: never */
    bool stall_stops;      /* ... and ends the run */
    bool checkpoints;      /* the run takes some */
    char *state;           /* the state folder; NULL: the one beside the graph */
    int64_t checkpoint_ns; /* between two checkpoints */
    enum flow_delivery delivery;
    uint64_t
        spool_bytes; /* of producers that say nothing themselves and cannot read again; 0: none */
    struct flow_graph_test *tests;
    size_t test_count;
    struct flow_stage_type **own_types; /* made for a test, see rig.h */
    size_t own_type_count;
    struct flow_graph_origin *origin; /* for control/, which sets and frees it; else NULL */
};

/* Where stage types come from: the catalogue, or a table of a test's own. */
struct flow_types {
    void *context;
    /*
     * The type that `use` names.  A `use` with a '/' is a plugin's file, relative to `folder`, with
     * an optional ":type".  On failure NULL, and `err` says why; FLOW_ENOENT: no such type.
     */
    const struct flow_stage_type *(*find)(void *context, const char *use, const char *folder,
                                          struct flow_error *err);
    /* All names known without opening plugins by path, for "did you mean"; NULL ends the list. */
    const char *const *(*names)(void *context);
    /*
     * The text of a graph that a stage uses, to be released with free().  On failure NULL, and
     * `err` says why.  NULL: graphs cannot be used as stages.
     */
    char *(*load)(void *context, const char *path, size_t *size, struct flow_error *err);
};

/* "k=v" and its like from the command line, in order. */
struct flow_graph_options {
    /* As the user wrote it, for messages and relative plugins; NULL: "<memory>". */
    const char *path;
    const char *const *params;  /* "NAME=VALUE", NULL ends the list; NULL: none */
    const char *const *sets;    /* "STAGE.KEY=VALUE" */
    const char *const *workers; /* "STAGE=N" or "STAGE=auto" */
    const char *mode;           /* "threads", "processes" or NULL: as the graph says */
    const char *fuse;           /* "auto", "on", "off" or NULL: as the graph says */
    const char *pin;            /* "none", "compact", "spread" or NULL: as the graph says */
    const char *stall;          /* a duration, or NULL: as the graph says */
    const char *state;          /* a folder, "" (the one beside the graph) or NULL: likewise */
    const char *checkpoint;     /* a duration or NULL: likewise */
    size_t test; /* of the graph's tests, from 1: with its parameters and environment; 0: none */
};

/*
 * Read and check.  On failure NULL; every fault of the text is in `diag`, which has borrowed `text`
 * (`size` bytes, which need not end with a zero).  Faults of the options are findings without a
 * place, with diag->count > 0 as well; FLOW_ENOMEM alone leaves diag->failed set.
 */
struct flow_graph *flow_graph_read(const char *text, size_t size,
                                   const struct flow_graph_options *options,
                                   const struct flow_types *types, struct flow_diag *diag);

void flow_graph_free(struct flow_graph *graph);

/* Do two stages ask for the same CPUs, or both for none? */
bool flow_graph_same_cpus(const struct flow_graph_stage *a, const struct flow_graph_stage *b);

/* Names of enum values as they stand in a graph file. */
const char *flow_share_name(enum flow_share share);
const char *flow_order_name(enum flow_order order);
const char *flow_pin_name(enum flow_pin pin);
const char *flow_when_full_name(enum flow_when_full policy);
const char *flow_on_error_name(enum flow_on_error policy);
/* Nothing is demanded any more. */
void flow_graph_forget_delivery(struct flow_graph *graph);
const char *flow_delivery_name(enum flow_delivery delivery); /* "exactly-once" */
const char *flow_fuse_name(enum flow_fuse fuse);             /* "auto", "on", "off" */

/* The ports of a type, with the defaults of stage.h filled in; NULL name ends the table. */
const struct flow_port *flow_type_inputs(const struct flow_stage_type *type);
const struct flow_port *flow_type_outputs(const struct flow_stage_type *type);
size_t flow_port_count(const struct flow_port *ports);

/* The name of an output port; "errors" for FLOW_PORT_ERRORS. */
const char *flow_output_name(const struct flow_stage_type *type, unsigned port);

#endif /* FLOW_GRAPH_GRAPH_H */
