/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STATE_MANIFEST_H
#define FLOW_STATE_MANIFEST_H

/*
 * A manifest: what makes one checkpoint, and of which graph.  As text it is one line of JSON and
 * one with the checksum of the first, so that half of it is not taken for the whole.
 *
 * Threads: one owner.  Memory: starts as {0}; flow_manifest_clear releases all.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "flowrun/error.h"
#include "state/blob.h"

/* What must be the same in the run that goes on from it. */
struct flow_manifest_stage {
    char *name;
    uint64_t workers;
    uint64_t digest; /* of its type, its parameters, and where its input comes from */
};

struct flow_manifest_replica {
    bool finished; /* it had nothing more to do */
    struct flow_blob blob;
};

struct flow_manifest {
    uint64_t epoch;   /* from 1 on; never used twice in a state folder's life */
    uint64_t session; /* the epoch that the run had gone on from; 0: it had begun anew */
    bool done;        /* the run has ended, and well: nothing is left to do */
    char *graph;      /* its name */
    struct flow_manifest_stage *stages;
    size_t stage_count;
    struct flow_manifest_replica *replicas; /* as in the plan */
    size_t replica_count;
};

void flow_manifest_clear(struct flow_manifest *manifest);

/* A copy of the graph and its stages, with `replicas` empty replicas.  FLOW_ENOMEM. */
FLOW_NODISCARD enum flow_status flow_manifest_copy_head(const struct flow_manifest *from,
                                                        size_t replicas, struct flow_manifest *to,
                                                        struct flow_error *err);

/* The text is appended; out->failed tells of a lack of memory. */
void flow_manifest_write(const struct flow_manifest *manifest, struct flow_str *out);

/* FLOW_EPROTO: it is no manifest, or not whole; FLOW_ENOMEM. */
FLOW_NODISCARD enum flow_status flow_manifest_read(const char *text, size_t size,
                                                   struct flow_manifest *manifest,
                                                   struct flow_error *err);

/* Is `manifest` of the graph that `mine` is of?  FLOW_EINVAL says how they differ. */
FLOW_NODISCARD enum flow_status flow_manifest_match(const struct flow_manifest *manifest,
                                                    const struct flow_manifest *mine,
                                                    struct flow_error *err);

/* A blob in words, as it travels and as it stands in a manifest, and back; false: it is none. */
json_t *flow_blob_to_json(const struct flow_manifest_replica *replica);
bool flow_blob_from_json(const json_t *json, struct flow_manifest_replica *replica);

#endif /* FLOW_STATE_MANIFEST_H */
