/* SPDX-License-Identifier: MIT */
#ifndef FLOW_GRAPH_READER_H
#define FLOW_GRAPH_READER_H

/*
 * What the steps of reading a graph share.  The steps, in order:
 *
 *     text -> nodes -> params -> ${...} -> run, defaults -> stages -> edges -> rules -> tests
 *     text.c  node.c   params.c  interpolate.c  head.c      stages.c  edges.c  rules.c  tests.c
 *
 * Each step adds what it finds to `diag` and goes on, so that one reading shows all faults.  What
 * hangs on something that is already a finding stays silent: a stage of an unknown type has `type`
 * NULL and is asked for nothing more; once a reference did not resolve (`unsure`), nobody says that
 * a stage is not read.  A failed allocation sets diag->failed and ends the reading.
 *
 * Threads: one owner.  Memory: belongs to flow_graph_read.
 */

#include "graph/graph.h"
#include "graph/node.h"

#define FLOW_NO_STAGE ((size_t)-1)

/* Parameters that a graph may declare. */
#define FLOW_PARAMS_MAX ((size_t)1000)

/*
 * A text that is read: the graph's own, or that of a graph which a stage of another uses.  The
 * reader is at one of them at a time: messages go to its findings, names are looked up among its
 * stages.
 */
struct flow_source {
    struct flow_source *outer;     /* the one with the stage that uses it; NULL: the graph's own */
    const struct flow_node *stage; /* that stage, there */
    char *name;                    /* ... as it is called in the whole graph; NULL likewise */
    char *path;                    /* as messages name it */
    char *folder;
    struct flow_diag *diag; /* shared by all that come from the same file */
    char *text;             /* likewise; NULL: not its own */
    json_t *json;
    struct flow_node root;
    const struct flow_stage_type **plugins; /* types of "plugins" */
    size_t plugin_count;
    struct flow_queue default_queue;
    struct flow_error_policy default_errors;
    const struct flow_node *default_errors_node;
    bool default_errors_unknown;
};

/* A declared parameter of the graph and its value. */
struct flow_graph_param {
    const struct flow_node *node; /* its declaration */
    enum flow_type type;
    bool secret;
    json_t *value; /* NULL: it has none, which is a finding already */
    char *text;    /* as it stands inside a longer string */
};

/* Where the parts of graph->stages[i] stand in the file (NULL: absent), and what was seen of it. */
struct flow_stage_nodes {
    struct flow_source *source;
    const struct flow_node *node; /* key: the name there */
    const struct flow_node *use, *with, *workers, *order, *errors, *fuse;
    const struct flow_node *from, *inputs;
    const char *workers_option; /* the --workers that replaced `workers` */
    json_t *set;                /* parameters from --set; NULL: none */
    bool keys_unknown;          /* one of them may have been meant as "from" */
    bool order_given;           /* ... and understood */
    bool errors_unknown;        /* `errors` was not understood */
    bool has_error_reader;
    bool is_read;         /* one of its own outputs */
    bool fed;             /* "ports" of its source name it as an input */
    bool exported;        /* ... or one of its own outputs */
    bool errors_exported; /* ... or its errors */
};

/* The same for graph->edges[i]. */
struct flow_edge_nodes {
    struct flow_source *source;
    const struct flow_node *ref; /* the "STAGE" or "STAGE.PORT" there */
    bool share_unknown;          /* `share` was not understood */
};

struct flow_reader {
    struct flow_diag *diag;
    const struct flow_types *types;
    const struct flow_graph_options *options;
    struct flow_graph *graph;

    struct flow_source *source;   /* the one that is read at the moment; `diag` is its own */
    struct flow_source **sources; /* the first is the graph's own */
    size_t source_count, source_capacity;

    struct flow_graph_param *params;
    size_t param_count;
    const struct flow_node *test; /* the one that the graph is read for; NULL: none */
    size_t replaced_size;         /* bytes of all strings that held a ${...} */

    /* Values of parameters that stand in a test, or in "with" of the stage that uses this graph. */
    const struct flow_node *given;    /* NULL: none */
    const struct flow_node *given_at; /* the "use" of that stage; NULL: a test */
    struct flow_diag *given_diag;

    struct flow_stage_nodes *stages; /* as graph->stages */
    const char **names;              /* of the stages, NULL ends the list */
    size_t *by_name;                 /* stage indices sorted by name */
    struct flow_edge_nodes *edges;   /* as graph->edges */
    size_t edge_capacity, edge_nodes_capacity;
    bool unsure; /* a reference did not resolve */
};

/* Go on at another source; the one before, to come back to. */
struct flow_source *flow_reader_enter(struct flow_reader *r, struct flow_source *source);

/* The nodes of the source, from diag->text.  False: nothing more can be said about it. */
bool flow_reader_nodes(struct flow_reader *r);

/* Graphs as stages, see parts.c. */
bool flow_reader_uses_part(const struct flow_node *stage);
struct flow_source *flow_reader_load_part(struct flow_reader *r, const struct flow_node *stage);
struct flow_source *flow_reader_find_part(const struct flow_reader *r, const char *name);
void flow_reader_check_parts(struct flow_reader *r);
void flow_reader_end_parts(struct flow_reader *r);
/* "in" or "out" of the ports of a source; NULL: none. */
const struct flow_node *flow_source_ports(const struct flow_source *source, const char *which);
/* Is the stage `key`, and of its inputs `port` (NULL: the only one), what `ports` name? */
bool flow_source_names(const struct flow_node *target, const char *key, const char **port);

/* A source without text; NULL: no memory. */
struct flow_source *flow_reader_add_source(struct flow_reader *r, const char *path);

/* The steps. */
void flow_reader_params(struct flow_reader *r);
void flow_reader_interpolate(struct flow_reader *r);
void flow_reader_head(struct flow_reader *r);
void flow_reader_stages(struct flow_reader *r);
void flow_reader_edges(struct flow_reader *r);
void flow_reader_rules(struct flow_reader *r);
void flow_reader_tests(struct flow_reader *r);

/* Parts of steps that have a file of their own; `index` is of a stage, and of an edge in match. */
void flow_reader_plugins(struct flow_reader *r);                /* types.c */
void flow_reader_use(struct flow_reader *r, size_t index);      /* types.c */
void flow_reader_options(struct flow_reader *r);                /* options.c: --set, --workers */
void flow_reader_with(struct flow_reader *r, size_t index);     /* with.c */
void flow_reader_match(struct flow_reader *r, size_t index);    /* match.c: port types */
void flow_reader_parallel(struct flow_reader *r, size_t index); /* parallel.c */
void flow_reader_cycles(struct flow_reader *r);                 /* cycles.c */
void flow_reader_fuse(struct flow_reader *r, size_t index);     /* fuse.c */

/* Values for parameters, whose findings go to `diag`: each is declared, and its value fits. */
void flow_reader_given(struct flow_reader *r, const struct flow_node *params,
                       struct flow_diag *diag);

/* The parts of head.c that a graph has which is used as a stage. */
void flow_reader_part_head(struct flow_reader *r);

/* The output or "STAGE.PORT" of the source that `ref` names, into the beginning of `edge`. */
bool flow_reader_ref(struct flow_reader *r, const struct flow_node *ref,
                     struct flow_graph_edge *edge);

/* No stage of the source is named `name`: a finding. */
void flow_reader_report_stage(struct flow_reader *r, const struct flow_node *ref, const char *name);

/* The stage of the source that is named `name` there. */
size_t flow_reader_find_here(struct flow_reader *r, const char *name);

/* Replace the ${env:...} in one string, as the default of a parameter may have it. */
void flow_reader_replace_env(struct flow_reader *r, struct flow_node *parent,
                             struct flow_node *node);

/* The edges into a stage, which are adjacent. */
struct flow_edge_range {
    size_t first, end;
};
struct flow_edge_range flow_reader_inputs(const struct flow_reader *r, size_t stage);

/* The stage of that name in the whole graph; FLOW_NO_STAGE: none. */
size_t flow_reader_find(const struct flow_reader *r, const char *name);

/* Memory is short: remember it.  Always false. */
bool flow_reader_no_memory(struct flow_reader *r);

/* Is `name` fit for a stage or a parameter?  Else a finding at the key of `node`. */
bool flow_reader_name(struct flow_reader *r, const struct flow_node *node, const char *what);

/* true, false or "auto"; false: absent or not understood. */
bool flow_reader_fuse_value(struct flow_reader *r, const struct flow_node *node,
                            enum flow_fuse *fuse);
/* What --fuse says, over what `run` says. */
void flow_reader_fuse_option(struct flow_reader *r);

/* Policies of an edge and of a stage; `queue` and `policy` hold the defaults on entry.  False: the
 * policy was not understood. */
void flow_reader_queue(struct flow_reader *r, const struct flow_node *node,
                       struct flow_queue *queue);
bool flow_reader_errors(struct flow_reader *r, const struct flow_node *node,
                        struct flow_error_policy *policy);

/* The CPUs of a stage; `node` may be NULL. */
void flow_reader_cpus(struct flow_reader *r, const struct flow_node *node,
                      struct flow_graph_stage *stage);

/* "restart" and "timeout" of a stage, see restart.c. */
extern const struct flow_restart flow_restart_default;
void flow_reader_restart(struct flow_reader *r, const struct flow_node *node,
                         struct flow_restart *restart);
/* "exactly-once" and the like; false: there is none, or one that is not understood. */
bool flow_reader_delivery(struct flow_reader *r, const struct flow_node *node,
                          enum flow_delivery *delivery);
void flow_reader_timeout(struct flow_reader *r, const struct flow_node *node, int64_t *timeout_ns);

/* A spool: true, false, or how large it may become.  False: nothing is said. */
bool flow_reader_spool(struct flow_reader *r, const struct flow_node *node, uint64_t *bytes);

#endif /* FLOW_GRAPH_READER_H */
